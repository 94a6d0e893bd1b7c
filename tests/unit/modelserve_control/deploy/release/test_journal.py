"""Which release a command goes on with, and that only one process does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelserve.core.errors import PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.deploy.release.journal import create, find_unfinished
from modelserve_control.registry import catalog


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Objects]:
    with catalog.open_store(str(tmp_path)) as found:
        yield found


def test_only_the_same_version_on_its_way_to_the_same_alias_goes_on(store: Objects) -> None:
    assert find_unfinished(store, "m-8-x", "8", "champion") is None
    stopped = create(store, "m-8-x", "8", alias="champion")
    stopped.add("check", differences=[])
    found = find_unfinished(store, "m-8-x", "8", "champion")
    assert found is not None
    assert found.document == stopped.document
    assert found.step("check") is not None
    assert found.step("compare") is None
    for name, version, alias in (("m-8-x", "9", "champion"), ("m-8-x", "8", "beta"), ("m", "8", "champion")):
        assert find_unfinished(store, name, version, alias) is None
    found.end("refused", "too different")
    assert find_unfinished(store, "m-8-x", "8", "champion") is None


def test_of_two_processes_with_one_release_one_stops(store: Objects) -> None:
    first = create(store, "m", "8", alias="champion")
    second = find_unfinished(store, "m", "8", "champion")
    assert second is not None
    second.add("check")
    with pytest.raises(PreconditionFailed, match=f"Another process continues release {first.id}"):
        first.add("check")
    second.add("compare")
    assert [step["step"] for step in second.document["steps"]] == ["check", "compare"]
