"""Decoded values: how a reason names them, decimals, which only Parquet has, and the text of a datetime."""

from __future__ import annotations

import re
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
INSTANT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|z|[+-]\d{2}:?\d{2})?)?"
)


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


def read_instant(text: str) -> np.datetime64:
    """Of ISO 8601, in UTC. Raises ValueError with the reason."""
    match = INSTANT.fullmatch(text)
    if not match:
        raise ValueError("not a datetime in ISO 8601 with at most nine decimals")
    day, time_of_day, zone = match[1], match[2] or "00:00", match[3] or "Z"
    # datetime64[ns] reaches from 1677-09 to 2262-04 and wraps silently beyond.
    if not 1678 <= int(day[:4]) <= 2261:
        raise ValueError("out of range for datetime, which reaches from 1678 to 2261")
    try:
        local = np.datetime64(f"{day}T{time_of_day}", "ns")
    except ValueError:
        raise ValueError("no such day or time") from None
    if zone in "Zz":
        return local
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError("no such day or time")
    east = hours * 60 + minutes
    return local - np.timedelta64(east if zone[0] == "+" else -east, "m")
