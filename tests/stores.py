"""Fixtures: every store that the kit knows, empty, and versions put there without the (slow) validation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_server import BucketServer, bucket_server
from command_line import CommandLine
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.progress import Lines
from modelserve_control.publish.publish import file_entries, upload
from modelserve_control.registry.catalog import open_store

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def gcs() -> Iterator[BucketServer]:
    with bucket_server() as server:
        yield server


@pytest.fixture(params=["directory", "bucket"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> CommandLine:
    """The command with an empty store, once in a directory and once in a bucket."""
    if request.param == "directory":
        return CommandLine(str(tmp_path / "store"))
    server: BucketServer = request.getfixturevalue("gcs")
    return CommandLine(server.bucket(f"store-{next(NUMBERS)}"), {"STORAGE_EMULATOR_HOST": server.url})


@pytest.fixture
def objects(command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    """The same store, opened here."""
    for name, value in command.environment.items():
        monkeypatch.setenv(name, value)
    with open_store(command.store, new=True) as found:
        yield found


def put(objects: Objects, name: str, directory: Path) -> str:
    """Publishes a directory as it is, with the command's own upload; its version."""
    draft = Manifest(name, "1", tuple(file_entries(directory)))
    with open("/dev/null", "w") as nowhere:
        return upload(objects, draft, directory, Lines(nowhere)).version


def tiny(path: Path, text: str = "{}") -> Path:
    """A directory that passes for a model where nothing loads it."""
    (path / "data").mkdir(parents=True)
    (path / "MLmodel").write_text(f"flavors: {text}\n")
    (path / "data" / "model.bin").write_bytes(b"\x00\x01" * 5000)
    return path
