"""Rows for the verification, generated from the signature and the graph to cover what the sample lacks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from modelserve.schema.batch import Batch
from modelserve.schema.signature import Column, Signature
from modelserve.schema.tensors import Tensor
from modelserve.schema.types import Array, Boolean, IntegerType, String, objects
from modelserve_control.compile.compiler import CompiledModel

ROWS: Final = 1_000
MAX_VALUE: Final = 1e38  # the trees of scikit-learn reject values beyond float32
# Beyond so many columns, those that get unusual values are taken together, in so many groups.
MAX_SINGLE_COLUMNS: Final = 100
GROUPS: Final = 25
MAX_SCALED_COLUMNS: Final = 100  # of one scaler, for which thresholds are scaled back
# A smaller sample says too little about a column.
MIN_SAMPLE_ROWS: Final = 50
# Categories that are unseen, or that careless tokenizing, trimming or case folding would confuse with known ones.
UNSEEN_TEXTS: Final = ("", " ", "unseen", "null", "nan", "None", "é", "\u0130", "a\x00b", "0", "1", "1.0", "true")
# Larger doubles have no digits left for the differences between nearest neighbours.
EXTREMES: Final = (0.0, -0.0, 1.0, -1.0, 0.5, -1e-300, 1e-300, 1e9, -1e9)


def generate_batches(
    signature: Signature, compiled: CompiledModel, sample: Batch | None, rows: int = ROWS, seed: int = 0
) -> Iterator[tuple[str, Batch]]:
    random = np.random.default_rng(seed)
    near, known = neighbours(compiled.model), texts(compiled.model)
    pools = {column.name: pool(column, sample, near, known) for column in signature.columns}
    base = draw(signature, pools, random, rows)
    yield "random rows", base
    yield from null_batches(signature, base, random)
    yield from text_batches(signature, base, random)
    yield from extreme_batches(signature, base)
    if len(near):
        crossed = {c.name: near_values(c, near, base.columns[c.name], random) for c in signature.columns}
        yield "neighbours of thresholds", Batch(crossed, base.rows)


def draw(signature: Signature, pools: dict[str, Array], random: np.random.Generator, rows: int) -> Batch:
    columns = {}
    for column in signature.columns:
        known = pools[column.name]
        drawn = known[random.integers(len(known), size=rows)]
        columns[column.name] = spread(drawn, random)
    return Batch(columns, rows)


def spread(drawn: Array, random: np.random.Generator) -> Array:
    if drawn.dtype.kind == "f":
        noise = random.normal(0.0, float(np.nanstd(drawn)) or 1.0, drawn.shape)
        moved = np.where(random.random(drawn.shape) < 0.5, drawn, drawn + noise)
        return moved.astype(drawn.dtype)
    return drawn


def pool(column: Column, sample: Batch | None, near: Array, known: Sequence[str]) -> Array:
    kept = drop_nulls(sample.columns[column.name]) if sample is not None else None
    if kept is not None and (len(kept) >= MIN_SAMPLE_ROWS or isinstance(column.kind, (Tensor, Boolean))):
        return kept
    made = invent_values(column, near, known)
    return made if kept is None else np.concatenate([kept, made.astype(kept.dtype)])


def invent_values(column: Column, near: Array, known: Sequence[str]) -> Array:
    if isinstance(column.kind, String):
        return objects([*known, "unseen"])
    if isinstance(column.kind, Boolean):
        return np.array([False, True])
    if isinstance(column.kind, Tensor):
        return np.random.default_rng(1).normal(size=(100, *column.kind.shape)).astype(column.kind.dtype)
    return cast(column, np.concatenate([np.arange(-5.0, 100.0), near[:1000]]))


def drop_nulls(values: Array) -> Array | None:
    if values.dtype == object:
        kept = objects([value for value in values if value is not None])
    elif values.dtype.kind == "f" and values.ndim == 1:
        kept = values[~np.isnan(values)]
    else:
        kept = values
    return kept if len(kept) else None


def cast(column: Column, numbers: Array) -> Array:
    dtype = column.kind.dtype
    if isinstance(column.kind, IntegerType):
        low, high = max(column.kind.low, -(1 << 53)), min(column.kind.high, 1 << 53)
        return np.unique(np.clip(np.floor(numbers), low, high)).astype(dtype)
    return numbers.astype(dtype)


def null_batches(signature: Signature, base: Batch, random: np.random.Generator) -> Iterator[tuple[str, Batch]]:
    optional = [column for column in signature.columns if not column.required]
    first = head(base, 20)
    for what, group in groups(optional):
        lost = {c.name: set_nulls(c, first.columns[c.name], np.ones(first.rows, dtype=bool)) for c in group}
        yield f"nulls in {what}", Batch({**first.columns, **lost}, first.rows)
    if optional:
        some = {c.name: set_nulls(c, base.columns[c.name], random.random(base.rows) < 0.3) for c in optional}
        yield "nulls in several columns", Batch({**base.columns, **some}, base.rows)


def set_nulls(column: Column, values: Array, lost: Array) -> Array:
    """Packed as by the signature: integers in a column with nulls become doubles."""
    cells = [None if gone else value for gone, value in zip(lost, values.tolist(), strict=True)]
    return column.kind.pack(cells)


def text_batches(signature: Signature, base: Batch, random: np.random.Generator) -> Iterator[tuple[str, Batch]]:
    columns = [column for column in signature.columns if isinstance(column.kind, String)]
    values = objects(UNSEEN_TEXTS)
    for what, group in groups(columns):
        yield f"unseen texts in {what}", replace_columns(base, {column.name: values for column in group})
    if len(columns) > 1:
        drawn = {column.name: values[random.integers(len(values), size=base.rows)] for column in columns}
        yield "unseen texts in several columns", Batch({**base.columns, **drawn}, base.rows)


def extreme_batches(signature: Signature, base: Batch) -> Iterator[tuple[str, Batch]]:
    numbers = [c for c in signature.columns if c.kind.dtype.kind in "fiu" and not isinstance(c.kind, Tensor)]
    for what, group in groups(numbers):
        yield f"extremes in {what}", replace_columns(base, {column.name: extremes(column) for column in group})


def extremes(column: Column) -> Array:
    ends = [column.kind.low, column.kind.high] if isinstance(column.kind, IntegerType) else []
    return cast(column, np.array([*EXTREMES, *map(float, ends)]))


def replace_columns(base: Batch, replaced: Mapping[str, Array]) -> Batch:
    """The values of each column begin at another row than those of the column before it."""
    first = head(base, max(map(len, replaced.values())))
    columns = {
        name: np.resize(np.roll(values, place), first.rows) for place, (name, values) in enumerate(replaced.items())
    }
    return Batch({**first.columns, **columns}, first.rows)


def groups(columns: Sequence[Column]) -> Iterator[tuple[str, Sequence[Column]]]:
    """Each column by itself, or of many columns several at a time: each group is scored with all columns, so that the time
    would grow with the square of their number. A group has a name."""
    if len(columns) <= MAX_SINGLE_COLUMNS:
        yield from ((column.name, [column]) for column in columns)
        return
    for start in range(GROUPS):
        group = columns[start::GROUPS]
        yield f"{group[0].name} and {len(group) - 1} other columns", group


def head(batch: Batch, rows: int) -> Batch:
    return Batch({name: values[:rows] for name, values in batch.columns.items()}, min(rows, batch.rows))


def near_values(column: Column, near: Array, values: Array, random: np.random.Generator) -> Array:
    if values.dtype.kind not in "fiu" or isinstance(column.kind, Tensor):
        return values
    candidates = cast(column, near)
    drawn = candidates[random.integers(len(candidates), size=len(values))]
    return np.where(random.random(len(values)) < 0.7, drawn, values).astype(values.dtype)


def neighbours(model: onnx.ModelProto) -> Array:
    """The thresholds of trees, the adjacent doubles and float32 values, and all of these scaled back."""
    splits = [
        held for node in model.graph.node if node.op_type == "TreeEnsemble" for held in attribute(node, "nodes_splits")
    ]
    exact = np.unique(np.concatenate(splits).astype(float)) if splits else np.zeros(0)
    single = exact.astype(np.float32)
    sides = [np.nextafter(exact, side) for side in (np.inf, -np.inf)]
    sides += [np.nextafter(single, np.float32(side)).astype(float) for side in (np.inf, -np.inf)]
    near = np.unique(np.concatenate([exact, single.astype(float), *sides]))
    found = np.concatenate([near, *unscale(model, near)])
    # A split that only separates nulls has an infinite threshold.
    kept: Array = found[np.abs(found) < MAX_VALUE]
    return kept


def unscale(model: onnx.ModelProto, near: Array) -> list[Array]:
    """Invert (x - shift) / scale for every column of every scaler."""
    constants = {held.name: numpy_helper.to_array(held) for held in model.graph.initializer}
    made = {node.output[0]: node for node in model.graph.node if node.op_type == "Sub"}
    found: list[Array] = []
    for node in model.graph.node:
        if node.op_type == "Div" and node.input[1] in constants and node.input[0] in made:
            shift = constants.get(made[node.input[0]].input[1])
            scale = constants[node.input[1]]
            if shift is not None and shift.shape == scale.shape and shift.size <= MAX_SCALED_COLUMNS:
                found.extend(near * by + off for by, off in zip(scale.ravel(), shift.ravel(), strict=True))
    return found


def attribute(node: onnx.NodeProto, name: str) -> list[Array]:
    return [numpy_helper.to_array(held.t) for held in node.attribute if held.name == name]


def texts(model: onnx.ModelProto) -> list[str]:
    tables = [
        held for node in model.graph.node if node.op_type == "LabelEncoder" for held in attribute(node, "keys_tensor")
    ]
    values = [value for table in tables if table.dtype.kind in "OU" for value in table]
    found = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    return [text for text in found if "\uffff" not in text]
