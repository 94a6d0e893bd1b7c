"""The report as one HTML file that loads and runs nothing."""

import html
from collections.abc import Iterable

from modelserve_control.report import charts
from modelserve_control.report.sections import Section, make_printable
from modelserve_control.report.tables import Table

MAX_LINE = 40  # characters of a cell that stay on one line
# Even text that got past `escape` could load and run nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = (
    charts.STYLE
    + """
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--page); color: var(--ink);
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
.passed { color: var(--passed); font-weight: 600 } .failed { color: var(--failed); font-weight: 600 }
h1, h2, p { overflow-wrap: anywhere } h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: 0.6rem 0 }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.7rem; text-align: left; white-space: nowrap }
td.long { min-width: 16rem; overflow-wrap: anywhere; white-space: normal }
th { color: var(--quiet); font-weight: 600 } svg { display: block; margin: 1rem 0; max-width: 100%; height: auto }
"""
)


def render(title: str, sections: Iterable[Section]) -> str:
    heading = escape(title)
    parts = []
    for section in sections:
        parts.append(f"<h2>{escape(section.title)}</h2>")
        parts += paragraphs(section)
        parts += map(table_html, section.tables)
        parts += map(charts.svg, section.charts)
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{heading}</title><style>{STYLE}</style></head><body><h1>{heading}</h1>",
            *parts,
            "</body></html>\n",
        ]
    )


def paragraphs(section: Section) -> list[str]:
    plain = [f"<p>{escape(text)}</p>" for text in section.text]
    if section.passed is None:
        return plain
    return [plain[0].replace("<p>", f'<p class="{"passed" if section.passed else "failed"}">'), *plain[1:]]


def table_html(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = ["<tr>" + "".join(map(cell_html, row)) + "</tr>" for row in table.rows]
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def cell_html(cell: str) -> str:
    kind = ' class="long"' if len(cell) > MAX_LINE else ""
    return f"<td{kind}>{escape(cell)}</td>"


def escape(text: str) -> str:
    return html.escape(make_printable(text))
