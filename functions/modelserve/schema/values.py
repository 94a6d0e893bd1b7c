"""Decoded values: how a reason names them, and decimals, which only Parquet has."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np

NAMES: Final[dict[type, str]] = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    bytes: "bytes",
    Decimal: "a decimal",
    datetime: "a datetime",
    np.datetime64: "a datetime",
    date: "a date",
    time: "a time of day",
    timedelta: "a duration",
}


def json_type(value: object) -> str:
    name = NAMES.get(type(value))
    return name or next((NAMES[kind] for kind in type(value).__mro__ if kind in NAMES), "another type")


def whole_decimal(value: Any) -> Any:
    """A decimal without a fraction as an integer, anything else as it is."""
    return int(value) if type(value) is Decimal and value == value.to_integral_value() else value


def nearest_float(value: Decimal, dtype: np.dtype[Any], name: str) -> float:
    """The number that is written as this decimal. Raises ValueError when the type has none."""
    number = dtype.type(value)
    if not np.isfinite(number):
        raise ValueError(f"out of range for {name}")
    if Decimal(str(number)) != value:
        raise ValueError(f"a decimal with more digits than {name} keeps")
    return float(number)
