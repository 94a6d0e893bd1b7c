"""Arrow arrays as the columns that a model takes, without a Python value for each cell.

A column is read as `ColumnType.check` would read its values. What does not plainly fit is not judged here: its rows are named,
and are to be checked one by one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelserve.schema.arrays import fit
from modelserve.schema.signature import Column, Signature
from modelserve.schema.tensors import Tensor
from modelserve.schema.texts import Words
from modelserve.schema.types import EXACT, Array, Boolean, ColumnType, Datetime, FloatType, IntegerType, String
from modelserve_control.batch.files.chunks import as_values, is_text, value_type

# Nanoseconds of each unit of Arrow's timestamps.
NANOSECONDS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
MAX_INSTANT: Final = np.iinfo(np.int64).max
# A double has each of these powers of ten exactly, so that one division rounds to the nearest number.
MAX_SCALE: Final = 22
POWERS: Final = np.array([10.0**scale for scale in range(MAX_SCALE + 1)])
# Decimals of so many digits are what the nearest number is written as.
DOUBLE_DIGITS: Final = 15
FLOAT_DIGITS: Final = 6


def read_columns(batch: pa.RecordBatch, names: dict[str, str], signature: Signature) -> tuple[dict[str, Any], Array]:
    """The columns in the signature's order, and a mask of the rows that must be checked one by one, whose values here mean
    nothing. `names` has the column of the file for each of the signature that is there."""
    doubtful = np.zeros(batch.num_rows, dtype=bool)
    columns = {}
    for column in signature.columns:
        name = names.get(column.name)
        array = pa.nulls(batch.num_rows) if name is None else plain_array(batch.column(name), column.kind)
        columns[column.name] = read_column(array, column, doubtful)
    return columns, doubtful


def plain_array(array: pa.Array, kind: ColumnType) -> pa.Array:
    """Texts as places in a dictionary, all else as values."""
    if isinstance(array, pa.ExtensionArray):  # UUIDs are bytes
        array = array.storage
    is_dictionary = pa.types.is_dictionary(array.type)
    if isinstance(kind, String) and is_text(value_type(array.type)):
        # The words of a whole row group, most of which stand in none of these rows, are not looked at.
        if is_dictionary and len(array.dictionary) > len(array):
            array, is_dictionary = array.dictionary_decode(), False
        return array if is_dictionary else array.dictionary_encode()
    return as_values(array)


def read_column(array: pa.Array, column: Column, doubtful: Array) -> Any:
    kind = column.kind
    read: tuple[Any, Array] | None = None
    if isinstance(array, pa.DictionaryArray):
        read = read_texts(array)
    elif pa.types.is_null(array.type):
        read = nulls(len(array), kind), np.ones(len(array), dtype=bool)
    elif isinstance(kind, IntegerType | FloatType):
        read = read_numbers(array, kind, doubtful)
    elif isinstance(kind, Boolean) and pa.types.is_boolean(array.type):
        missing = null_mask(array)
        values = array.fill_null(False).to_numpy(zero_copy_only=False)
        if missing.any():
            values = values.astype(object)
            values[missing] = None
        read = values, missing
    elif isinstance(kind, Datetime) and (pa.types.is_timestamp(array.type) or pa.types.is_date(array.type)):
        read = read_instants(array, doubtful)
    elif isinstance(kind, Tensor):
        read = read_rows(array, kind)
    if read is None:
        doubtful[:] = True
        return nulls(len(array), kind)
    values, missing = read
    if column.required:
        doubtful |= missing
    return values


def null_mask(array: pa.Array) -> Array:
    if not array.null_count:
        return np.zeros(len(array), dtype=bool)
    mask: Array = pc.is_null(array).to_numpy(zero_copy_only=False)
    return mask


def nulls(rows: int, kind: ColumnType) -> Array:
    """As `pack` makes it of nulls."""
    if isinstance(kind, IntegerType | FloatType):
        return np.full(rows, np.nan)
    if isinstance(kind, Datetime):
        return np.full(rows, np.datetime64("NaT", "ns"))
    return np.full(rows, None)


def read_texts(array: pa.DictionaryArray) -> tuple[Words, Array]:
    words = array.dictionary.to_pylist()
    places = array.indices
    missing = null_mask(places)
    if array.dictionary.null_count:
        missing = missing | np.isin(
            places.fill_null(0).to_numpy(), [at for at, word in enumerate(words) if word is None]
        )
    if missing.any():
        words = [*words, None]
    found = places.fill_null(len(words) - 1).to_numpy() if places.null_count else places.to_numpy()
    return Words(words, found), missing


def read_numbers(array: pa.Array, kind: IntegerType | FloatType, doubtful: Array) -> tuple[Array, Array] | None:
    missing = null_mask(array)
    if pa.types.is_decimal(array.type):
        decimals = read_decimals(array, FLOAT_DIGITS if kind.name == "float" else DOUBLE_DIGITS, doubtful)
        if decimals is None:
            return None
        values = decimals
    elif pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        values = (array.fill_null(0) if array.null_count else array).to_numpy()
    else:
        return None
    if values.dtype.kind == "f" and np.isnan(values).any():
        missing = missing | np.isnan(values)
        values = np.where(missing, values.dtype.type(0), values)
    fitting = fit(values, kind) if len(values) else values.astype(kind.dtype)
    if fitting is None:
        fits = fitting_values(values, kind)
        doubtful |= ~fits
        fitting = fit(np.where(fits, values, values.dtype.type(0)), kind)
    if fitting is None or not missing.any():
        return None if fitting is None else (fitting, missing)
    if isinstance(kind, IntegerType):  # a null has no integer
        doubtful |= np.abs(fitting) > EXACT
        fitting = fitting.astype(np.float64)
    return np.where(missing, fitting.dtype.type(np.nan), fitting), missing


def fitting_values(values: Array, kind: IntegerType | FloatType) -> Array:
    """Which values are within the bounds that `fit` has for all of them."""
    is_float = values.dtype.kind == "f"
    if isinstance(kind, FloatType):
        most: float = kind.largest if is_float else kind.exact
        found: Array = (values >= -most) & (values <= most)
        return found
    found = (values >= kind.low) & (values <= kind.high)
    return found & (values > -EXACT) & (values < EXACT) & (values == np.rint(values)) if is_float else found


def read_decimals(array: pa.Array, digits: int, doubtful: Array) -> Array | None:
    """The doubles that are written as these decimals, of at most `digits` digits."""
    kind = array.type
    if not pa.types.is_decimal128(kind) or not 0 <= kind.scale <= MAX_SCALE:
        return None
    halves = np.frombuffer(array.buffers()[1], np.int64)[2 * array.offset : 2 * (array.offset + len(array))]
    low, high = halves[::2], halves[1::2]
    missing = null_mask(array)
    whole, scale = np.where(missing, 0, low), np.full(len(array), kind.scale)
    if (np.abs(whole) >= 10**digits).any():  # such as a price of NUMERIC: it ends in seven zeros
        drop_zeros(whole, scale)
    doubtful |= ((high != low >> 63) & ~missing) | (whole >= 10**digits) | (whole <= -(10**digits))
    found: Array = whole / POWERS[scale]
    return found


def drop_zeros(whole: Array, scale: Array) -> None:
    """Removes the zeros at the end of each decimal, in place."""
    for _ in range(scale.max(initial=0)):
        shorter = (scale > 0) & (whole % 10 == 0)
        if not shorter.any():
            return
        np.floor_divide(whole, 10, out=whole, where=shorter)
        scale -= shorter


def read_instants(array: pa.Array, doubtful: Array) -> tuple[Array, Array]:
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s" if pa.types.is_date32(array.type) else "ms"))
    missing = null_mask(array)
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy()
    factor = NANOSECONDS[array.type.unit]
    doubtful |= (ticks > MAX_INSTANT // factor) | (ticks < -(MAX_INSTANT // factor))
    instants = (ticks * factor).view("datetime64[ns]")
    return np.where(missing, np.datetime64("NaT", "ns"), instants), missing


def read_rows(array: pa.Array, kind: Tensor) -> tuple[Array, Array] | None:
    """Of lists of one length that have no nulls."""
    is_list = pa.types.is_list(array.type) or pa.types.is_large_list(array.type)
    if not (is_list or pa.types.is_fixed_size_list(array.type)) or array.null_count or not len(array):
        return None
    items = array.flatten()
    if items.null_count or len(items) % len(array) or pa.types.is_nested(items.type) or not len(items):
        return None
    lengths = pc.list_value_length(array).to_numpy() if is_list else np.full(1, array.type.list_size)
    if (lengths != lengths[0]).any() or not (pa.types.is_integer(items.type) or pa.types.is_floating(items.type)):
        return None
    fitting = fit(items.to_numpy().reshape(len(array), -1), kind)
    return None if fitting is None else (fitting, np.zeros(len(array), dtype=bool))
