"""A report is text to look at, whatever names and values a model and its data bring."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from modelserve_control.compare.report import terminal
from modelserve_control.compare.report.sections import build_sections, build_title
from modelserve_control.report import markdown, page
from modelserve_control.report.sections import make_printable
from unit.modelserve_control.compare.documents import document

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=https://example.com/x onerror=alert(1)>',
    "](javascript:alert(1)) | **bold** `code` https://example.com",
    "two\nlines\r\n# title\n| a | b |",
    "\u202egnp.exe",
    "</title></style></svg><svg onload=alert(1)>",
    "&lt;b&gt; &amp; {{7*7}}",
)
TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "line", "text"}  # fmt: skip
NAMESPACE = "http://www.w3.org/2000/svg"


class Reader(HTMLParser):
    """What a browser would see: tags in order, attributes, text; every tag must be closed by its own end."""

    VOID = frozenset({"meta", "rect", "line"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def hostile() -> dict[str, Any]:
    """Every text as a label, an output, a segment, a reason, a column and a limit."""
    a = [{"prediction": text, **dict.fromkeys(HOSTILE, 1.0)} for text in HOSTILE]
    b = [{"prediction": f"{text}!", **dict.fromkeys(HOSTILE, 2.0)} for text in HOSTILE]
    refused = [f"refused {text}" for text in HOSTILE]
    found = document([*a, *refused], [*b, *["x"] * len(HOSTILE)], [*HOSTILE, *HOSTILE])
    changes = [{"what": f"column {text}", "a": text, "b": None, "breaking": True} for text in HOSTILE]
    breaches = [
        {"segment": text, "output": text, "limit": "max_size", "allowed": 1.0, "found": 2.0, "reason": text}
        for text in HOSTILE
    ]
    found["a"]["name"] = HOSTILE[5]
    return found | {"by": HOSTILE[2], "schema": changes, "breaches": breaches, "within": False}


def test_the_page_loads_and_runs_nothing() -> None:
    html = page.render(build_title(hostile()), build_sections(hostile()))
    read = Reader(html)
    assert set(read.tags) <= TAGS
    assert read.open == []
    names = {name for name, _ in read.attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "href", "style")]
    assert [
        value for _, value in read.attributes if "://" in value and value != NAMESPACE and "example" not in value
    ] == []
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes
    shown = "".join(read.texts)
    for text in HOSTILE:
        assert make_printable(text) in shown
    assert "\u202e" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_markdown_shows_every_mark_as_itself() -> None:
    text = markdown.render(build_title(hostile()), build_sections(hostile()))
    lines = text.splitlines()
    assert "<" not in text.replace("\\<", "")
    assert "\u202e" not in text
    assert [line for line in lines if line.startswith("#")] == [
        line for line in lines if line.startswith(("# ", "## "))
    ]
    for table in text.split("\n\n"):
        rows = [line.replace("\\|", "") for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1
    assert "\\`code\\` https\\:\\/\\/example\\.com" in text


def test_a_terminal_is_told_nothing_by_a_name() -> None:
    found = document([{"n\x1b[2J": 1.0}], [{"n\x1b[2J": 2.0}])
    found["a"]["name"] = "m\nB: another"
    said = terminal.format_result(found)
    assert "\x1b" not in said
    assert said.splitlines()[:2] == ["A: m B: another version a (native)", "B: m version b (native)"]
    assert "n [2J: mean difference 1" in said


@pytest.mark.parametrize("render", [page.render, markdown.render])
def test_a_comparison_without_any_difference_has_a_report_too(render: Any) -> None:
    found = document(["x", "y"], ["x", "y"], by=None)
    text = render(build_title(found), build_sections(found))
    assert "No thresholds were given" in text


@pytest.mark.parametrize(("within", "kind"), [(True, "passed"), (False, "failed")])
def test_the_verdict_has_a_colour_and_the_report_its_time(within: bool, kind: str) -> None:
    found = document(["x"], ["x"], by=None, within=within)
    read = Reader(page.render(build_title(found), build_sections(found)))
    assert ("class", kind) in read.attributes
    assert "Compared at 2026-01-02T03:04:05Z." in read.texts


def test_charts_show_what_was_counted() -> None:
    found = document([{"n": 1.0}] * 50, [{"n": 1.0 + row % 5} for row in range(50)], ["north"] * 40 + ["south"] * 10)
    read = Reader(page.render(build_title(found), build_sections(found)))
    assert sum(map(int, re.findall(r": ([0-9]+) rows?\n", "\n".join([*read.texts, ""])))) == 50
    assert any("mean size by segment" in text for text in read.texts)


def test_infinite_differences_have_a_report() -> None:
    found = document([1.0, 2.0, None], [float("inf"), 2.0, 3.0])
    assert "inf" in markdown.render(build_title(found), build_sections(found))
    Reader(page.render(build_title(found), build_sections(found)))
