"""The most common request in one go: JSON records of the expected columns, a compiled model, an answer in bytes.

Nothing here decides anything that the general way does not: whatever is unusual or wrong gives None, and the general way
answers it. Where both answer, they answer the same, which a test holds for every form.

Requests that are there at the same time are one call of the model, which costs far more than a row in it. Nobody waits
for others to come: what was read in one turn of the event loop is scored before the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from modelserve.models.compiled.rows import RowReader, Taken
from modelserve.payloads import Limits
from modelserve.payloads.predictions import Presentation, ResultShape, encode
from modelserve.schema.signature import Signature

if TYPE_CHECKING:
    from modelserve.models.compiled.runtime import CompiledRuntime
from modelserve.models.protocols import Answer

# So many rows are decoded, scored and encoded in about a millisecond; more would keep other requests waiting.
MOST_BYTES: Final = 128 << 10
MOST_ROWS: Final = 256
# Requests of more rows than these gain little from being scored together.
FEW_ROWS: Final = 16

Outputs = Sequence[list[Any]]
Methods = tuple[str, ...]


class Express:
    """Raises ValueError when the model or its signature is not of the kind that this is for."""

    def __init__(
        self, runtime: CompiledRuntime, signature: Signature, presentation: Presentation, limits: Limits
    ) -> None:
        self.runtime = runtime
        self.reader = RowReader(signature, runtime.packing, limits, 2 * MOST_ROWS)
        self._form_methods = tuple(runtime.methods[:1])
        self._plain_methods, self._results = plain_answer(runtime, presentation)
        self._company = False
        self._asked = 0  # in this turn of the loop, while alone
        self._methods: Methods = ()  # what the requests that wait ask for
        self._waiting: list[tuple[int, int, asyncio.Future[Outputs | None]]] = []
        self._filled = 0  # rows of the reader's tensors that belong to them

    async def answer(self, data: bytes, plain: bool, loop: asyncio.AbstractEventLoop) -> Answer | None:
        """`plain` says whether records may come without a form around them."""
        if len(data) > MOST_BYTES:
            return None
        if self._filled > MOST_ROWS:
            self._flush()
        taken = self.reader.take(data, self._filled, plain)
        if taken is None or taken.rows > MOST_ROWS:
            return None
        methods = self._plain_methods if taken.form is None else self._form_methods
        others = self._waiting and methods != self._methods
        if taken.rows > FEW_ROWS or others or self._alone(loop):
            outputs = self._score(self._filled, self._filled + taken.rows, methods)
        else:
            outputs = await self._together(taken, methods, loop)
        if outputs is None:
            return None
        return Answer(encode(self._value(taken, outputs)), taken.rows, taken.extra)

    def _value(self, taken: Taken, outputs: Outputs) -> Any:
        if taken.form is not None:
            return {"predictions": outputs[0]}
        results = self._results(*outputs)
        return results[0] if taken.single else results

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
        self, taken: Taken, methods: Methods, loop: asyncio.AbstractEventLoop
    ) -> asyncio.Future[Outputs | None]:
        """What `_score` gives for these records, scored with all others of this turn of the loop."""
        if not self._waiting:
            loop.call_soon(self._flush)
        found: asyncio.Future[Outputs | None] = loop.create_future()
        end = self._filled + taken.rows
        self._waiting.append((self._filled, end, found))
        self._methods, self._filled = methods, end
        return found

    def _flush(self) -> None:
        waiting, rows = self._waiting, self._filled
        if not waiting:  # scored already, to make room
            return
        self._waiting, self._filled = [], 0
        self._company = len(waiting) > 1
        together = self._score(0, rows, self._methods)
        for first, end, found in waiting:
            if together is not None:
                outputs: Outputs | None = [output[first:end] for output in together]
            else:  # one of them is to blame, and the others are not to wait for the general way
                outputs = self._score(first, end, self._methods)
            if not found.done():  # its request may have been given up
                found.set_result(outputs)

    def _score(self, first: int, end: int, methods: Methods) -> Outputs | None:
        """The output of each method, a value per row; None when the model does not score these rows together."""
        try:
            outputs = [output.tolist() for output in self.runtime.run(methods, self.reader.tensors(first, end))]
            return outputs if all(len(output) == end - first for output in outputs) else None
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
