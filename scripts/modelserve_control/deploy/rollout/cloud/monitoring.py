"""What the callers of each revision got, counted by Cloud Monitoring."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from google.api_core.exceptions import Forbidden, GoogleAPICallError, from_http_response
from google.auth.transport.requests import AuthorizedSession

from modelserve_control.deploy.rollout.cloud import api
from modelserve_control.deploy.rollout.cloud.service import short_name
from modelserve_control.deploy.rollout.errors import CloudFailed

MIN_PERIOD = 60  # seconds; the API's shortest alignment period
COUNT, LATENCY = "run.googleapis.com/request_count", "run.googleapis.com/request_latencies"


@dataclass
class Counts:
    """The requests, 5xx answers and 95th percentile latency (milliseconds) of one revision."""

    requests: int = 0
    errors: int = 0
    p95: float | None = None

    @property
    def error_ratio(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    def as_document(self) -> dict[str, Any]:
        return {"requests": self.requests, "errors": self.errors, "p95_ms": self.p95}


class Monitoring:
    """https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list"""

    def __init__(self) -> None:
        self.address = api.endpoint("monitoring")
        self.session: Any = AuthorizedSession(api.credentials(self.address))  # type: ignore[no-untyped-call]  # google-auth is only partly typed

    def close(self) -> None:
        self.session.close()

    def count(self, service: str, since: datetime) -> dict[str, Counts]:
        """By revision of the service (its full name), from `since` to now. Raises CloudFailed."""
        found: dict[str, Counts] = {}
        counts = self._query(service, since, COUNT, "REDUCE_SUM", "metric.label.response_code_class")
        for revision, labels, value in counts:
            one = found.setdefault(revision, Counts())
            one.requests += int(value)
            if labels.get("response_code_class") == "5xx":
                one.errors += int(value)
        for revision, _, value in self._query(service, since, LATENCY, "REDUCE_PERCENTILE_95"):
            found.setdefault(revision, Counts()).p95 = float(value)
        return found

    def _query(
        self, service: str, since: datetime, metric: str, reducer: str, *groups: str
    ) -> list[tuple[str, Mapping[str, str], float]]:
        """Revision, labels of the metric, and the sum of its points."""
        _, project, _, region, _, name = service.split("/")
        now = datetime.now(UTC)
        filters = {
            "metric.type": metric,
            "resource.type": "cloud_run_revision",
            "resource.labels.service_name": name,
            "resource.labels.location": region,
        }
        params = {
            "filter": " AND ".join(f'{key}="{value}"' for key, value in filters.items()),
            "interval.startTime": since.isoformat(),
            "interval.endTime": now.isoformat(),
            # Rounded up, so that one point covers the whole period.
            "aggregation.alignmentPeriod": f"{max(MIN_PERIOD, math.ceil((now - since).total_seconds()))}s",
            "aggregation.perSeriesAligner": "ALIGN_DELTA",
            "aggregation.crossSeriesReducer": reducer,
            "aggregation.groupByFields": ["resource.label.revision_name", *groups],
        }
        address = f"{self.address}/v3/projects/{project}/timeSeries"

        def get() -> Any:
            found = self.session.get(address, params=params, timeout=api.TIMEOUT_SECONDS)
            if found.status_code != HTTPStatus.OK:
                raise from_http_response(found)  # type: ignore[no-untyped-call]  # google-auth is only partly typed
            return found.json()

        try:
            answer = api.with_retries(get, "Cloud Monitoring")
        except Forbidden as error:
            raise CloudFailed(
                "Cloud Monitoring refuses: the role roles/monitoring.viewer on the project is needed."
            ) from error
        except GoogleAPICallError as error:
            raise CloudFailed(f"Cloud Monitoring refuses {short_name(service)}: {error.message}") from error
        return [
            (
                series["resource"]["labels"]["revision_name"],
                series["metric"].get("labels", {}),
                sum(float(number) for point in series["points"] for number in point["value"].values()),
            )
            for series in answer.get("timeSeries", [])
        ]
