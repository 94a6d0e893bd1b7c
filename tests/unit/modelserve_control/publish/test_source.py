"""Directories that can be published."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from modelserve.core.errors import ArtifactCorrupt
from modelserve_control.common.errors import SourceUnusable
from modelserve_control.publish.source import fetch
from stores import tiny


def pipe(path: Path) -> None:
    os.mkfifo(path)


def sock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("make", [pipe, sock, link])
def test_irregular_files_are_refused_in_a_sentence(
    make: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(make)
    model = tiny(tmp_path / "model")
    monkeypatch.chdir(model)
    make(Path("odd"))
    with pytest.raises(ArtifactCorrupt, match="'odd' is a link or a device"):
        fetch(str(model), tmp_path / "scratch")


def test_a_directory_without_a_model_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "home"
    source.mkdir()
    link(source / "odd")
    with pytest.raises(SourceUnusable, match=r"home has no MLmodel; it contains odd\."):
        fetch(str(source), tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_a_directory_that_cannot_be_copied_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "scratch" / "model").mkdir(parents=True)
    with pytest.raises(SourceUnusable, match=r"model cannot be copied: "):
        fetch(str(tiny(tmp_path / "model")), tmp_path / "scratch")
