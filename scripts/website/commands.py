"""Print the reference of the commands as Markdown: the help of each, as click writes it."""

import click

from modelserve_control.cli.examples import commands
from modelserve_control.cli.main import main

HEAD = """# Commands

This page is the help of each command, made from the code when the site is built. `modelserve COMMAND --help` prints the same.
With `--json` a command prints one JSON document, also when it is refused: [errors.md](errors.md) has the codes.
"""


def print_reference() -> None:
    root = click.Context(main, info_name="modelserve", **main.context_settings | {"terminal_width": 100})
    print(HEAD)
    print(section("modelserve", main, root))
    for path, command in commands(main):
        print(section(f"modelserve {path}", command, click.Context(command, root, info_name=path)))


def section(title: str, command: click.Command, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    print_reference()
