"""From a checked body to the value that answers it, by the form that came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from modelserve.models import scoring
from modelserve.models.version import Loaded
from modelserve.payloads import Payload, PayloadForm
from modelserve.payloads.decode import CheckedBody
from modelserve.payloads.json import oip_v2
from modelserve.schema.batch import Batch


def answer(loaded: Loaded, checked: CheckedBody) -> Awaitable[Any]:
    """Raises what the caller turns into the one error shape."""
    return ANSWERS[checked.payload.form](loaded, *checked)


async def predictions(loaded: Loaded, payload: Payload, batch: Batch) -> Any:
    method = scoring.check_method(loaded, payload.method)
    return {"predictions": (await scoring.score(loaded, batch, [method], payload.params))[method]}


async def result(loaded: Loaded, payload: Payload, batch: Batch) -> Any:
    return (await scoring.batch_results(loaded, batch, payload.params, payload.method))[0]


def results(loaded: Loaded, payload: Payload, batch: Batch) -> Awaitable[Any]:
    return scoring.batch_results(loaded, batch, payload.params, payload.method)


async def tensors(loaded: Loaded, payload: Payload, batch: Batch) -> Any:
    methods = [scoring.check_method(loaded, name) for name in payload.outputs or [payload.method]]
    outputs = await scoring.score(loaded, batch, methods, payload.params, oip_v2.keep_arrays)
    own = {} if payload.own_id is None else {"id": payload.own_id}
    names = {"model_name": loaded.name, "model_version": loaded.version, **own}

    def convert() -> Any:
        found = [oip_v2.output_of(name, outputs[name]) for name in methods]
        return oip_v2.answer_of(names, found, payload.binary)

    return await scoring.for_rows(batch.rows, convert)


ANSWERS: Final[Mapping[PayloadForm, Callable[[Loaded, Payload, Batch], Awaitable[Any]]]] = {
    PayloadForm.INVOCATION: predictions,
    PayloadForm.RECORD: result,
    PayloadForm.RECORDS: results,
    PayloadForm.TENSORS: tensors,
}
