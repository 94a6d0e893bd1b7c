"""The report as Markdown, in which every text of a model or of its data is only text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelserve_control.compare.report.report import Section, Table, sections, title, visible

# Every ASCII punctuation mark may stand behind a backslash (https://spec.commonmark.org/0.31.2/#backslash-escapes).
MARKS = re.compile(r"([!-/:-@\[-`{-~])")
FIGURE = re.compile(r"-|-?[0-9][0-9,.]*(e[+-][0-9]+)?( %)?")


def render(result: Mapping[str, Any]) -> str:
    lines = [f"# {escaped(title(result))}"]
    for section in sections(result):
        lines += section_lines(section)
    return "\n".join(lines) + "\n"


def section_lines(section: Section) -> Iterator[str]:
    yield from ("", f"## {escaped(section.title)}")
    for text in section.text:
        yield from ("", text)
    for table in section.tables:
        yield from ("", *table_lines(table))


def table_lines(table: Table) -> Iterator[str]:
    yield line(table.head)
    yield "|" + " --- |" * len(table.head)
    for row in table.rows:
        yield line(row)


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"


def escaped(text: str) -> str:
    if FIGURE.fullmatch(text):
        return text
    return MARKS.sub(r"\\\1", visible(text))
