from http import HTTPStatus

from modelserve.core.errors import NotFound, PreconditionFailed, ServeError


class CandidateRejected(Exception):
    """A new revision failed a check; the message is one sentence."""


class RolloutUnderWay(PreconditionFailed):
    code = "ROLLOUT_UNDER_WAY"


class NoRollout(NotFound):
    code = "NO_ROLLOUT"


class TakenOver(PreconditionFailed):
    code = "ROLLOUT_TAKEN_OVER"


class TrafficMoved(PreconditionFailed):
    """Somebody else has changed the traffic of `service`; it stays as they set it."""

    code = "TRAFFIC_MOVED"

    def __init__(self, message: str, service: str) -> None:
        super().__init__(message)
        self.service = service


class NothingToPin(PreconditionFailed):
    code = "NOTHING_TO_PIN"


class NotDeployed(PreconditionFailed):
    """Without a deploy command: the newest revision is not of the code that is to be rolled out."""

    code = "NOT_DEPLOYED"


class CloudFailed(ServeError):
    code = "CLOUD_FAILED"
    status = HTTPStatus.BAD_GATEWAY
    retryable = True
