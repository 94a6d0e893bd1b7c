"""The report as Markdown. Text from a model or from its data is escaped."""

import re
from collections.abc import Iterable, Sequence

from modelserve_control.report.sections import Section, make_printable

# A backslash may precede every ASCII punctuation mark (https://spec.commonmark.org/0.31.2/#backslash-escapes).
MARKS = re.compile(r"([!-/:-@\[-`{-~])")
FIGURE = re.compile(r"-|-?[0-9][0-9,.]*(e[+-][0-9]+)?( %)?")


def render(title: str, sections: Iterable[Section]) -> str:
    lines = [f"# {escape(title)}"]
    for section in sections:
        lines += ["", f"## {escape(section.title)}"]
        for text in section.text:
            lines += ["", text]
        for table in section.tables:
            lines += ["", line(table.head), "|" + " --- |" * len(table.head), *map(line, table.rows)]
    return "\n".join(lines) + "\n"


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"


def escape(text: str) -> str:
    if FIGURE.fullmatch(text):
        return text
    return MARKS.sub(r"\\\1", make_printable(text))
