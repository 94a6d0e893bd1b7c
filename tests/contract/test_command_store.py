"""A store that cannot be reached is told by its address, whatever the command wanted of it."""

from __future__ import annotations

import socket
from typing import Final

import pytest

from command_line import CommandLine
from modelserve.core.errors import StoreUnavailable
from modelserve.store.buckets.http_pool import reach
from modelserve_control.common import processes

COMMANDS: Final = {
    "versions": ("versions", "churn"),
    "promote": ("promote", "churn", "1"),
    "score": ("score", "gs://bucket/models/churn@champion", "gs://bucket/rows.parquet", "gs://bucket/out.parquet"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_says_which_store_it_cannot_reach(words: tuple[str, ...]) -> None:
    address = f"http://127.0.0.1:{processes.free_port()}"
    done = CommandLine("gs://bucket", {"STORAGE_EMULATOR_HOST": address})(*words, code=1)
    assert f"The store at {address} cannot be reached: Connection refused." in done.err


@pytest.mark.parametrize("address", ["127.0.0.1:4443", "http://", "http://host:port", "ftp://host"])
def test_an_address_that_is_none_is_explained(address: str) -> None:
    with pytest.raises(StoreUnavailable, match="STORAGE_EMULATOR_HOST must begin with http://"):
        reach(address, 3.0)


def test_an_address_that_never_answers_is_not_waited_for() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        full = []
        for _ in range(4):  # more than its queue takes, so that the next one waits
            full.append(socket.socket())
            full[-1].setblocking(False)
            full[-1].connect_ex(address)
        with pytest.raises(StoreUnavailable, match=f"http://127.0.0.1:{address[1]} cannot be reached: no connection"):
            reach(f"http://127.0.0.1:{address[1]}", 0.2)
        for one in full:
            one.close()


def test_a_name_that_does_not_exist_is_told() -> None:
    with pytest.raises(StoreUnavailable, match=r"The store at http://store\.invalid cannot be reached"):
        reach("http://store.invalid", 4.0)
