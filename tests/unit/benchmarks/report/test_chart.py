"""The chart is well-formed SVG with a bar for every measured server on a logarithmic axis."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.report import chart
from benchmarks.report.chart import LEFT, RIGHT, WIDTH, Axis
from benchmarks.report.figures import Results
from benchmarks.servers.table import COMPILED, NATIVE
from unit.benchmarks.report.results import FIGURES, make_results

SPACE = "{http://www.w3.org/2000/svg}"
KINDS = {"compiled", "native", "hello", "peer"}


def draw_chart(*models: Results) -> ElementTree.Element:
    return ElementTree.fromstring(chart.svg(models))


def bars(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [one for one in root.iter(f"{SPACE}rect") if one.get("class") in KINDS]


def texts(root: ElementTree.Element) -> list[str | None]:
    return [one.text for one in root.iter(f"{SPACE}text")]


def test_there_is_a_bar_for_every_measured_server_of_every_model_the_fastest_first() -> None:
    root = draw_chart(make_results(), make_results())
    assert [bar.get("class") for bar in bars(root)] == ["hello", "peer", "peer", "native"] * 2
    assert "Flask + gunicorn, 8 threads" not in texts(root)


def test_ten_times_the_requests_are_one_step_of_the_axis() -> None:
    axis = Axis([20, 3000])
    assert axis.decades == [10, 100, 1000]
    assert (axis.x(10), axis.x(3000)) == (LEFT, WIDTH - RIGHT)
    assert axis.x(100) - axis.x(10) == pytest.approx(axis.x(1000) - axis.x(100))


def test_the_least_value_has_a_bar_too() -> None:
    assert Axis([100, 10_000]).x(100) > LEFT


def test_a_bar_has_its_number_and_our_bars_are_highlighted() -> None:
    results = make_results()
    results.rounds[COMPILED] = [FIGURES | {"rate": 7654.0}]
    root = draw_chart(results)
    assert "7,654" in texts(root)
    strong = {one.text for one in root.iter(f"{SPACE}text") if one.get("class") == "own"}
    assert {"modelserve, compiled", "modelserve, native"} <= strong


def test_a_chart_is_for_light_and_dark() -> None:
    text = chart.svg([make_results()])
    light, _, dark = text.partition("@media (prefers-color-scheme: dark)")
    for kind in (*KINDS, "page", "grid", "quiet"):
        assert f".{kind} {{" in light
        assert f".{kind} {{" in dark


def test_there_is_no_chart_without_figures() -> None:
    results = make_results()
    results.rounds = {NATIVE: []}
    assert chart.svg([results]) == ""
