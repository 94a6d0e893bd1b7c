"""What `--help` says of each command is a whole sentence, at the width of any terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest

from modelserve_control.cli.examples import EXAMPLES, commands
from modelserve_control.cli.main import main
from modelserve_control.common.options import ENDINGS


def groups(name: str, group: click.Group) -> Iterator[tuple[str, click.Group]]:
    yield name, group
    for below, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from groups(f"{name} {below}", command)


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize(("name", "group"), list(groups("modelserve", main)))
def test_no_command_is_cut_short(name: str, group: click.Group, columns: int) -> None:
    # click itself leaves two of a terminal's columns empty.
    with group.make_context(name, [], resilient_parsing=True, terminal_width=columns - 2) as context:
        lines = group.get_help(context).splitlines()
    commands = lines[lines.index("Commands:") + 1 :]
    assert len(commands) == len(group.commands)  # one line each
    assert [line for line in commands if line.endswith("...")] == []


@pytest.mark.parametrize(("path", "command"), list(commands(main)))
def test_each_command_ends_its_help_with_an_example_that_it_takes(path: str, command: click.Command) -> None:
    with command.make_context(path, [], resilient_parsing=True) as context:
        assert f"modelserve {path}" in context.command.get_help(context).partition("Examples:")[2]
    for example in EXAMPLES[path]:
        words = shlex.split(example.partition("modelserve ")[2] or example)[len(path.split()) :]
        context = command.make_context(path, [], resilient_parsing=True)
        _, rest, _ = command.make_parser(context).parse_args(list(words))
        assert not rest or "--" in words


def test_no_example_is_left_of_a_command_that_is_gone() -> None:
    assert EXAMPLES.keys() == dict(commands(main)).keys()


@pytest.mark.parametrize(("path", "command"), list(commands(main)))
def test_help_that_names_the_endings_of_rows_names_all_that_are_read(path: str, command: click.Command) -> None:
    texts = [command.help or "", *(str(getattr(one, "help", "")) for one in command.params)]
    assert [text for text in texts if ".csv" in text and ENDINGS not in text] == []
