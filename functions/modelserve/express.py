"""The most common request in one go: JSON records of the expected columns, a compiled model, an answer in bytes.

Nothing here decides anything that the general way does not: whatever is unusual or wrong gives None, and the general way
answers it. Where both answer, they answer the same, which a test holds for every form.

Requests that are there at the same time are one call of the model, which costs far more than a row in it. Nobody waits
for others to come: what was read in one turn of the event loop is scored before the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from modelserve.payloads import Limits
from modelserve.payloads.predictions import Presentation, ResultShape, encode
from modelserve.payloads.typed import Typed, TypedDecoder, columns_of
from modelserve.signature import Signature

if TYPE_CHECKING:
    from modelserve.runtimes.compiled import CompiledRuntime

# So many rows are decoded, scored and encoded in about a millisecond; more would keep other requests waiting.
MOST_BYTES: Final = 128 << 10
MOST_ROWS: Final = 256
# Requests of more rows than these gain little from being scored together.
FEW_ROWS: Final = 16

Outputs = Sequence[list[Any]]


class Answer(NamedTuple):
    body: bytes
    rows: int
    extra: int


class Express:
    """Raises ValueError when the model or its signature is not of the kind that this is for."""

    def __init__(
        self, runtime: CompiledRuntime, signature: Signature, presentation: Presentation, limits: Limits
    ) -> None:
        self.runtime = runtime
        self.decoder = TypedDecoder(signature, limits, runtime.packing.categories())
        self._packers = {
            False: runtime.packing.packer(signature.names),
            True: runtime.packing.packer(signature.names, self.decoder.coded),
        }
        self._form_methods = tuple(runtime.methods[:1])
        self._plain_methods, self._results = plain_answer(runtime, presentation)
        self._company = False
        self._asked = 0  # in this turn of the loop, while alone
        self._waiting: dict[Any, list[tuple[Typed, asyncio.Future[Outputs | None]]]] = {}

    async def answer(self, data: bytes, plain: bool, loop: asyncio.AbstractEventLoop) -> Answer | None:
        """`plain` says whether records may come without a form around them."""
        if len(data) > MOST_BYTES:
            return None
        typed = self.decoder.decode(data, plain)
        if typed is None or len(typed.records) > MOST_ROWS:
            return None
        methods = self._plain_methods if typed.form is None else self._form_methods
        if len(typed.records) > FEW_ROWS or self._alone(loop):
            outputs = self._score(typed.records, typed.coded, methods)
        else:
            outputs = await self._together(typed, methods, loop)
        if outputs is None:
            return None
        return Answer(encode(self._value(typed, outputs)), len(typed.records), typed.extra)

    def _value(self, typed: Typed, outputs: Outputs) -> Any:
        if typed.form is not None:
            return {"predictions": outputs[0]}
        results = self._results(*outputs)
        return results[0] if typed.single else results

    def _alone(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether the last turn of the loop that had a request had no other. Then there is nobody to be scored with."""
        if self._company:
            return False
        if not self._asked:
            loop.call_soon(self._look_round)
        self._asked += 1
        return True

    def _look_round(self) -> None:
        self._company = self._asked > 1
        self._asked = 0

    def _together(
        self, typed: Typed, methods: tuple[str, ...], loop: asyncio.AbstractEventLoop
    ) -> asyncio.Future[Outputs | None]:
        """What `_score` gives for these records, scored with all others of this turn of the loop."""
        if not self._waiting:
            loop.call_soon(self._flush)
        found: asyncio.Future[Outputs | None] = loop.create_future()
        # Records with other extra columns have other widths, and cannot stand in the same columns.
        self._waiting.setdefault((typed.coded, typed.extra, methods), []).append((typed, found))
        return found

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._company = sum(map(len, waiting.values())) > 1
        for (coded, _, methods), requests in waiting.items():
            records = list(chain.from_iterable(typed.records for typed, _ in requests))
            outputs = self._score(records, coded, methods)
            start = 0
            for typed, found in requests:
                end = start + len(typed.records)
                if not found.done():  # its request may have been given up
                    found.set_result(None if outputs is None else [output[start:end] for output in outputs])
                start = end

    def _score(self, records: Sequence[Any], coded: bool, methods: tuple[str, ...]) -> Outputs | None:
        """The output of each method, a value per record; None when the model does not score these records together."""
        try:
            feeds = self._packers[coded](columns_of(records), len(records))
            return [output.tolist() for output in self.runtime.run(methods, feeds)]
        except Exception:  # the general way meets it again, for each request alone, and says what it is
            return None


def plain_answer(
    runtime: CompiledRuntime, presentation: Presentation
) -> tuple[tuple[str, ...], Callable[..., list[Any]]]:
    """The methods that the plain form needs, and what makes results of their outputs."""
    both = ("predict", "predict_proba")
    if runtime.classes is not None and set(both) <= set(runtime.methods):
        return both, ResultShape(runtime.classes, presentation).results
    name = presentation.label or "prediction"
    return tuple(runtime.methods[:1]), lambda values: [{name: value} for value in values]
