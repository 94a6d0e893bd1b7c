"""The requirements of functions for a version that somebody else has made."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from index_options import INDEX
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import NotPackaged
from modelserve_control.deploy.requirements import requirements_for

EVIL = "http://evil"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose functions need nothing, and an index with one source archive, which leaves a trace when it is run."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "requirements.in").touch()
    (tmp_path / "functions" / "requirements.txt").touch()
    (tmp_path / ".python-version").write_text("3.11\n")
    links = tmp_path / "links"
    links.mkdir()
    script = (
        f"open({str(tmp_path / 'trace')!r}, 'w')\nimport setuptools\nsetuptools.setup(name='hostile', version='1.0')\n"
    )
    with tarfile.open(links / "hostile-1.0.tar.gz", "w:gz") as archive:
        for name, text in (("setup.py", script), ("PKG-INFO", "Metadata-Version: 1.0\nName: hostile\nVersion: 1.0\n")):
            info = tarfile.TarInfo(f"hostile-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    settings = {
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(links),
        "UV_NO_BUILD_ISOLATION": "1",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def made_with(**packages: Any) -> Manifest:
    return Manifest("churn", "1", (), environment={"python": "3.11.7", "packages": packages})


def test_no_source_archive_is_run(root: Path) -> None:
    with pytest.raises(NotPackaged, match="cannot be installed together"):
        requirements_for(made_with(hostile="1.0"), root)
    assert not (root / "trace").exists()


@pytest.mark.parametrize("version", ["*", f"1.0\n{INDEX} {EVIL}", "1.0 @ file:///wheels/hostile"])
def test_only_a_version_is_asked_for(version: str, root: Path) -> None:
    with pytest.raises(NotPackaged, match="is no version of a package"):
        requirements_for(made_with(hostile=version), root)
