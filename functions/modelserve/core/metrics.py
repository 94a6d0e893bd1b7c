"""Counters and one histogram for `GET /metrics`. Without METRICS nothing is imported and nothing is counted."""

from functools import cache
from typing import Any, Final

# Seconds; from an answer without a model call to the default request budget.
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 8.0)

COUNTERS: Final = {
    "requests": ("modelserve_requests_total", "Answers, by route and status.", ("route", "status")),
    "rows": ("modelserve_rows_total", "Rows scored.", ()),
    "extra_columns": ("modelserve_extra_columns_total", "Columns that the signature does not have, ignored.", ()),
    "unknown_categories": (
        "modelserve_unknown_categories_total",
        "Cells with a category that is unknown to the model.",
        (),
    ),
    "events": ("modelserve_events_total", "Messages, by outcome.", ("outcome",)),
    "activations": ("modelserve_activations_total", "Versions activated or refused.", ("outcome",)),
    "stale": ("modelserve_stale_total", "Requests answered while the alias may name another version.", ()),
    "decoder_ends": ("modelserve_decoder_ends_total", "Decoder processes that a body ended, by reason.", ("reason",)),
    "prediction_log": ("modelserve_prediction_log_total", "Answers to be logged: sent, or why dropped.", ("outcome",)),
    "shadow": ("modelserve_shadow_offers_total", "Answers offered to the shadow: sent, or why dropped.", ("outcome",)),
}


class Metrics:
    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        if enabled:
            collectors()  # now, while there is one thread: made by two at once, they are refused as duplicates

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        if self.enabled and amount:
            counter = collectors()[name]
            (counter.labels(**labels) if labels else counter).inc(amount)

    def observe(self, seconds: float, route: str) -> None:
        if self.enabled:
            collectors()["seconds"].labels(route=route).observe(seconds)

    def text(self) -> bytes:
        from prometheus_client import generate_latest

        return generate_latest()


@cache
def collectors() -> dict[str, Any]:
    from prometheus_client import Counter, Histogram

    made: dict[str, Any] = {name: Counter(title, help, labels) for name, (title, help, labels) in COUNTERS.items()}
    made["seconds"] = Histogram("modelserve_request_seconds", "Time of a request.", ("route",), buckets=BUCKETS)
    return made
