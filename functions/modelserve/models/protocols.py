"""Runtimes: what turns a batch of columns into predictions. A version says which one serves it."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

from modelserve.schema.batch import Batch


class Runtime(Protocol):
    """One loaded model. `score` may be called from one thread at a time."""

    @property
    def kind(self) -> str:
        """`native` or `compiled`."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The predict_methods the model has; the first is the one the MLmodel names."""

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The labels of a classifier, in the order of `predict_proba`'s columns."""

    mergeable: bool  # whether one row's prediction cannot depend on the other rows of a batch

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        """The output of each method for all rows, exactly as the model gives it. Raises what the model raises."""


class Scorer(Protocol):
    def score(self, batch: Batch, methods: tuple[str, ...], params: Mapping[str, Any]) -> Awaitable[dict[str, Any]]:
        """Raises Overloaded, or ModelFailed when the model raises on these rows."""

    def retire(self) -> None:
        """Finish what is queued, then free the model."""

    def join(self, timeout: float) -> None:
        """Wait until it is freed, at most `timeout` seconds."""
