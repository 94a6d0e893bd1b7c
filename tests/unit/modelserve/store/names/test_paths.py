"""R6: names that leave their directory, or that cannot live side by side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelserve.core.errors import ArtifactCorrupt
from modelserve.store.names.paths import check_names, invalid_reason, walk

HOSTILE = {
    "parent": "../x",
    "parent inside": "a/../../x",
    "parent alone": "..",
    "parent at the end": "a/..",
    "itself": ".",
    "itself inside": "a/./b",
    "absolute": "/etc/passwd",
    "empty": "",
    "empty part": "a//b",
    "trailing slash": "a/",
    "backslash": "a\\..\\b",
    "drive": "c:\\x",
    "encoded": "%2e%2e/x",
    "encoded twice": "%252e%252e/x",
    "encoded slash": "a%2Fb",
    "encoded NUL": "a%00",
    "NUL": "a\0b",
    "newline": "a\nb",
    "escape": "a\x1b[2Jb",
    "C1 control": "a\x85b",
    "right-to-left override": "a\u202etxt.exe",
    "zero width": "a\u200bb",
    "line separator": "a\u2028b",
    "not Unicode": "a\udcff",
    "long part": "a" * 256,
    "long part in bytes": "é" * 128,
    "long name": "/".join(["a" * 200] * 6),
}

COLLIDING = {
    "twins in case": ["Model", "model"],
    "twins in case, ß": ["straße", "STRASSE"],
    "twins in composition": ["caf\u00e9", "cafe\u0301"],
    "directory twins": ["A/x", "a/y"],
    "file and directory": ["a", "a/b"],
    "directory and file": ["a/b", "a"],
    "file and directory in case": ["A", "a/b"],
    "file and deep directory": ["x/a", "x/A/b/c"],
    "the same twice": ["a", "a"],
}

FINE = [
    "MLmodel",
    "model.skops",
    "data/a b.txt",
    "tf/variables/x.data-00000-of-00001",
    ".hidden",
    "a..b",
    "100%",
    "模型/é",
]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_refuses_the_whole_version(name: str) -> None:
    with pytest.raises(ArtifactCorrupt) as caught:
        check_names(["MLmodel", name])
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("names", COLLIDING.values(), ids=COLLIDING.keys())
def test_names_that_cannot_live_side_by_side_refuse_the_version(names: list[str]) -> None:
    with pytest.raises(ArtifactCorrupt):
        check_names(list(map("".join, names)))


def test_what_mlflow_writes_is_fine() -> None:
    check_names(FINE)
    assert [invalid_reason(name) for name in FINE] == [None] * len(FINE)


def test_a_walk_tells_every_plain_file_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_bytes(b"12")
    (tmp_path / "a").write_bytes(b"1")
    assert [(name, status.st_size) for name, status in walk(str(tmp_path))] == [("a", 1), ("b/x", 2)]


@pytest.mark.parametrize("kind", ["file link", "directory link", "pipe"])
def test_a_walk_refuses_what_is_not_a_plain_file(kind: str, tmp_path: Path) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / "x")
    else:
        (tmp_path / "x").symlink_to("/etc/passwd" if kind == "file link" else "/etc")
    with pytest.raises(ArtifactCorrupt, match="link or a device"):
        list(walk(str(tmp_path)))
