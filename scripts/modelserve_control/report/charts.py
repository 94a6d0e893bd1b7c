"""The report's charts: SVG that takes its colours from the page."""

import math
from collections.abc import Iterator
from html import escape

from modelserve_control.report.sections import Bars, Chart, Histogram, Lines, Pairs, Points, make_printable
from modelserve_control.report.tables import format_value, percent

WIDTH, LEFT, RIGHT = 900, 240, 100  # left of the bars the names, right of them the numbers
ROW, BAR, HALF, TOP = 24, 15, 8, 36
TALL, FOOT = 180, 26
AXIS = 60  # beside a plot of lines
MAX_NAME = 32  # characters that fit beside a bar

# Colours and text, for the page and for a chart that is a file of its own.
STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --quiet: #59636e; --line: #d1d9e0; --bar: #0969da;
        --passed: #1a7f37; --failed: #cf222e }
@media (prefers-color-scheme: dark) {
:root { --page: #0d1117; --ink: #f0f6fc; --quiet: #9198a1; --line: #3d444d; --bar: #58a6ff; --passed: #3fb950; --failed: #f85149 } }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink) } svg .quiet { fill: var(--quiet); font-size: 12px }
svg .bar { fill: var(--bar) } svg .quiet-bar { fill: var(--quiet) } svg .line { stroke: var(--quiet) }
svg .grid { stroke: var(--line) } svg polyline { fill: none; stroke-width: 2.5 } svg [class^=series] { stroke-width: 2.5 }
svg .series-0 { stroke: var(--quiet) } svg .series-1 { stroke: var(--bar) } svg .series-2 { stroke: var(--failed) }
svg circle[class^=series] { fill: var(--page) }
"""


def standalone(chart: Chart) -> str:
    """An SVG that has its colours with it, as a file of its own."""
    head, rest = svg(chart).split("\n", 1)
    return f'{head}\n<style>{STYLE}</style>\n<rect width="100%" height="100%" fill="var(--page)"/>\n{rest}\n'


def svg(chart: Chart) -> str:
    match chart:
        case Histogram():
            return histogram(chart)
        case Pairs():
            return pairs(chart)
        case Points():
            return points(chart)
        case Lines():
            return lines(chart)
    return bars(chart)


def bars(chart: Bars) -> str:
    top = max((value for _, value in chart.values), default=0.0) or 1.0
    parts = []
    for place, (name, value) in enumerate(chart.values):
        y = TOP + ROW * place
        end = LEFT + value / top * (WIDTH - LEFT - RIGHT)
        parts += [
            text(LEFT - 10, y + 12, shorten(name), "", "end"),
            f'<rect class="bar" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2"/>',
            text(end + 6, y + 12, f"{format_value(value)}{chart.unit}"),
        ]
    return wrap(chart.title, TOP + ROW * len(chart.values), parts)


def pairs(chart: Pairs) -> str:
    top = max((max(pair) for _, *pair in chart.values), default=0.0) or 1.0
    parts = []
    for place, (name, *pair) in enumerate(chart.values):
        y = TOP + ROW * place
        parts.append(text(LEFT - 10, y + 12, shorten(name), "", "end"))
        for number, value in enumerate(pair):
            width = value / top * (WIDTH - LEFT - RIGHT)
            words = f"{name}, {chart.sides[number]}: {100 * value:.3g} %"
            parts.append(
                f'<rect class="{("quiet-bar", "bar")[number]}" x="{LEFT}" y="{y + HALF * number}" width="{width:.1f}" '
                f'height="{HALF}"><title>{escape(make_printable(words))}</title></rect>'
            )
        parts.append(
            text(LEFT + max(pair) / top * (WIDTH - LEFT - RIGHT) + 6, y + 12, " ".join(map(percent, pair)), "quiet")
        )
    title = f"{chart.title}: {chart.sides[0]} (grey) and {chart.sides[1]}"
    return wrap(title, TOP + ROW * len(chart.values), parts)


def points(chart: Points) -> str:
    low = min((one[2] for one in chart.values), default=0.0)
    high = max((one[3] for one in chart.values), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / ((high - low) or 1.0)
    parts = []
    for place, (name, value, start, end) in enumerate(chart.values):
        y = TOP + ROW * place + 8
        x, left, right = (LEFT + (one - low) * scale for one in (value, start, end))
        parts += [
            text(LEFT - 10, y + 4, shorten(name), "", "end"),
            f'<line class="line" x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}"/>',
            f'<circle class="bar" cx="{x:.1f}" cy="{y}" r="4"/>',
            text(right + 8, y + 4, format_value(value)),
        ]
    return wrap(f"{chart.title} (with 95 % intervals)", TOP + ROW * len(chart.values), parts)


def lines(chart: Lines) -> str:
    known = [value for one in chart.series for value in one.values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    step = (WIDTH - 2 * AXIS) / max(len(chart.places) - 1, 1)
    tall, top = 2 * TALL, TOP + ROW
    bottom = top + tall

    def point(place: int, value: float) -> tuple[float, float]:
        return AXIS + place * step, bottom - (value - low) / ((high - low) or 1.0) * tall

    parts = []
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * tall
        parts.append(f'<line class="grid" x1="{AXIS}" x2="{WIDTH - AXIS}" y1="{y}" y2="{y}"/>')
        parts.append(text(AXIS - 8, y + 4, format_value(low + share * (high - low)), "quiet", "end"))
    for place, name in enumerate(chart.places):
        parts.append(text(AXIS + place * step, bottom + 18, name, "quiet", "middle"))
    for number, one in enumerate(chart.series):
        kind = f"series-{number % 3}"
        x = AXIS + number * (WIDTH - 2 * AXIS) / len(chart.series)
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x + 24:.1f}" y1="{TOP + 4}" y2="{TOP + 4}"/>')
        parts.append(text(x + 30, TOP + 8, one.name))
        path = [point(place, value) for place, value in enumerate(one.values) if value is not None]
        parts.append(f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in path)}"/>')
        for place in one.marks:
            if (value := one.values[place]) is not None:
                x, y = point(place, value)
                parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
    return wrap(f"{chart.title}{chart.marked and f' ({chart.marked})'}", bottom + FOOT, parts)


def shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."


def histogram(chart: Histogram) -> str:
    most = math.log1p(max(count for _, _, count in chart.bars))
    low, high = chart.bars[0][0], chart.bars[-1][1]
    width = (WIDTH - 40) / len(chart.bars)
    bottom = TOP + TALL
    parts = [f'<line class="line" x1="20" x2="{WIDTH - 20}" y1="{bottom}" y2="{bottom}"/>']
    for place, (start, end, count) in enumerate(chart.bars):
        if count:
            tall = math.log1p(count) / most * TALL
            x = 20 + place * width
            words = f"{format_value(start)} to {format_value(end)}: {count:,} row{'' if count == 1 else 's'}"
            parts.append(
                f'<rect class="bar" x="{x + 1:.1f}" y="{bottom - tall:.1f}" width="{max(1.0, width - 2):.1f}" '
                f'height="{tall:.1f}"><title>{escape(words)}</title></rect>'
            )
    parts += list(axis(low, high, bottom + 18))
    return wrap(f"{chart.title} (rows on a logarithmic axis)", bottom + FOOT, parts)


def axis(low: float, high: float, y: float) -> Iterator[str]:
    for place, anchor in enumerate(("start", "middle", "middle", "middle", "end")):
        share = place / 4
        yield text(20 + share * (WIDTH - 40), y, format_value(low + share * (high - low)), "quiet", anchor)


def wrap(title: str, height: float, parts: list[str]) -> str:
    """The namespace is not fetched. Without it, an SVG copied out of the page would not be an image."""
    name = escape(make_printable(title))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img" aria-label="{name}">'
    return "\n".join([head, text(20, 20, title), *parts, "</svg>"])


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(make_printable(words))}</text>'
