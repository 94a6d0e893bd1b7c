"""The cost of a million predictions on one vCPU at the published prices."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from benchmarks.report import cost
from benchmarks.report.cost import Prices

PRICES = Prices("https://example.com", "2026-01-02", "here", 0.00002, 0.000004, 0.5, 0.1, [128, 256, 512])


def test_memory_is_rounded_up_to_an_available_size() -> None:
    assert [PRICES.size(memory) for memory in (1, 128, 128.1, 400)] == [128, 128, 256, 512]
    with pytest.raises(ValueError, match="513 MiB are more"):
        PRICES.size(513)


def test_a_busy_processor_costs_its_seconds_and_a_fee_for_each_request() -> None:
    # 10,000 s of a vCPU and of half a GiB, and a million requests.
    assert PRICES.busy_cost(100, 512) == pytest.approx(0.2 + 0.02 + 0.5)


def test_many_rows_in_a_request_share_its_price() -> None:
    assert PRICES.busy_cost(100, 512, rows=100) == pytest.approx(PRICES.busy_cost(100, 512) / 100)


def test_a_request_that_overlaps_no_other_costs_the_least_billed_time() -> None:
    assert PRICES.sequential_cost(512) == pytest.approx(100_000 * (0.00002 + 0.000002) + 0.5)


def test_the_prices_have_a_date_and_a_page() -> None:
    prices = cost.read_prices()
    assert date.fromisoformat(prices.recorded)
    assert prices.page == "https://cloud.google.com/run/pricing"
    assert "us-central1" in prices.region
    assert 0 < prices.gib_second < prices.vcpu_second < prices.million_requests


def test_a_misspelt_price_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(cost.PRICES.read_text().replace("gib_second", "gb_second"))
    with pytest.raises(TypeError, match="gb_second"):
        cost.read_prices(file)
