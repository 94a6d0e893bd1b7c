"""A file of JSON lines or of an array, row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelserve.core.errors import MalformedRequest
from modelserve.schema.signature import Signature, from_mlmodel
from modelserve_control.batch.files.json_lines import JsonFile, JsonLinesFile
from modelserve_control.batch.files.table_files import check_source, open_table

COLUMNS = [{"name": "x", "type": "double"}, {"name": "kind", "type": "string"}]


@pytest.fixture
def signature() -> Signature:
    found = from_mlmodel({"inputs": COLUMNS})
    assert found
    return found


def write_lines(path: Path, *lines: bytes) -> Path:
    path = path / "rows.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def test_lines_become_chunks_of_rows_and_a_bad_line_is_one_bad_row(tmp_path: Path, signature: Signature) -> None:
    lines = (b'{"x": 1, "kind": "a"}', b"", b"{", b'{"x": 2, "x": 3}', b"[1]", b'  {"kind": "b", "more": 0, "x": 4}\r')
    path = write_lines(tmp_path, *lines)
    check_source(str(path))
    file = open_table(path, signature)
    assert isinstance(file, JsonLinesFile)
    assert file.count() == 5
    assert list(file.header().columns) == ["x", "kind"]
    first, second = file.chunks(4)
    assert (first.rows, list(first.bad)) == (4, [1, 2, 3])
    assert first.bad[3] == "The line is not an object."
    assert (first.table.rows, first.table.columns["x"]) == (1, [1])
    assert (second.rows, second.bad, second.table.columns) == (1, {}, {"x": [4], "kind": ["b"]})


def test_a_model_without_names_takes_rows_by_position(tmp_path: Path) -> None:
    signature = from_mlmodel({"inputs": [{"type": "double"}, {"type": "double"}]})
    (chunk,) = JsonLinesFile(write_lines(tmp_path, b"[1, 2]", b"[3, 4]"), signature).chunks(10)
    assert {name: list(values) for name, values in chunk.table.columns.items()} == {"0": [1, 3], "1": [2, 4]}


def test_a_file_that_is_not_there_is_named(tmp_path: Path, signature: Signature) -> None:
    with pytest.raises(MalformedRequest, match="No such file"):
        JsonLinesFile(tmp_path / "none.jsonl", signature).count()


def test_an_array_is_read_as_its_records_would_be_on_lines(tmp_path: Path, signature: Signature) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"x": 1,\n "kind": "a"}, {"x": 2, "x": 3}, 4, {"kind": "b", "more": {"n": 0}, "x": 4}]')
    file = open_table(path, signature)
    assert isinstance(file, JsonFile)
    assert file.count() == 4
    (piece,) = file.pieces(10, ["more"])
    assert piece.kept[0].to_pylist() == [None, None, None, '{"n":0}']
    chunk = piece.read(None)
    assert (list(chunk.bad), chunk.bad[2]) == ([1, 2], "The record is not an object.")
    assert chunk.table.columns == {"x": [1, 4], "kind": ["a", "b"]}


@pytest.mark.parametrize("content", [b'{"x": 1}', b"[{]", b"[" * 100_000, b""])
def test_what_is_no_array_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(MalformedRequest, match="not a readable JSON array of records: "):
        JsonFile(path, None).count()
