"""`modelserve console`, as a person uses it in a real Chromium: one store and one server for all tests."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, expect

from browser import DESKTOP, PHONE, Tab, open_tab
from command_line import CommandLine, finish
from page.conftest import CHURN, SAMPLE
from serving import release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds


ROWS = 300


def make_rows(seed: int, dearer: float = 0.0) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "contract": random.choice(["month-to-month", "one_year", "two_year"], ROWS),
            "tenure": random.integers(1, 72, ROWS),
            "monthlycharges": random.uniform(20, 120, ROWS) + dearer,
            "churn": random.choice(["yes", "no"], ROWS),
        }
    )


def log_day(room: Path, day: int, dearer: float = 0.0) -> None:
    """A day of the prediction log, of version 1."""
    rows = make_rows(day, dearer).drop_columns("churn").to_pylist()
    logged = [
        {
            "prediction_id": f"{day}-{place}",
            "model": "churn",
            "version": "1",
            "time": f"2026-03-0{day}T12:00:00",
            "inputs": json.dumps(row),
            "answer": json.dumps({"prediction": "yes" if place % 3 else "no"}),
        }
        for place, row in enumerate(rows)
    ]
    folder = room / "log" / f"day=2026-03-0{day}"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(logged), folder / "0.parquet")


@pytest.fixture(scope="module")
def room(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two versions of churn, of which the second is the champion, and a day of predictions."""
    room = tmp_path_factory.mktemp("console")
    pq.write_table(make_rows(0), room / "rows.parquet")
    command = CommandLine(str(room / "store"))
    command("publish", models.path("churn"), "--name", "churn", "--data", room / "rows.parquet", "--alias", "champion")
    release(room / "store", "churn", models.path("churn"), CHURN, sample=SAMPLE)
    log_day(room, 1)
    return room


@pytest.fixture(scope="module")
def command(room: Path) -> CommandLine:
    return CommandLine(str(room / "store"), {"MODEL_TRUST": "pickle"})


@pytest.fixture(scope="module")
def url(command: CommandLine, room: Path) -> Iterator[str]:
    words = ("--log", room / "log", "--data", room / "rows.parquet", "--target", "churn")
    with command.started("console", "--write", "--port", "0", *words, "--json") as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGINT)
        done = finish(process, 130)
    assert done.err == ""


def test_an_alias_moves_with_a_reason_and_its_history_grows(url: str, command: CommandLine, tab: Tab) -> None:
    tab.page.goto(url)
    promote = tab.page.get_by_role("button", name="Promote 1 to champion")
    promote.click()
    expect(tab.page.get_by_role("alert")).to_have_text("A move needs a reason, which the history keeps.")
    tab.page.get_by_label("Reason").fill("2 was trained on half a month")
    promote.click()
    expect(tab.page.get_by_role("status")).to_have_text("churn@champion now names version 1 (before: version 2)")
    expect(tab.page.get_by_role("button", name="Promote 2 to champion")).to_be_visible()
    expect(tab.page.get_by_role("region", name="History").locator("tbody tr")).to_have_count(3)
    expect(tab.page.get_by_label("Reason")).to_have_value("")
    last = command.json("history", "churn")["moves"][-1]
    assert (last["version"], last["reason"]) == ("1", "2 was trained on half a month")
    tab.page.get_by_label("Reason").fill("it was not")
    tab.page.get_by_role("button", name="Roll champion back to 2").click()
    expect(tab.page.get_by_role("status")).to_contain_text("now names version 2")
    last = command.json("history", "churn")["moves"][-1]
    assert (last["rollback"], last["reason"]) == (True, "it was not")


def test_another_alias_has_a_history_of_its_own(url: str, command: CommandLine, tab: Tab) -> None:
    tab.page.goto(url)
    tab.page.get_by_role("link", name="challenger").click()
    expect(tab.page.get_by_role("heading", name="History of challenger")).to_be_visible()
    tab.page.get_by_label("Reason").fill("to be shadowed")
    tab.page.get_by_role("button", name="Promote 1 to challenger").click()
    expect(tab.page.get_by_role("status")).to_have_text("churn@challenger now names version 1")
    assert command.json("show", "churn")["aliases"]["challenger"]["reason"] == "to be shadowed"


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_on_the_first_tab(url: str, browser: Browser, dark: bool) -> None:
    size = PHONE if dark else DESKTOP
    with open_tab(browser, size, dark) as tab:
        tab.page.goto(url)
        expect(tab.page.get_by_role("region", name="History")).to_be_visible()
        assert tab.violations() == []
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_a_version_shows_what_it_is_and_what_it_was_trained_on(url: str, tab: Tab) -> None:
    tab.page.goto(url)
    tab.page.get_by_role("link", name="1", exact=True).click()
    facts = tab.page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text("verified rows")
    expect(facts).to_contain_text("compiled")
    expect(tab.page.get_by_role("region", name="Profile").locator("tbody tr").first).to_contain_text("one_year")
    expect(tab.page.get_by_role("region", name="Environment")).to_contain_text("scikit-learn")
    tab.page.get_by_label("Version").select_option("2")
    tab.page.get_by_role("button", name="Show").click()
    expect(facts).to_contain_text("not: it is native")
    assert tab.violations() == []


def test_two_versions_are_compared_with_the_plots_of_the_report(url: str, tab: Tab) -> None:
    tab.page.goto(f"{url}/compare")
    tab.page.get_by_label("A", exact=True).select_option("1")
    tab.page.get_by_label("B", exact=True).select_option("2")
    tab.page.get_by_label("Truth").select_option("churn")
    tab.page.get_by_role("button", name="Compare").click()
    report = tab.page.frame_locator("iframe")
    expect(report.locator("h1")).to_have_text("churn version 1 (compiled) and churn version 2 (native)")
    expect(report.get_by_role("img", name="accuracy")).to_be_visible()
    expect(tab.page.get_by_label("Truth")).to_have_value("churn")
    assert tab.violations() == []


def test_drift_appears_after_a_shifted_batch(url: str, room: Path, tab: Tab) -> None:
    tab.page.goto(f"{url}/drift")
    tab.page.get_by_label("Against").select_option("1")
    tab.page.get_by_role("button", name="Measure").click()
    matrix = tab.page.get_by_role("region", name="Drift by column and window")
    charges = matrix.locator("tbody tr", has_text="monthlycharges")
    expect(charges.locator("td")).to_have_text(["monthlycharges", "-"])
    log_day(room, 2, dearer=60)
    tab.page.reload()
    expect(tab.page.get_by_role("status")).to_have_text("A column has drifted.")
    expect(matrix.locator("th")).to_have_text(["Column", "2026-03-01 (300 rows)", "2026-03-02 (300 rows)"])
    expect(charges.locator("td")).to_have_text(["monthlycharges", "-", re.compile("ks 0.[5-7].*, psi")])
    expect(tab.page.frame_locator("iframe").locator("h1")).to_have_text("Drift from churn version 1")
    assert tab.violations() == []


def test_what_an_address_names_and_is_not_there_is_said(url: str, tab: Tab) -> None:
    for path, words in (
        ("/version?version=9", "churn has no version 9; it has 1, 2."),
        ("/models?model=tips", "The store has no model tips; it has churn."),
        ("/nowhere", "The console has no tab nowhere."),
        ("/drift?rows=the+prediction+log&window=day&against=2", "Version 2 of churn has no profile"),
    ):
        tab.page.goto(url + path)
        expect(tab.page.get_by_role("alert")).to_contain_text(words)


MOVE = {"action": "promote", "alias": "champion", "name": "churn", "version": "1"}


def ask_to_move(url: str, origin: str | None, host: str | None = None) -> httpx.Response:
    """The request of the page when version 1 is promoted."""
    found = json.dumps(MOVE, separators=(",", ":"), sort_keys=True)
    output = "..moved.children...life.children...reason.value.."
    body = {
        "output": output,
        "outputs": [
            {"id": "moved", "property": "children"},
            {"id": "life", "property": "children"},
            {"id": "reason", "property": "value"},
        ],
        "inputs": [[{"id": MOVE, "property": "n_clicks", "value": 1}]],
        "changedPropIds": [f"{found}.n_clicks"],
        "state": [{"id": "reason", "property": "value", "value": "of another page"}],
    }
    headers = {key: value for key, value in (("origin", origin), ("host", host)) if value}
    return httpx.post(f"{url}/_dash-update-component", json=body, headers=headers, trust_env=False)


def test_a_page_of_another_origin_moves_nothing(url: str, command: CommandLine) -> None:
    before = command.json("history", "churn")
    assert ask_to_move(url, None).status_code == 403
    assert ask_to_move(url, "https://evil.example").status_code == 403
    assert ask_to_move(url, "null").status_code == 403
    assert ask_to_move(url, "http://evil.example", "evil.example").status_code == 421
    assert httpx.get(url, headers={"host": "evil.example"}, trust_env=False).status_code == 421
    assert command.json("history", "churn") == before
    assert ask_to_move(url, url).status_code == 200
    assert len(command.json("history", "churn")["moves"]) == len(before["moves"]) + 1


def test_it_is_read_only_unless_it_is_told_otherwise(command: CommandLine, browser: Browser) -> None:
    with command.started("console", "--port", "0", "--json") as process, open_tab(browser) as tab:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        tab.page.goto(answer["url"])
        expect(tab.page.get_by_role("region", name="History")).to_be_visible()
        assert tab.page.get_by_role("button").count() == 0
        before = command.json("history", "churn")
        assert ask_to_move(answer["url"], answer["url"]).status_code == 500
        assert command.json("history", "churn") == before
        policy = httpx.get(answer["url"], trust_env=False).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


def test_what_cannot_start_says_why(command: CommandLine, tmp_path: Path) -> None:
    assert "--origin" in command("console", "--host", "0.0.0.0", "--port", "0", code=2).err
    assert "does not exist" in CommandLine(str(tmp_path / "none"))("console", "--port", "0", code=1).err
