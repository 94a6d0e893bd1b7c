"""Files of rows, read whole."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from modelserve.core.errors import MalformedRequest
from modelserve_control.common.progress import Lines
from modelserve_control.monitor.tables import read_columns

OTHERS = {"record 1 is not an object": b"null", "Invalid UTF8": b'{"x": "\xff"}'}


@pytest.mark.parametrize("reason", OTHERS)
@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_records_that_are_no_objects_of_text_are_refused(tmp_path: Path, ending: str, reason: str) -> None:
    path = tmp_path / f"in.{ending}"
    records = [b'{"x": "a"}', OTHERS[reason]]
    path.write_bytes(b"[" + b",".join(records) + b"]" if ending == "json" else b"\n".join(records))
    with pytest.raises(MalformedRequest, match=reason):
        read_columns([str(path)], Lines(io.StringIO()))


def test_lines_may_begin_with_a_byte_order_mark_and_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"x": "a"}\r\n\r\n{"x": "b"}\r\n')
    assert read_columns([str(path)], Lines(io.StringIO())) == ({"x": ["a", "b"]}, 2)
