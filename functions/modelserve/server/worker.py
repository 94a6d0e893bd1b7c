"""The pull worker as a process: its subscription, its health, and its end."""

from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.errors import BadSetting, MethodNotAllowed, NotFound, Unavailable
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.messages import MessageScorer
from modelserve.events.worker import Worker, subscription_path
from modelserve.http.bodies import Headers
from modelserve.http.endpoint import Endpoint, metrics_reply, sent_path
from modelserve.models.active import ActiveModel
from modelserve.payloads.decode import JSON
from modelserve.payloads.predictions import encode
from modelserve.server import container
from modelserve.server.process import Process


def run_worker() -> None:
    """Pull until SIGTERM. Exits with 0 if all leased messages are acked or nacked."""
    process = Process()
    try:
        subscription = subscription_path(process.settings)
        process.outbox.connect()
    except BadSetting as error:
        raise SystemExit(f"modelserve: {error.message}") from None
    process.start()
    scorer = MessageScorer(process.settings, process.metrics)
    on_prediction = process.prediction_log.submit_event if process.prediction_log else None
    worker = Worker(process.settings, subscription, process.active, scorer, process.outbox, on_prediction)
    health = Health(process.settings, process.active, process.metrics, worker)
    container.run(health, process, worker.stop, worker.run)


class Health(Endpoint):
    def __init__(self, settings: Settings, active: ActiveModel, metrics: Metrics, worker: Worker) -> None:
        super().__init__(settings, active, metrics)
        self.worker = worker

    async def answer(self, request: Request, headers: Headers) -> Response:
        path = sent_path(request)
        if path not in ("/health/live", "/health/ready") and not (path == "/metrics" and self.settings.metrics):
            raise NotFound("This is a worker: it has /health/live, /health/ready and, with METRICS, /metrics.")
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET"])
        if path == "/metrics":
            return metrics_reply(self.metrics)
        if path == "/health/live":
            return Response(encode({"status": "ok"}), media_type=JSON)
        health = self.health()
        if not self.worker.is_pulling:
            raise Unavailable("The subscription cannot be pulled; the log says why.")
        return health
