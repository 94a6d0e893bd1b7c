"""docs/cost.md has the prices of the benchmarks, and its examples are its formula."""

from __future__ import annotations

import re
from typing import Final

from benchmarks.report.cost import read_prices
from infra.terraform import ROOT

PAGE: Final = (ROOT / "docs/cost.md").read_text()
PRICES: Final = {name: float(value) for name, value in re.findall(r"^\| (.+?) \| ([\d.]+) \| ", PAGE, re.MULTILINE)}
EXAMPLES: Final = {
    name: float(value) for name, value in re.findall(r"^\| (.+?) \| .*?\| ([\d.]+) \|$", PAGE, re.MULTILINE)
}
HOURS: Final = 730


def price(start: str) -> float:
    [found] = [value for name, value in PRICES.items() if name.startswith(start)]
    return found


def serving(busy: float, requests: float) -> float:
    second = price("Cloud Run, a vCPU-second") + price("Cloud Run, a GiB-second")
    return busy * second + requests / 1_000_000 * price("Cloud Run, a million")


def example(start: str) -> float:
    [found] = [value for name, value in EXAMPLES.items() if name.startswith(start)]
    return found


def test_prices_of_cloud_run_are_those_of_the_benchmarks() -> None:
    known = read_prices()
    assert price("Cloud Run, a vCPU-second") == known.vcpu_second
    assert price("Cloud Run, a GiB-second") == known.gib_second
    assert price("Cloud Run, a million") == known.million_requests
    assert f"recorded {known.recorded}" in PAGE


def test_examples_are_what_the_formula_gives() -> None:
    assert example("1,000,000 requests") == round(serving(1_000_000 * 0.1, 1_000_000), 2)
    assert example("10,000,000 requests") == round(serving(200_000, 10_000_000), 2)
    assert example("10,000,000 events") == round(10_000_000 * 4 * 1000 / 2**40 * price("Pub/Sub"), 2)
    assert example("the fallback") == round(HOURS * (price("GKE") + price("load balancer, up to")), 2)
