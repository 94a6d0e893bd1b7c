"""Predictions out: what a model returns as JSON values, and the plain result objects."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from modelserve.core.errors import ModelFailed

JSON_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
MAX_DENSE_CELLS: Final = 10_000_000  # 80 MB of doubles

encode: Final[Callable[[Any], bytes]] = msgspec.json.Encoder().encode  # writes non-finite numbers as null


@dataclass(frozen=True, slots=True)
class Presentation:
    positive_class: str | None = None
    threshold: float = 0.5
    label: str | None = None

    @classmethod
    def from_manifest(cls, raw: Mapping[str, Any] | None) -> Presentation:
        raw = raw or {}
        threshold = raw.get("threshold")
        return cls(raw.get("positive_class"), 0.5 if threshold is None else float(threshold), raw.get("label"))


def jsonable(output: Any) -> Any:
    """A model's output as JSON values, in the forms of MLflow's scoring server: arrays as nested lists, a DataFrame or
    a Series as a list of records."""
    if is_sparse(output):
        output = dense(output)
    if isinstance(output, np.ndarray):
        values = output.tolist()
        if output.dtype.kind in "biufU" or (output.ndim == 1 and JSON_SCALARS.issuperset(map(type, values))):
            return values
        return plain(values, output)
    if hasattr(output, "to_frame") and hasattr(output, "index"):
        output = output.to_frame()
    if hasattr(output, "to_dict") and hasattr(output, "columns"):
        return plain(output.to_dict(orient="records"))
    return plain(output)


def by_row(output: Any) -> list[Any]:
    """One JSON value per row of an output that has rows: an object for several named columns, the value itself for one."""
    if isinstance(output, Mapping):
        names = [key if type(key) in (str, int) else str(key) for key in output]
        columns = [by_row(column) for column in output.values()]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    values: list[Any] = jsonable(output)
    if hasattr(output, "iloc") and (output.ndim == 1 or len(output.columns) == 1):
        return [value for row in values for value in row.values()]
    return values


def is_sparse(output: Any) -> bool:
    return hasattr(output, "toarray") and hasattr(output, "nnz")


def dense(matrix: Any) -> Any:
    """Raises ModelFailed for one that could fill the memory: what is sparse can have any shape."""
    cells = math.prod(matrix.shape)
    if cells > MAX_DENSE_CELLS:
        raise ModelFailed(f"The model gave a sparse matrix of {cells} cells; an answer has at most {MAX_DENSE_CELLS}.")
    return matrix.toarray()


def plain(value: Any, array: np.ndarray[Any, Any] | None = None) -> Any:
    if array is not None and array.dtype.kind == "M":
        texts = np.datetime_as_string(array).astype(object)
        texts[np.isnat(array)] = None
        return texts.tolist()
    if isinstance(value, Mapping):
        return {key if type(key) in (str, int) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(value).decode()  # with MLflow's line breaks
    if type(value) in JSON_SCALARS:
        return value
    if is_sparse(value) or hasattr(value, "iloc"):
        return by_row(value)
    if hasattr(value, "__array__"):
        return jsonable(np.asarray(value))
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def results(
    predicted: Sequence[Any],
    probabilities: Sequence[Sequence[float]] | None,
    class_names: Sequence[str] | None,
    presentation: Presentation,
) -> list[dict[str, Any]]:
    """One result object per row: labels and probabilities of a classifier, else the prediction under its label."""
    if probabilities is None or class_names is None:
        name = presentation.label or "prediction"
        return [{name: value} for value in predicted]
    rows = zip(predicted, probabilities, strict=True)
    if presentation.positive_class not in class_names:
        return [{"prediction": label, "probabilities": dict(zip(class_names, row, strict=True))} for label, row in rows]
    place, threshold = class_names.index(presentation.positive_class), presentation.threshold
    name = presentation.label or str(presentation.positive_class)
    probability = f"{name}_probability"
    return [
        {
            "prediction": label,
            "probabilities": dict(zip(class_names, row, strict=True)),
            probability: row[place],
            name: row[place] >= threshold,
        }
        for label, row in rows
    ]


def label_text(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
