from __future__ import annotations

import json

import pytest

from modelserve.core.errors import ArtifactCorrupt
from modelserve.store.versions.alias import MAX_BYTES, MAX_MOVES, Alias, AliasMove

ALIAS = Alias("8", "a" * 64, "7", "b" * 64, "ann", "2026-01-02T03:04:05Z", "better on May")


def test_an_alias_reads_back_as_it_was_written() -> None:
    assert Alias.from_bytes(ALIAS.to_bytes()) == ALIAS


def test_keys_of_later_tools_are_ignored() -> None:
    raw = json.loads(ALIAS.to_bytes()) | {"ticket": 12}
    assert Alias.from_bytes(json.dumps(raw).encode()) == ALIAS


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 8},
        {"version": None},
        {"version": "08"},
        {"manifest_sha256": "A" * 64},
        {"previous_version": "7", "previous_manifest_sha256": None},
        {"updated_by": None},
    ],
)
def test_a_wrong_alias_is_refused(changes: dict[str, object]) -> None:
    raw = json.loads(ALIAS.to_bytes()) | changes
    with pytest.raises(ArtifactCorrupt):
        Alias.from_bytes(json.dumps(raw).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b"[" * 100_000, b"\xff"])
def test_what_is_no_alias_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactCorrupt):
        Alias.from_bytes(data)


def test_an_alias_keeps_its_last_moves() -> None:
    moves = tuple(AliasMove(str(number), "a" * 64) for number in range(1, 301))
    kept = Alias.from_bytes(Alias("301", "a" * 64, history=moves).to_bytes()).history
    assert kept == moves[-(MAX_MOVES - 1) :]


def test_long_reasons_leave_out_the_oldest_moves_of_an_alias() -> None:
    moves = tuple(AliasMove(str(number), "a" * 64, reason="x" * 5_000) for number in range(1, 51))
    data = Alias("51", "a" * 64, history=moves).to_bytes()
    kept = Alias.from_bytes(data).history
    assert len(data) <= MAX_BYTES
    assert kept == moves[-len(kept) :]
    assert len(kept) >= 10
