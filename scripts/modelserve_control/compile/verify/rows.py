"""Rows to verify with: what the sample does not show, made from the signature and from the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import onnx
from onnx import numpy_helper

from modelserve.schema.batch import Batch
from modelserve.schema.signature import Column, Signature
from modelserve.schema.tensors import Tensor
from modelserve.schema.types import Array, Boolean, String, Whole, objects
from modelserve_control.compile.compiler import Compiled

ROWS: Final = 1_000
LARGEST: Final = 1e38  # scikit-learn's trees refuse what float32 cannot hold
MOST_SCALED: Final = 100  # columns of one scaler whose thresholds are turned back
# A sample of fewer rows says too little about a column.
ENOUGH: Final = 50
# Categories: unseen ones, and those that a careless tokenizer, trimmer or folder of case would take for seen.
UNSEEN: Final = ("", " ", "unseen", "null", "nan", "None", "é", "\u0130", "a\x00b", "0", "1", "1.0", "true")
# No greater: beyond, a double has no digits left for the differences that neighbours are told apart by.
EXTREMES: Final = (0.0, -0.0, 1.0, -1.0, 0.5, -1e-300, 1e-300, 1e9, -1e9)


def generated(
    signature: Signature, compiled: Compiled, sample: Batch | None, rows: int = ROWS, seed: int = 0
) -> Iterator[tuple[str, Batch]]:
    """Named batches: random rows, nulls where allowed, unseen categories, extremes, neighbours of thresholds."""
    random = np.random.default_rng(seed)
    pools = {column.name: pool(column, compiled, sample) for column in signature.columns}
    base = draw(signature, pools, random, rows)
    yield "random rows", base
    yield from with_nulls(signature, base, random)
    yield from changed(signature, base, random, String, "unseen texts", UNSEEN)
    yield from one_by_one(signature, base)
    near = neighbours(compiled.model)
    if len(near):
        crossed = {c.name: near_column(c, near, base.columns[c.name], random) for c in signature.columns}
        yield "neighbours of thresholds", Batch(crossed, base.rows)


def draw(signature: Signature, pools: dict[str, Array], random: np.random.Generator, rows: int) -> Batch:
    """Each column drawn by itself, so that pairs appear which the sample does not have."""
    columns = {}
    for column in signature.columns:
        known = pools[column.name]
        drawn = known[random.integers(len(known), size=rows)]
        columns[column.name] = spread(column, drawn, random)
    return Batch(columns, rows)


def spread(column: Column, drawn: Array, random: np.random.Generator) -> Array:
    """Every other number moved a little, so that it is none of the sample's."""
    if drawn.dtype.kind == "f":
        noise = random.normal(0.0, float(np.nanstd(drawn)) or 1.0, drawn.shape)
        moved = np.where(random.random(drawn.shape) < 0.5, drawn, drawn + noise)
        return moved.astype(drawn.dtype)
    return drawn


def pool(column: Column, compiled: Compiled, sample: Batch | None) -> Array:
    """Values without null that the column may have: the sample's, and when those are few, what the graph knows."""
    kept = without_nulls(sample.columns[column.name]) if sample is not None else None
    if kept is not None and (len(kept) >= ENOUGH or isinstance(column.kind, (Tensor, Boolean))):
        return kept
    made = invented(column, compiled)
    return made if kept is None else np.concatenate([kept, made.astype(kept.dtype)])


def invented(column: Column, compiled: Compiled) -> Array:
    if isinstance(column.kind, String):
        return objects([*texts(compiled.model), "unseen"])
    if isinstance(column.kind, Boolean):
        return np.array([False, True])
    if isinstance(column.kind, Tensor):
        return np.random.default_rng(1).normal(size=(100, *column.kind.shape)).astype(column.kind.dtype)
    return as_kind(column, np.concatenate([np.arange(-5.0, 100.0), neighbours(compiled.model)[:1000]]))


def without_nulls(values: Array) -> Array | None:
    if values.dtype == object:
        kept = objects([value for value in values if value is not None])
    elif values.dtype.kind == "f" and values.ndim == 1:
        kept = values[~np.isnan(values)]
    else:
        kept = values
    return kept if len(kept) else None


def as_kind(column: Column, numbers: Array) -> Array:
    """Only those that the column's type takes."""
    dtype = column.kind.dtype
    if isinstance(column.kind, Whole):
        low, high = max(column.kind.low, -(1 << 53)), min(column.kind.high, 1 << 53)
        return np.unique(np.clip(np.floor(numbers), low, high)).astype(dtype)
    return numbers.astype(dtype)


def with_nulls(signature: Signature, base: Batch, random: np.random.Generator) -> Iterator[tuple[str, Batch]]:
    optional = [column for column in signature.columns if not column.required]
    for column in optional:
        lost = {column.name: nulled(column, base.columns[column.name], np.ones(base.rows, dtype=bool))}
        yield f"nulls in {column.name}", head(Batch({**base.columns, **lost}, base.rows), 20)
    if optional:
        some = {c.name: nulled(c, base.columns[c.name], random.random(base.rows) < 0.3) for c in optional}
        yield "nulls in several columns", Batch({**base.columns, **some}, base.rows)


def nulled(column: Column, values: Array, lost: Array) -> Array:
    """As the signature packs them: whole numbers beside a null are doubles."""
    cells = [None if gone else value for gone, value in zip(lost, values.tolist(), strict=True)]
    return column.kind.pack(cells)


def changed(
    signature: Signature, base: Batch, random: np.random.Generator, kind: type, what: str, values: tuple[Any, ...]
) -> Iterator[tuple[str, Batch]]:
    names = [column.name for column in signature.columns if isinstance(column.kind, kind)]
    for name in names:
        yield f"{what} in {name}", replaced(base, name, objects(values))
    if len(names) > 1:
        drawn = {name: objects([values[i] for i in random.integers(len(values), size=base.rows)]) for name in names}
        yield f"{what} in several columns", Batch({**base.columns, **drawn}, base.rows)


def one_by_one(signature: Signature, base: Batch) -> Iterator[tuple[str, Batch]]:
    for column in signature.columns:
        if column.kind.dtype.kind in "fiu" and not isinstance(column.kind, Tensor):
            yield f"extremes in {column.name}", replaced(base, column.name, extremes(column))


def extremes(column: Column) -> Array:
    ends = [float(column.kind.low), float(column.kind.high)] if isinstance(column.kind, Whole) else []
    return as_kind(column, np.array([*EXTREMES, *ends]))


def replaced(base: Batch, name: str, values: Array) -> Batch:
    first = head(base, len(values))
    return Batch({**first.columns, name: values[: first.rows]}, first.rows)


def head(batch: Batch, rows: int) -> Batch:
    return Batch({name: values[:rows] for name, values in batch.columns.items()}, min(rows, batch.rows))


def near_column(column: Column, near: Array, values: Array, random: np.random.Generator) -> Array:
    if values.dtype.kind not in "fiu" or isinstance(column.kind, Tensor):
        return values
    candidates = as_kind(column, near)
    drawn = candidates[random.integers(len(candidates), size=len(values))]
    return np.where(random.random(len(values)) < 0.7, drawn, values).astype(values.dtype)


def neighbours(model: onnx.ModelProto) -> Array:
    """Each threshold of a tree, the doubles and float32 values next to it, and what a scaler turns into them."""
    splits = [
        held for node in model.graph.node if node.op_type == "TreeEnsemble" for held in attribute(node, "nodes_splits")
    ]
    exact = np.unique(np.concatenate(splits).astype(float)) if splits else np.zeros(0)
    single = exact.astype(np.float32)
    sides = [np.nextafter(exact, side) for side in (np.inf, -np.inf)]
    sides += [np.nextafter(single, np.float32(side)).astype(float) for side in (np.inf, -np.inf)]
    near = np.unique(np.concatenate([exact, single.astype(float), *sides]))
    found = np.concatenate([near, *unscaled(model, near)])
    # A split that only parts the nulls off has an infinite threshold.
    kept: Array = found[np.abs(found) < LARGEST]
    return kept


def unscaled(model: onnx.ModelProto, near: Array) -> list[Array]:
    """(x - shift) / scale turned round, for every column of every scaler."""
    constants = {held.name: numpy_helper.to_array(held) for held in model.graph.initializer}
    made = {node.output[0]: node for node in model.graph.node if node.op_type == "Sub"}
    found: list[Array] = []
    for node in model.graph.node:
        if node.op_type == "Div" and node.input[1] in constants and node.input[0] in made:
            shift = constants.get(made[node.input[0]].input[1])
            scale = constants[node.input[1]]
            if shift is not None and shift.shape == scale.shape and shift.size <= MOST_SCALED:
                found.extend(near * by + off for by, off in zip(scale.ravel(), shift.ravel(), strict=True))
    return found


def attribute(node: onnx.NodeProto, name: str) -> list[Array]:
    return [numpy_helper.to_array(held.t) for held in node.attribute if held.name == name]


def texts(model: onnx.ModelProto) -> list[str]:
    """The categories that the graph looks up."""
    tables = [
        held for node in model.graph.node if node.op_type == "LabelEncoder" for held in attribute(node, "keys_tensor")
    ]
    found = [text for table in tables if table.dtype.kind in "OU" for text in map(as_text, table)]
    return [text for text in found if "\uffff" not in text]


def as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
