"""The table of servers, and their requests."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.model import RECIPES
from benchmarks.servers.protocols import Protocol
from benchmarks.servers.storage import RUNTIMES
from benchmarks.servers.table import OWN, PEER_SERVERS, PEERS, Server, select_servers

ROWS = [{"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}]
EVERY = (*OWN, *PEER_SERVERS)


def names(servers: tuple[Server, ...]) -> list[str]:
    return [server.name for server in servers]


def test_peers_are_measured_only_on_request() -> None:
    assert select_servers("none") == OWN
    assert select_servers("all") == EVERY
    assert names(select_servers("flask,bentoml")) == [*names(OWN), "bentoml", "flask"]


def test_the_error_for_an_unknown_peer_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown peer: nothing; choose from mlflow, mlserver"):
        select_servers("flask,nothing")


def test_every_server_has_a_unique_name() -> None:
    assert len(set(names(EVERY))) == len(EVERY)


@pytest.mark.parametrize("server", PEER_SERVERS, ids=lambda server: server.name)
def test_a_peer_is_pinned_with_hashes_and_names_no_index(server: Server) -> None:
    assert server.peer is not None
    text = (PEERS / server.peer / "requirements.txt").read_text()
    assert re.fullmatch(r"[0-9][0-9.]*", server.version)
    assert "--hash=sha256:" in text
    assert not re.search(r"index-url|https?://|find-links", text)


@pytest.mark.parametrize("server", PEER_SERVERS, ids=lambda server: server.name)
def test_a_peer_reads_the_model_with_our_own_packages(server: Server) -> None:
    ours = pins((PEERS.parents[1] / "requirements.txt").read_text())
    theirs = pins((PEERS / str(server.peer) / "requirements.txt").read_text())
    for package in ("scikit-learn", "skops", "numpy", "pandas", "mlflow-skinny"):
        assert theirs[package] == ours[package], package


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("protocol", {server.protocol for server in EVERY}, ids=lambda protocol: protocol.path)
def test_a_body_holds_every_value_of_the_row(protocol: Protocol) -> None:
    text = json.dumps(json.loads(protocol.encode(ROWS)))
    assert all(json.dumps(value) in text for value in ROWS[0].values())


@pytest.mark.parametrize("server", [server for server in EVERY if server.protocol.read], ids=lambda server: server.name)
def test_another_label_is_a_wrong_answer(server: Server) -> None:
    answers = [
        {"predictions": ["no"]},
        {"outputs": [{"data": ["no"]}]},
        ["no"],
    ]
    right = [server.protocol.is_right(json.dumps(answer).encode(), ["no"]) for answer in answers]
    assert right.count(True) == 1
    found = json.dumps(answers[right.index(True)]).encode()
    assert not server.protocol.is_right(found, ["yes"])
    assert not server.protocol.is_right(found, ["no", "no"])
    assert not server.protocol.is_right(b"not JSON", ["no"])


@pytest.mark.parametrize("server", EVERY, ids=lambda server: server.name)
def test_a_server_does_not_know_which_model_it_serves(server: Server) -> None:
    words = " ".join([*server.command, *server.settings.values(), server.protocol.path])
    assert not [name for name in RECIPES if name in words.lower()]


@pytest.mark.parametrize("server", EVERY, ids=lambda server: server.name)
def test_a_server_reads_the_alias_of_its_runtime_or_the_directory(server: Server) -> None:
    assert ("{uri}" in server.settings.values()) == (server.runtime is not None)


def test_there_is_a_server_for_every_runtime() -> None:
    assert {server.runtime for server in EVERY if server.runtime} == set(RUNTIMES)
