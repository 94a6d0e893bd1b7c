"""Documents are read as they were written, and foreign documents are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelserve.core.errors import ArtifactCorrupt
from modelserve.store.buckets.objects import Objects
from modelserve_control.deploy.release import journal as release_journal
from modelserve_control.deploy.release.journal import find_unfinished
from modelserve_control.deploy.rollout import journal as rollout_journal
from modelserve_control.deploy.rollout.options import RolloutOptions
from modelserve_control.registry import catalog
from modelserve_control.registry.documents import encode, read
from unit.modelserve.store.versions.test_documents import READINGS, Bytes, one_sentence


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Objects]:
    with catalog.open_store(str(tmp_path)) as found:
        yield found


def test_a_document_is_read_as_it_was_written_with_its_generation(store: Objects) -> None:
    assert read(store, "releases/a.json") is None
    document = {"id": "a", "by": "zoë", "steps": [{"step": "check"}]}
    written = store.write("releases/a.json", encode(document), if_generation_match=0)
    assert read(store, "releases/a.json") == (document, written.generation)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe{"])
def test_a_foreign_document_is_named(store: Objects, content: bytes) -> None:
    store.write("releases/a.json", content, if_generation_match=0)
    with pytest.raises(ArtifactCorrupt, match=r"releases/a\.json is not a document of this kit \(.*\); move it away"):
        read(store, "releases/a.json")


@pytest.mark.parametrize(("change", "reason"), READINGS.values(), ids=READINGS.keys())
def test_a_document_has_one_reading(store: Objects, change: Bytes, reason: str) -> None:
    written = json.dumps({"id": "a", "version": "1"}).encode()
    store.write("releases/a.json", change(written), if_generation_match=0)
    with pytest.raises(ArtifactCorrupt, match=reason) as raised:
        read(store, "releases/a.json")
    assert one_sentence(raised.value.message)
    assert raised.value.message.startswith("releases/a.json is not a document of this kit (")


def test_every_field_of_a_release_is_what_it_must_be(store: Objects) -> None:
    made = release_journal.create(store, "m", "8", alias="champion", before={"version": "7", "generation": 1})
    made.add("check")
    for key in ("id", "name", "version", "alias", "steps", "outcome", "started_at", "before"):
        check_damage(store, made.name, key, lambda: find_unfinished(store, "m", "8", "champion"))


def test_every_field_of_a_rollout_and_of_its_lock_is_checked(store: Objects) -> None:
    services = {"a": {"name": "a", "function": "predict", "pinned": "a-1", "newest": "a-1", "candidate": None}}
    made = rollout_journal.create(store, RolloutOptions("p", "r", (("predict", "a"),)), services)
    rollout_journal.lock(store, made, ["a"])
    for key in ("id", "services", "steps", "shares", "deploy", "outcome", "why", "started_by", "started_at"):
        check_damage(store, made.name, key, lambda: rollout_journal.find_rollout(store, ["a"]))
    check_damage(store, rollout_journal.lock_name("a"), "id", lambda: rollout_journal.find_rollout(store, ["a"]))


def check_damage(store: Objects, name: str, key: str, action: Callable[[], object]) -> None:
    """Expect a refusal with a wrong value for the key and without the key; then restore the document."""
    found = read(store, name)
    assert found is not None
    document, generation = found
    without = {other: value for other, value in document.items() if other != key}
    for damaged in ({**document, key: 7.5}, {**document, key: [[7]]}, without):
        if key == "before" and damaged is without:
            continue  # a release that has not moved an alias
        generation = store.write(name, encode(damaged), generation).generation
        with pytest.raises(ArtifactCorrupt) as raised:
            action()
        assert one_sentence(raised.value.message)
        assert raised.value.message.startswith(f"{name} is not a document of this kit (")
    store.write(name, encode(document), generation)
