"""Which versions a rollback can return to."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.store.servers import publish
from modelserve.core.errors import NotFound
from modelserve.store.buckets.local import DirectoryObjects
from modelserve.store.versions.alias import Alias, write_alias
from modelserve_control.registry import catalog
from modelserve_control.registry.history import promotions
from modelserve_control.registry.promote import promote, rollback


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    objects = DirectoryObjects(tmp_path)
    for version in "1234":
        publish(objects, "m", version)
    return objects


def move(objects: DirectoryObjects, moves: str) -> str:
    """The version after each move: a digit promotes that version, `<` rolls back."""
    done = [rollback(objects, "m", "blue") if one == "<" else promote(objects, "m", one, "blue") for one in moves]
    return "".join(str(one["version"]) for one in done)


@pytest.mark.parametrize(
    ("moves", "versions"),
    [
        ("123<<", "12321"),
        ("123<4<<", "1232421"),
        ("121<<", "12121"),
        ("12<3<", "12131"),
        ("1223<<", "122321"),
        ("12<2<", "12121"),
    ],
)
def test_rollbacks_return_through_the_promotions_that_stand(
    objects: DirectoryObjects, moves: str, versions: str
) -> None:
    assert move(objects, moves) == versions
    assert [one.version for one in promotions(catalog.alias(objects, "m", "blue")[0])][-1] == versions[-1]


@pytest.mark.parametrize("moves", ["1<", "12<<", "12<3<<", "121<<<"])
def test_nothing_is_before_the_first_promotion(objects: DirectoryObjects, moves: str) -> None:
    with pytest.raises(NotFound, match="names version 1, and no version before it"):
        move(objects, moves)


def test_an_alias_that_an_older_kit_wrote_returns_to_its_previous_version(objects: DirectoryObjects) -> None:
    one, two = (catalog.manifest(objects, "m", version).digest for version in "12")
    write_alias(objects, "m", "blue", Alias("2", two, "1", one), 0)
    assert move(objects, "<") == "1"
    with pytest.raises(NotFound, match="no version before it"):
        move(objects, "<")
