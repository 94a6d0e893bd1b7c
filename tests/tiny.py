"""A tiny runtime whose calls can be held back, and a version that is ready to answer with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from modelserve.models.scorers.batching import BatchingScorer
from modelserve.models.version import Loaded
from modelserve.payloads import Limits
from modelserve.payloads.decode import BodyDecoder
from modelserve.payloads.predictions import Presentation
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature

T = TypeVar("T")

WAIT_SECONDS = 120.0
PROMPT_SECONDS = 30.0
"""For what waits for no other process: it takes milliseconds, or it never ends."""

LIMITS = Limits(rows=10_000, columns=1_000, depth=32)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it gives. One that never ends is given up, which is no error of ours."""
    return asyncio.run(asyncio.wait_for(coroutine, PROMPT_SECONDS))


def double(batch: Batch) -> Any:
    return next(iter(batch.columns.values())) * 2


@dataclass(eq=False)
class Tiny:
    """Answers with `answer(batch)`; `sizes` has the rows of each call. A closed gate holds calls; `busy` says one came."""

    answer: Callable[[Batch], Any] = double
    kind: str = "native"
    methods: tuple[str, ...] = ("predict",)
    classes: tuple[Any, ...] | None = None
    mergeable: bool = True
    sizes: list[int] = field(default_factory=list)
    seen: list[tuple[tuple[str, ...], Mapping[str, Any]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    busy: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        self.sizes.append(batch.rows)
        self.seen.append((tuple(methods), params))
        self.busy.set()
        if not self.gate.wait(WAIT_SECONDS):
            raise TimeoutError("nobody opened the gate")
        return {method: self.answer(batch) for method in methods}


@contextmanager
def scorer(runtime: Tiny, max_batch_rows: int = 100, max_pending_rows: int = 1000) -> Iterator[BatchingScorer]:
    made = BatchingScorer(runtime, max_batch_rows, max_pending_rows)
    try:
        yield made
    finally:
        runtime.gate.set()
        made.retire()
        made.join(WAIT_SECONDS)


@contextmanager
def loaded(
    runtime: Tiny, signature: Signature | None = None, presentation: Presentation | None = None, **more: Any
) -> Iterator[Loaded]:
    with scorer(runtime) as made:
        yield Loaded(
            name="tiny",
            version="7",
            alias=more.pop("alias", "champion"),
            digest="0" * 64,
            signature=signature,
            presentation=presentation or Presentation(),
            decoder=BodyDecoder(signature, LIMITS),
            runtime=runtime,
            scorer=made,
            environment={"python": "3.11.7"},
            run_id="r1",
            times={"fetch": 0.1},
            **more,
        )


class Holding:
    """What a function asks of `ActiveModel`, with one version or none. Nothing is loaded and nothing is retired."""

    reason = ""
    draining = False

    def __init__(self, current: Loaded | None, name: str = "tiny") -> None:
        self.current = current
        self.name = name

    def try_lease(self) -> Loaded:
        assert self.current is not None
        assert self.current.leases.enter()
        return self.current

    async def lease(self) -> Loaded:
        return self.try_lease()
