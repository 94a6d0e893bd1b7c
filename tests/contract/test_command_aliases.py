"""`promote`, `rollback`, `versions`, `show` and `delete`, as real processes against a directory and a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from modelserve.store.buckets.objects import Objects
from stores import put, tiny


@pytest.fixture
def three(objects: Objects, tmp_path: Path) -> None:
    """Versions 1, 2 and 3 of `m`."""
    model = tiny(tmp_path / "model")
    assert [put(objects, "m", model) for _ in range(3)] == ["1", "2", "3"]


def champion(command: CommandLine) -> dict[str, Any]:
    shown: dict[str, Any] = command.json("show", "m@champion")["alias"]
    return shown


@pytest.mark.usefixtures("three")
def test_promoting_moves_the_alias_and_remembers_what_it_named(command: CommandLine) -> None:
    assert command.json("promote", "m", "1")["previous_version"] is None
    assert command.json("promote", "m", "2", "--reason", "better")["previous_version"] == "1"
    assert command.json("promote", "m", "2")["changed"] is False
    now = champion(command)
    assert (now["version"], now["previous_version"], now["reason"]) == ("2", "1", "better")
    assert "@" in now["updated_by"]


@pytest.mark.usefixtures("three")
def test_each_rollback_goes_one_version_further_back_and_never_forward(command: CommandLine) -> None:
    command("promote", "m", "1")
    assert command.json("rollback", "m", code=1)["error_code"] == "NOT_FOUND"
    command("promote", "m", "2")
    command("promote", "m", "3")
    assert "m@champion now names version 2 (before: version 3)" in command("rollback", "m").out
    assert command.json("rollback", "m")["version"] == "1"
    assert command.json("rollback", "m", code=1)["error_code"] == "NOT_FOUND"
    assert champion(command)["version"] == "1"


@pytest.mark.usefixtures("three")
def test_rolling_back_to_a_version_skips_those_between(command: CommandLine) -> None:
    for version in "123":
        command("promote", "m", version)
    assert command.json("rollback", "m", "--to", "1")["version"] == "1"
    refused = command.json("rollback", "m", "--to", "3", code=1)
    assert "has not named version 3 before version 1; it has named none." in refused["message"]


@pytest.mark.usefixtures("three")
def test_the_history_of_an_alias_says_who_moved_it_when_and_why(command: CommandLine) -> None:
    command("promote", "m", "1")
    command("promote", "m", "2", "--reason", "better")
    command("rollback", "m")
    moves = command.json("history", "m")["moves"]
    assert [(move["version"], move["rollback"]) for move in moves] == [("1", False), ("2", False), ("1", True)]
    assert [move["reason"] for move in moves[1:]] == ["better", "roll back from version 2"]
    newest = command("history", "m").out.splitlines()[1]
    assert newest.split()[1:3] == ["rollback", "1"]


@pytest.mark.usefixtures("three")
def test_the_models_of_a_store_are_listed_with_their_aliases(command: CommandLine) -> None:
    command("promote", "m", "2")
    assert command.json("list")["models"] == [{"name": "m", "versions": 3, "newest": "3", "aliases": {"champion": "2"}}]
    assert command("list").out.splitlines()[1].split() == ["m", "3", "3", "champion", "2"]


@pytest.mark.usefixtures("three")
def test_promoting_a_version_that_does_not_exist_names_those_that_do(command: CommandLine) -> None:
    assert "it has 1, 2, 3." in command("promote", "m", "9", code=1).err


@pytest.mark.usefixtures("three")
def test_a_model_that_is_not_there_is_told_by_every_command(command: CommandLine) -> None:
    for words in (("promote", "n", "1"), ("rollback", "n"), ("versions", "n"), ("show", "n/1"), ("doctor", "n")):
        assert command(*words, code=1).err == "modelserve: The store has no model n; it has m.\n"


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("m/9", "m has no version 9; it has 1, 2, 3."),
        ("m@blue", "m has no alias blue; it has none."),
        ("n/1", "The store has no model n; it has m."),
        ("n", "The store has no model n; it has m."),
    ],
)
def test_what_cannot_be_scored_because_it_is_not_there_is_told_with_what_is(
    command: CommandLine, tmp_path: Path, what: str, said: str
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("x\n1\n")
    refused = command.json("score", what, rows, tmp_path / "out.parquet", code=1)
    assert (refused["error_code"], refused["message"]) == ("NOT_FOUND", said)
    refused = command.json("compare", what, "m/1", "--data", rows, code=2)
    assert (refused["error_code"], refused["message"]) == ("NOT_FOUND", f"A: {said}")


@pytest.mark.usefixtures("three")
def test_a_version_is_shown_by_its_number_alone(command: CommandLine) -> None:
    assert command.json("show", "m/2") == command.json("show", "m/versions/2")
    assert command.json("show", "m/2")["version"] == "2"


@pytest.mark.usefixtures("three")
def test_versions_lists_what_names_each(command: CommandLine) -> None:
    command("promote", "m", "1")
    command("promote", "m", "2", "--alias", "champion")
    command("promote", "m", "3", "--alias", "challenger")
    listed = command.json("versions", "m")["versions"]
    assert [(row["version"], row["aliases"], row["previous_of"]) for row in listed] == [
        ("1", [], ["champion"]),
        ("2", ["champion"], []),
        ("3", ["challenger"], []),
    ]
    assert command("versions", "m").out.splitlines()[2].split()[:2] == ["2", "champion"]
    assert command.json("show", "m")["aliases"].keys() == {"champion", "challenger"}


@pytest.mark.usefixtures("three")
def test_a_version_whose_manifest_is_damaged_hides_no_other(command: CommandLine, objects: Objects) -> None:
    damaged = "models/m/versions/2/manifest.json"
    info = objects.stat(damaged)
    assert info is not None
    objects.write(damaged, b"{", info.generation)
    listed = command.json("versions", "m")
    assert [row["version"] for row in listed["versions"]] == ["1", "3"]
    assert listed["damaged"] == {"2": f"{damaged}: The manifest is not JSON; publish the version again."}
    assert command("versions", "m").out.splitlines()[-1].startswith("version 2 cannot be served: ")
    assert damaged in command("promote", "m", "2", code=1).err


@pytest.mark.usefixtures("three")
def test_a_damaged_alias_is_named_with_what_mends_it(command: CommandLine, objects: Objects) -> None:
    objects.write("models/m/aliases/champion.json", b"{", 0)
    said = (
        "models/m/aliases/champion.json: The alias is not a document of this kit (it is not JSON); "
        "promote a version to replace it."
    )
    assert said in command("versions", "m", code=1).err
    assert said in command("rollback", "m", code=1).err
    command("promote", "m", "2")
    assert [row["aliases"] for row in command.json("versions", "m")["versions"]] == [[], ["champion"], []]


@pytest.mark.usefixtures("three")
def test_what_somebody_else_has_put_among_the_aliases_is_none(command: CommandLine, objects: Objects) -> None:
    command("promote", "m", "1")
    for name in (".keep", "README", "latest.json", "a folder/x.json"):
        objects.write(f"models/m/aliases/{name}", b"", 0)
    assert [row["aliases"] for row in command.json("versions", "m")["versions"]] == [["champion"], [], []]
    assert command.json("show", "m")["aliases"].keys() == {"champion"}
    command("delete", "m", "3")


@pytest.mark.usefixtures("three")
def test_a_file_of_a_model_that_is_named_as_a_manifest_is_none(command: CommandLine, objects: Objects) -> None:
    for version in "34":
        objects.write(f"models/m/versions/{version}/files/{version}/manifest.json", b"{}", 0)
    objects.write("models/m/versions/4/MLmodel", b"", 0)
    listed = command.json("versions", "m")
    assert ([row["version"] for row in listed["versions"]], listed["incomplete"]) == (["1", "2", "3"], ["4"])
    assert command.json("delete", "m", "3")["version"] == "3"
    assert "it has 1, 2." in command("promote", "m", "3", code=1).err


@pytest.mark.usefixtures("three")
def test_a_version_that_an_alias_names_or_would_go_back_to_is_not_deleted(command: CommandLine) -> None:
    command("promote", "m", "1")
    command("promote", "m", "2")
    assert command.json("delete", "m", "1", code=1)["error_code"] == "VERSION_IN_USE"
    assert command.json("delete", "m", "2", code=1)["error_code"] == "VERSION_IN_USE"
    assert command.json("delete", "m", "3")["files"] == 1
    assert [row["version"] for row in command.json("versions", "m")["versions"]] == ["1", "2"]


@pytest.mark.usefixtures("three")
def test_a_deleted_version_is_gone_and_its_number_is_never_used_again(
    command: CommandLine, objects: Objects, tmp_path: Path
) -> None:
    command("delete", "m", "3")
    assert command.json("show", "m/versions/3", code=1)["error_code"] == "NOT_FOUND"
    assert command.json("delete", "m", "3", code=1)["error_code"] == "NOT_FOUND"
    assert put(objects, "m", tmp_path / "model") == "4"
