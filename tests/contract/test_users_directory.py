"""Where the user stands there may be modules of any name: no process of the command takes one of them for its own."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from command_line import CommandLine
from contract.compare.planting import Planted
from models.library import Library, room
from modelserve_control.local import emulators


@pytest.fixture(autouse=True)
def among_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "json.py").write_text("raise SystemExit('the json.py of the user')\n")
    monkeypatch.chdir(here)


def test_a_model_is_published(tmp_path: Path, models: Library) -> None:
    words = ("publish", models.path("linear10"), "--name", "ten", "--compile", "never")
    assert CommandLine(str(tmp_path / "store")).json(*words)["version"] == "1"


def test_a_model_that_loads_only_where_the_user_stands_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The functions do not have features.py."""
    Path("features.py").write_text("def twice(x):\n    return x * 2\n")
    monkeypatch.syspath_prepend(Path.cwd())
    model = room("linear").doubling(tmp_path / "model", importlib.import_module("features").twice)
    words = ("publish", model, "--name", "twice", "--trust", "pickle")
    assert "No module named 'features'" in CommandLine(str(tmp_path / "store"))(*words, code=1).err


def test_two_versions_are_compared(tmp_path: Path) -> None:
    planted = Planted(tmp_path)
    for flipped in ([], [1]):
        planted.compiled(flipped, 3)
    assert planted.compare("1", "2", "--data", planted.rows(3))["labels"]["prediction"]["rows"] == [1]


def test_the_pubsub_server_starts(tmp_path: Path) -> None:
    with emulators.pubsub(tmp_path) as host:
        assert host.startswith("127.0.0.1:")
