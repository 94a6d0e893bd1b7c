"""`modelserve console`: moves of aliases, a row that is tried, and who may ask, in a real Chromium."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from browser import DESKTOP, PHONE, Tab, open_tab
from command_line import CommandLine

pytestmark = pytest.mark.usefixtures("patience")


def test_an_alias_moves_with_a_reason_and_its_history_grows(console: str, command: CommandLine, tab: Tab) -> None:
    command("promote", "churn", "2")
    before = len(command.json("history", "churn")["moves"])
    tab.page.goto(console)
    promote = tab.page.get_by_role("button", name="Promote 1 to champion")
    promote.click()
    expect(tab.page.get_by_role("alert")).to_have_text("A move needs a reason, which the history keeps.")
    tab.page.get_by_label("Reason").fill("2 was trained on half a month")
    promote.click()
    expect(tab.page.get_by_role("status")).to_have_text("churn@champion now names version 1 (before: version 2)")
    expect(tab.page.get_by_role("button", name="Promote 2 to champion")).to_be_visible()
    expect(tab.page.get_by_role("region", name="History").locator("tbody tr")).to_have_count(before + 1)
    expect(tab.page.get_by_label("Reason")).to_have_value("")
    last = command.json("history", "churn")["moves"][-1]
    assert (last["version"], last["reason"]) == ("1", "2 was trained on half a month")
    tab.page.get_by_label("Reason").fill("it was not")
    tab.page.get_by_role("button", name="Roll champion back to 2").click()
    expect(tab.page.get_by_role("status")).to_contain_text("now names version 2")
    last = command.json("history", "churn")["moves"][-1]
    assert (last["rollback"], last["reason"]) == (True, "it was not")


def test_another_alias_has_a_history_of_its_own(console: str, command: CommandLine, tab: Tab) -> None:
    tab.page.goto(console)
    tab.page.get_by_role("link", name="challenger").click()
    expect(tab.page.get_by_role("heading", name="History of challenger")).to_be_visible()
    tab.page.get_by_label("Reason").fill("to be shadowed")
    tab.page.get_by_role("button", name="Promote 1 to challenger").click()
    expect(tab.page.get_by_role("status")).to_have_text("churn@challenger now names version 1 (before: version 2)")
    assert command.json("show", "churn")["aliases"]["challenger"]["reason"] == "to be shadowed"


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_on_the_first_tab(console: str, browser: Browser, dark: bool) -> None:
    size = PHONE if dark else DESKTOP
    with open_tab(browser, size, dark) as tab:
        tab.page.goto(console)
        expect(tab.page.get_by_role("region", name="History")).to_be_visible()
        assert tab.violations() == []
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_a_row_is_tried_on_the_version_that_is_chosen(console: str, tab: Tab) -> None:
    tab.page.goto(f"{console}/try?version=1")
    predict = tab.page.get_by_role("button", name="Predict")
    expect(tab.page.get_by_text("month-to-month, one_year, two_year")).to_be_visible()
    tab.page.get_by_label("tenure").fill("1.5")
    tab.page.get_by_label("monthlycharges").fill("much")
    predict.click()
    expect(tab.page.get_by_role("alert")).to_have_text("2 cells do not fit the model's signature.")
    expect(tab.page.get_by_text("has a fraction, needs long")).to_be_visible()
    tab.page.get_by_label("contract").fill("Month-to-month")
    tab.page.get_by_label("tenure").fill("2")
    tab.page.get_by_label("monthlycharges").fill("99.5")
    predict.click()
    answer = tab.page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("probabilities yes")
    expect(tab.page.get_by_text("a category that the model has never seen: 1.")).to_be_visible()
    expect(tab.page.get_by_role("heading", name="Answer of churn version 1")).to_be_visible()
    assert tab.page.get_by_text("has a fraction").count() == 0
    assert tab.violations() == []


def test_a_release_has_the_checks_of_the_command(console: str, command: CommandLine, tab: Tab) -> None:
    command("promote", "churn", "2", "--alias", "blue")
    tab.page.goto(f"{console}/models?alias=challenger")
    tab.page.get_by_label("Reason").fill("for the summer")
    tab.page.get_by_role("button", name="Release 2 to challenger").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("A release uses the alias challenger itself")
    tab.page.goto(f"{console}/models?alias=blue")
    tab.page.get_by_label("Reason").fill("for the summer")
    tab.page.get_by_role("button", name="Release 1 to blue").click()
    expect(tab.page.get_by_role("status")).to_contain_text("churn@blue now names version 1")
    record = tab.page.get_by_role("region", name="Releases and retrainings").locator("tbody tr").first
    expect(record).to_contain_text("release")
    moves = command.json("history", "churn", "--alias", "blue")["moves"]
    assert [move["version"] for move in moves] == ["2", "1"]


MOVE = {"action": "promote", "alias": "champion", "name": "churn", "version": "1"}


def ask_to_move(console: str, origin: str | None, host: str | None = None) -> httpx.Response:
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
    return httpx.post(f"{console}/_dash-update-component", json=body, headers=headers, trust_env=False)


def test_a_page_of_another_origin_moves_nothing(console: str, command: CommandLine) -> None:
    command("promote", "churn", "2")
    before = command.json("history", "churn")
    assert ask_to_move(console, None).status_code == 403
    assert ask_to_move(console, "https://evil.example").status_code == 403
    assert ask_to_move(console, "null").status_code == 403
    assert ask_to_move(console, "http://evil.example", "evil.example").status_code == 421
    refused = httpx.get(console, headers={"host": "evil.example"}, trust_env=False)
    assert (refused.status_code, console in refused.text) == (421, True)
    assert command.json("history", "churn") == before
    assert ask_to_move(console, console).status_code == 200
    assert len(command.json("history", "churn")["moves"]) == len(before["moves"]) + 1


def read_files(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_it_is_read_only_unless_it_is_told_otherwise(command: CommandLine, browser: Browser) -> None:
    with replace(command, cold=True).started("console", "--port", "0", "--json") as process, open_tab(browser) as tab:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        tab.page.goto(answer["url"])
        expect(tab.page.get_by_role("region", name="History")).to_be_visible()
        assert tab.page.get_by_role("button").count() == 0
        before = read_files(Path(command.store))
        for tab_name in ("version", "try", "drift", "models"):
            tab.page.goto(f"{answer['url']}/{tab_name}")
            expect(tab.page.get_by_text("Reading.")).to_have_count(0)
        assert ask_to_move(answer["url"], answer["url"]).status_code == 500
        assert read_files(Path(command.store)) == before
        policy = httpx.get(answer["url"], trust_env=False).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


def test_what_cannot_start_says_why(command: CommandLine, tmp_path: Path) -> None:
    assert "--origin" in command("console", "--host", "0.0.0.0", "--port", "0", code=2).err
    assert "no file or directory" in command("console", "--log", tmp_path / "log", "--port", "0", code=1).err
    assert "is not the origin" in command("console", "--origin", "https://a.example/b", "--port", "0", code=2).err
    assert "does not exist" in CommandLine(str(tmp_path / "none"))("console", "--port", "0", code=1).err
