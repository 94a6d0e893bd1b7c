"""Requests per second as bars on a logarithmic axis: an SVG that follows the reader's light or dark setting."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.model import RECIPES
from benchmarks.report.figures import Results
from benchmarks.servers.table import COMPILED, NATIVE, OWN, Server

WIDTH = 900
LEFT, RIGHT = 364, 80  # space for the names, and for the number after the longest bar
ROW, BAR = 26, 16
HEADING, TOP, FOOT = 44, 66, 52
# Names of classes in STYLE.
KINDS = {COMPILED: "compiled", NATIVE: "native", **{server.name: "hello" for server in OWN if server.name.startswith("hello")}}  # fmt: skip
# The chart has its own background, because a page may be light although the reader prefers dark.
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328;
       stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
.page { fill: #ffffff; stroke: #d1d9e0 } .grid { stroke: #d1d9e0 } .quiet { fill: #59636e; font-size: 12px }
.title { font-size: 17px; font-weight: 600 } .model { font-weight: 600 } .own { font-weight: 600 }
.compiled { fill: #0969da } .native { fill: #54aeff } .hello { fill: #d1d9e0 } .peer { fill: #818b98 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; stroke: #0d1117 } .page { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d } .quiet { fill: #9198a1 }
.compiled { fill: #58a6ff } .native { fill: #1f6feb } .hello { fill: #3d444d } .peer { fill: #7d8590 }
}
"""


class Axis:
    """From the decade below half of the least value, so that its bar is visible, to the greatest value, at least one decade."""

    def __init__(self, values: Sequence[float]) -> None:
        self.first = math.floor(math.log10(min(values) / 2))
        self.last = max(self.first + 1, math.log10(max(values)))

    def x(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    @property
    def decades(self) -> list[int]:
        """The decades that get a grid line."""
        return [10**power for power in range(max(0, self.first), math.floor(self.last) + 1)]


def svg(models: Sequence[Results]) -> str:
    """One bar for each server with figures, the fastest server of each model first. Empty without figures."""
    measured = [(one, sort_by_rate(one)) for one in models]
    rates = [rate for _, bars in measured for _, rate in bars if rate > 0]
    if not rates:
        return ""
    axis = Axis(rates)
    bottom = TOP + sum(HEADING + ROW * len(bars) for _, bars in measured)
    parts = [text(axis.x(decade), bottom + 26, f"{decade:,}", "quiet", "middle") for decade in axis.decades]
    y = TOP
    for one, bars in measured:
        parts += group(one, bars, axis, y)
        y += HEADING + ROW * len(bars)
    return "\n".join([*head(bottom + FOOT), *parts, "</svg>"]) + "\n"


def sort_by_rate(results: Results) -> list[tuple[Server, float]]:
    figures = results.figures()
    found = [(server, figures[server.name]["rate"]) for server in results.servers if server.name in figures]
    return sorted(found, key=lambda pair: -pair[1])


def head(height: int) -> Iterator[str]:
    label = "Requests per second by server and model"
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{label}">'
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>'
    yield text(24, 34, "Requests per second, one row each, 16 connections", "title")
    yield text(24, 54, "One processor per server, all in one run; logarithmic axis; more is better", "quiet")


def grid(axis: Axis, top: int, bottom: int) -> Iterator[str]:
    for decade in axis.decades:
        x = axis.x(decade)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'


def group(results: Results, bars: Sequence[tuple[Server, float]], axis: Axis, y: int) -> Iterator[str]:
    yield text(24, y + 30, f"{results.model}: {RECIPES[results.model].title}", "model")
    yield from grid(axis, y + HEADING - 6, y + HEADING + ROW * len(bars))
    for place, (server, rate) in enumerate(bars):
        yield from bar(server, rate, axis, y + HEADING + ROW * place)


def bar(server: Server, rate: float, axis: Axis, y: float) -> Iterator[str]:
    kind = KINDS.get(server.name, "peer")
    own = "own" if server.name in (COMPILED, NATIVE) else ""
    end = axis.x(max(rate, 10**axis.first))
    yield text(LEFT - 10, y + 13, server.title, own, "end")
    yield f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2"/>'
    yield text(end + 6, y + 13, f"{rate:,.0f}", own)


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
