"""Signatures in a few words, and what their check says about a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from modelserve.core.errors import SignatureMismatch
from modelserve.payloads import Limits
from modelserve.schema.batch import Table
from modelserve.schema.signature import Signature, from_mlmodel

LIMITS = Limits(rows=100, columns=50, depth=32)


def signature_of(inputs: Sequence[Mapping[str, Any]], params: Sequence[Mapping[str, Any]] = ()) -> Signature:
    """From the entries that an MLmodel holds."""
    made = from_mlmodel({"inputs": json.dumps(list(inputs)), "params": json.dumps(list(params)) if params else None})
    assert made is not None
    return made


def signature(**columns: str) -> Signature:
    """`signature(x="double", note="string?")`: a question mark makes a column optional."""
    return signature_of(
        [{"name": name, "type": kind.rstrip("?"), "required": "?" not in kind} for name, kind in columns.items()]
    )


def nameless(*kinds: str) -> Signature:
    return signature_of([{"type": kind, "required": True} for kind in kinds])


def tensor(dtype: str, *shape: int, name: str | None = None) -> Mapping[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}} | ({"name": name} if name else {})


def table(**columns: Sequence[Any]) -> Table:
    return Table(columns, len(next(iter(columns.values()))))


def bad_cells(call: Callable[[], Any]) -> list[tuple[int | None, str | None, str]]:
    """(row, column, reason) of every cell that is refused."""
    with pytest.raises(SignatureMismatch) as raised:
        call()
    return [(detail["row"], detail["column"], detail["reason"]) for detail in raised.value.details]
