"""Two at once, and one that is killed: what another reader or writer then sees. Against a real bucket server."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bucket_server import BucketServer, Held, holding
from command_line import CommandLine, finish
from http_server import WAIT_SECONDS
from modelserve.store.buckets.objects import Objects
from stores import put, tiny

if TYPE_CHECKING:
    from models.library import Library

HoldAt = Callable[[str], tuple[CommandLine, Held]]
pytestmark = pytest.mark.parametrize("command", ["bucket"], indirect=True)


@pytest.fixture
def hold_at(command: CommandLine, gcs: BucketServer) -> Iterator[HoldAt]:
    """The command behind a proxy at which an upload of the named object waits."""
    with ExitStack() as stack:

        def hold(marker: str) -> tuple[CommandLine, Held]:
            server, held = stack.enter_context(holding(gcs, marker))
            return replace(command, environment={"STORAGE_EMULATOR_HOST": server.url}), held

        yield hold


def test_a_killed_publisher_leaves_no_version_and_blocks_no_number(
    command: CommandLine, hold_at: HoldAt, models: Library
) -> None:
    words = ("publish", models.path("churn"), "--name", "churn")
    slow, held = hold_at("versions/1/model.skops")
    with slow.started(*words) as publisher:
        assert held.arrived.wait(WAIT_SECONDS)
        publisher.send_signal(signal.SIGKILL)
        finish(publisher, code=-signal.SIGKILL)
    listed = command.json("versions", "churn")
    assert (listed["versions"], listed["incomplete"]) == ([], ["1"])
    assert command.json("promote", "churn", "1", code=1)["error_code"] == "NOT_FOUND"
    done = command(*words, "--json")
    assert json.loads(done.out)["version"] == "2"
    assert "version 1 of churn is incomplete" in done.err
    assert command.json("delete", "churn", "1", code=1)["error_code"] == "NOT_FOUND"
    command("delete", "churn", "1", "--incomplete")
    assert command.json("versions", "churn")["incomplete"] == []


def test_of_two_promotions_the_later_one_is_told_who_won(
    command: CommandLine, objects: Objects, hold_at: HoldAt, tmp_path: Path
) -> None:
    model = tiny(tmp_path / "model")
    assert [put(objects, "m", model) for _ in range(2)] == ["1", "2"]
    slow, held = hold_at("aliases/champion.json")
    with slow.started("promote", "m", "1") as loser:
        assert held.arrived.wait(WAIT_SECONDS)
        command("promote", "m", "2")
        held.release.set()
        assert "was moved to version 2 by" in finish(loser, code=1).err
    assert command.json("show", "m@champion")["version"] == "2"


def test_a_version_that_is_promoted_while_it_is_deleted_is_never_left_named(
    command: CommandLine, objects: Objects, hold_at: HoldAt, tmp_path: Path
) -> None:
    assert put(objects, "m", tiny(tmp_path / "model")) == "1"
    slow, held = hold_at("aliases/champion.json")
    with slow.started("promote", "m", "1") as promoter:
        assert held.arrived.wait(WAIT_SECONDS)
        command("delete", "m", "1")
        held.release.set()
        assert "was deleted meanwhile" in finish(promoter, code=1).err
    assert command.json("show", "m@champion", code=1)["error_code"] == "NOT_FOUND"


def test_publishers_that_start_together_never_share_a_number(command: CommandLine, models: Library) -> None:
    words = ("publish", models.path("linear10"), "--name", "ten", "--json")
    for _ in range(2):
        with command.started(*words) as one, command.started(*words) as other:
            finish(one)
            finish(other)
    listed = command.json("versions", "ten")
    assert [row["version"] for row in listed["versions"]] == ["1", "2", "3", "4"]
    assert listed["incomplete"] == []
