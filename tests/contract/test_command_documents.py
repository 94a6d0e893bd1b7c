"""Documents that are not what they must be, as a person meets them: one sentence, at once, and never a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import CommandLine
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.registry.promote import promote
from serving import serving
from stores import put, tiny

ALIAS, MANIFEST = "models/m/aliases/champion.json", "models/m/versions/1/manifest.json"
ASKS = {
    ALIAS: (("versions", "m"), ("show", "m@champion"), ("rollback", "m")),
    MANIFEST: (("show", "m/1"), ("promote", "m", "1", "--alias", "beta")),
}
Damage = Callable[[Path], object]


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def rewritten(change: Callable[[bytes], bytes]) -> Damage:
    return lambda path: path.write_bytes(change(path.read_bytes()))


CASES: dict[str, tuple[str, Damage, str]] = {
    "alias: pipe": (ALIAS, pipe, "is a link or a device"),
    "alias: link": (ALIAS, link, "is a link or a device"),
    "alias: twice": (ALIAS, rewritten(lambda data: b'{"version": "2",' + data[1:]), "names a key twice"),
    "alias: UTF-16": (ALIAS, rewritten(lambda data: data.decode().encode("utf-16")), "is not UTF-8"),
    "manifest: pipe": (MANIFEST, pipe, "is a link or a device"),
    "manifest: half a pair": (MANIFEST, rewritten(lambda data: b'{"a":"\\ud800",' + data[1:]), "surrogate pair"),
    "manifest: NaN": (MANIFEST, rewritten(lambda data: b'{"a":NaN,' + data[1:]), "contains NaN"),
    "manifest: types": (
        MANIFEST,
        rewritten(lambda data: data.replace(b'"environment":{}', b'"environment":{"packages":[]}')),
        "at `$.environment.packages`",
    ),
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Version 1 of m, which champion names."""
    objects = open_objects(parse_store(str(tmp_path / "store")))
    promote(objects, "m", put(objects, "m", tiny(tmp_path / "model")), "champion")
    return tmp_path / "store"


@pytest.mark.parametrize(("name", "damage", "reason"), CASES.values(), ids=CASES.keys())
def test_commands_and_functions_say_what_is_wrong_and_end(
    name: str, damage: Damage, reason: str, store: Path, tmp_path: Path
) -> None:
    damage(store / name)
    command = CommandLine(str(store))
    for words in ASKS[name]:
        said = command(*words, code=1).err
        assert name in said
        assert reason in said
        assert "Traceback" not in said
        assert len(said.splitlines()) == 1
    environ = {"MODEL_URI": f"{store}/models/m@champion"}
    with serving(tmp_path / "log", environ, ready="/health/live") as served:
        answer = served.post("/predict", {"x": 1.0})
        assert answer.status_code == 503
        assert answer.json()["error_code"] == "MODEL_NOT_READY"
        assert name in answer.json()["message"]
        assert reason in answer.json()["message"]
