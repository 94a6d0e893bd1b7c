"""MLflow's column types (`mlflow.types.DataType`): a value fits without loss, or the cell is bad.

Each type turns a list of decoded values into one numpy array. Reasons never repeat a value.

To refuse another value, raise ValueError with the reason in `ColumnType.cell`. The faster ways accept a value without asking
`cell`, so they must not take it either: `fast` here, `fit` in schema/arrays.py, `READERS` in schema/texts.py, `cell_type` in
payloads/json/typed/cells.py, `whole_array` in payloads/parquet.py, and the readers in the command's batch/rows/arrow_columns.py.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from modelserve.schema.values import json_type, nearest_float, read_instant, whole_decimal

Array = NDArray[Any]
Report = Callable[[int, str], None]


class Missing:
    """The cell is not there at all, unlike null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


class ColumnType:
    name: str
    dtype: np.dtype[Any]  # what the model sees when no cell is null
    python_type: type = object  # of a cell that needs no conversion

    def fast(self, values: Sequence[Any]) -> Array | None:
        """The whole column at once when every cell has the expected type, else None."""
        return None

    def cell(self, value: Any) -> Any:
        """One value that is not null. Raises ValueError with the reason."""
        if type(value) is not self.python_type:
            raise ValueError(f"{json_type(value)}, needs {self.name}")
        return value

    def text(self, text: str) -> Any:
        """A value from a query or a CSV field, to be checked by `cell`; empty means null."""
        return text if text else None

    def pack(self, cells: list[Any]) -> Array:
        return objects(cells) if self.dtype == object else np.array(cells, dtype=self.dtype)

    def check(self, values: Sequence[Any], required: bool, report: Report) -> Array:
        """(rows,) array. Every bad cell is reported with its row."""
        if isinstance(values, np.ndarray):  # a decoder's, which fits
            return values
        array = self.fast(values) if len(values) else self.pack([])
        if array is not None:
            return array
        cells: list[Any] = []
        for row, value in enumerate(values):
            try:
                cells.append(self._cell_or_null(value, required))
            except ValueError as error:
                report(row, str(error))
        try:
            return self.pack(cells)
        except ValueError as error:
            report(0, str(error))
            return np.zeros(0)

    def _cell_or_null(self, value: Any, required: bool) -> Any:
        if value is None or value is MISSING:
            if required:
                raise ValueError("missing" if value is MISSING else "null in a required column")
            return None
        return self.cell(value)


class IntegerType(ColumnType):
    TEXT: ClassVar[re.Pattern[str]] = re.compile(r"[+-]?[0-9]{1,400}(\.0*)?")  # a double has at most 309

    def __init__(self, name: str, bits: int) -> None:
        self.name = name
        self.dtype = np.dtype(f"int{bits}")
        self.low, self.high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def fast(self, values: Sequence[Any]) -> Array | None:
        if set(map(type, values)) != {int} or min(values) < self.low or max(values) > self.high:
            return None
        return np.array(values, dtype=self.dtype)

    def cell(self, value: Any) -> int:
        value = whole_decimal(value)
        if type(value) is float:
            if not value.is_integer():
                raise ValueError(not_finite(value) or f"has a fraction, needs {self.name}")
            if abs(value) >= EXACT:  # 2**53 itself is also what 2**53 + 1 was rounded to
                raise ValueError(f"a decimal number too large to be exact, needs {self.name}")
            value = int(value)
        if type(value) is not int:
            raise ValueError(f"{json_type(value)}, needs {self.name}")
        if not self.low <= value <= self.high:
            raise ValueError(f"out of range for {self.name}")
        return value

    def text(self, text: str) -> Any:
        if not self.TEXT.fullmatch(text):
            return text or None
        return int(text.partition(".")[0])

    def pack(self, cells: list[Any]) -> Array:
        if None not in cells:
            return np.array(cells, dtype=self.dtype)
        # A null has no integer; pandas trains and serves such columns as doubles.
        if any(cell is not None and abs(cell) > EXACT for cell in cells):
            raise ValueError("a whole number above 2**53 beside a null cannot be kept exactly")
        return np.array(cells, dtype=np.float64)


EXACT: Final = 1 << 53  # the greatest whole number up to which a double keeps every one


class FloatType(ColumnType):
    NULLS: ClassVar[frozenset[str]] = frozenset({"", "nan", "null"})

    def __init__(self, name: str, bits: int) -> None:
        self.name = name
        self.dtype = np.dtype(f"float{bits}")
        self.exact = 1 << (53 if bits == 64 else 24)
        self.largest = float(np.finfo(self.dtype).max)

    def fast(self, values: Sequence[Any]) -> Array | None:
        if not set(map(type, values)) <= {int, float}:
            return None
        if not -self.exact <= min(values) <= max(values) <= self.exact:  # or the first is NaN, which hides the others
            return None
        array = np.array(values, dtype=self.dtype)
        return array if np.isfinite(array).all() else None

    def cell(self, value: Any) -> float:
        value = whole_decimal(value)
        if type(value) is Decimal:
            return nearest_float(value, self.dtype, self.name)
        if type(value) not in (int, float):
            raise ValueError(f"{json_type(value)}, needs {self.name}")
        if not -self.largest <= value <= self.largest:
            raise ValueError((type(value) is float and not_finite(value)) or f"out of range for {self.name}")
        if type(value) is int and int(self.dtype.type(value)) != value:
            raise ValueError(f"a whole number that {self.name} cannot keep exactly")
        return float(value)

    def text(self, text: str) -> Any:
        if text.lower() in self.NULLS:
            return None
        if IntegerType.TEXT.fullmatch(text):
            return int(text.partition(".")[0])
        try:
            return float(text) if "_" not in text else text
        except ValueError:
            return text


def not_finite(value: float) -> str:
    """The reason why NaN and Infinity are refused, else nothing."""
    return "" if math.isfinite(value) else f"{'NaN' if value != value else 'Infinity'} is not a finite number"


class Boolean(ColumnType):
    name = "boolean"
    dtype = np.dtype(bool)
    python_type = bool
    WORDS: ClassVar[dict[str, bool | None]] = {"true": True, "false": False, "": None}

    def fast(self, values: Sequence[Any]) -> Array | None:
        return np.array(values, dtype=bool) if set(map(type, values)) == {bool} else None

    def text(self, text: str) -> Any:
        return self.WORDS.get(text.lower(), text)

    def pack(self, cells: list[Any]) -> Array:
        return np.array(cells, dtype=object if None in cells else bool)


class String(ColumnType):
    name = "string"
    dtype = np.dtype(object)
    python_type = str

    def fast(self, values: Sequence[Any]) -> Array | None:
        return objects(values) if set(map(type, values)) == {str} else None


class Binary(ColumnType):
    name = "binary"
    dtype = np.dtype(object)

    def cell(self, value: Any) -> bytes:
        if type(value) is bytes:
            return value
        if type(value) is not str:
            raise ValueError(f"{json_type(value)}, needs binary as base64")
        try:
            return base64.b64decode(value.replace("\n", ""), validate=True)  # MLflow breaks it into lines
        except (binascii.Error, ValueError):
            raise ValueError("not base64") from None


class Datetime(ColumnType):
    """ISO 8601, with `Z`, an offset, or neither. Offsets are resolved to UTC; the model sees naive datetime64[ns]."""

    name = "datetime"
    dtype = np.dtype("datetime64[ns]")

    def cell(self, value: Any) -> np.datetime64:
        if isinstance(value, np.datetime64):
            return value
        if isinstance(value, date):  # inside a list or an object of Parquet; a datetime is a date too
            value = value.isoformat()
        if type(value) is not str:
            raise ValueError(f"{json_type(value)}, needs a datetime in ISO 8601")
        return read_instant(value)


def objects(values: Sequence[Any]) -> Array:
    """(rows,) of Python objects; numpy must not look inside them."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


SCALARS: Final[dict[str, ColumnType]] = {
    kind.name: kind
    for kind in (
        IntegerType("integer", 32),
        IntegerType("long", 64),
        FloatType("float", 32),
        FloatType("double", 64),
        Boolean(),
        String(),
        Binary(),
        Datetime(),
    )
}
