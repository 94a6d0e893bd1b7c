"""The most common request in one go: JSON records of the expected columns, a compiled model, an answer in bytes.

Nothing here decides anything that the general way does not: whatever is unusual or wrong gives None, and the general way
answers it. Where both answer, they answer the same bytes, which a test holds for every form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from modelserve.payloads import Limits
from modelserve.payloads.predictions import Presentation, ResultShape, encode
from modelserve.payloads.typed import Typed, TypedDecoder
from modelserve.signature import Signature

if TYPE_CHECKING:
    from modelserve.runtimes.compiled import CompiledRuntime

# So many rows are decoded, scored and encoded in about a millisecond; more would keep other requests waiting.
MOST_BYTES: Final = 128 << 10
MOST_ROWS: Final = 256


@dataclass(frozen=True, slots=True)
class Answer:
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
        self.pack = runtime.packing.packer(signature.names)
        self.pack_coded = runtime.packing.packer(signature.names, self.decoder.coded)
        self.form_methods = runtime.methods[:1]
        self.plain_methods, self.shape = plain_answer(runtime, presentation)

    def answer(self, data: bytes, plain: bool) -> Answer | None:
        """`plain` says whether records may come without a form around them."""
        if len(data) > MOST_BYTES:
            return None
        typed = self.decoder.decode(data, plain)
        if typed is None or typed.rows > MOST_ROWS:
            return None
        try:
            value = self._score(typed)
        except Exception:  # the general way meets it again, and says what it is
            return None
        return Answer(encode(value), typed.rows, typed.extra)

    def _score(self, typed: Typed) -> Any:
        feeds = (self.pack_coded if typed.coded else self.pack)(typed.columns, typed.rows)
        if typed.form is not None:
            return {"predictions": self.runtime.run(self.form_methods, feeds)[0].tolist()}
        results = self.shape(*(output.tolist() for output in self.runtime.run(self.plain_methods, feeds)))
        return results[0] if typed.single else results


def plain_answer(
    runtime: CompiledRuntime, presentation: Presentation
) -> tuple[Sequence[str], Callable[..., list[Any]]]:
    """The methods that the plain form needs, and what makes results of their outputs."""
    both = ("predict", "predict_proba")
    if runtime.classes is not None and set(both) <= set(runtime.methods):
        return both, ResultShape(runtime.classes, presentation).results
    name = presentation.label or "prediction"
    return runtime.methods[:1], lambda values: [{name: value} for value in values]
