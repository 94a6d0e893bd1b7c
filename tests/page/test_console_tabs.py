"""The console's tabs that measure and list, in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser import Tab
from command_line import CommandLine
from modelserve_control.local import resources
from page.churn_console import RETRAINED, log_day
from pubsub_host import NAMES

# Headers and short cells of a report that have more than one line, and whether it is wider than its window.
LAYOUT = """() => ({
  broken: [...document.querySelectorAll("th, td:not(.long)")].filter(one => one.clientHeight > 40).map(one => one.textContent),
  wider: document.documentElement.scrollWidth > innerWidth})"""

pytestmark = pytest.mark.usefixtures("patience")


def test_a_version_shows_what_it_is_and_what_it_was_trained_on(console: str, tab: Tab) -> None:
    tab.page.goto(console)
    tab.page.get_by_role("link", name="1", exact=True).click()
    facts = tab.page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text("verified rows")
    expect(facts).to_contain_text("compiled")
    expect(tab.page.get_by_role("region", name="Profile").locator("tbody tr").first).to_contain_text("one_year")
    expect(tab.page.get_by_role("region", name="Environment")).to_contain_text("scikit-learn")
    tab.page.get_by_label("Version").select_option("2")
    tab.page.get_by_role("button", name="Show").click()
    expect(facts).to_contain_text("not: it is native")
    tab.page.get_by_role("link", name="Try it").click()
    expect(tab.page.get_by_label("Version")).to_have_value("2")
    assert tab.violations() == []


def test_two_versions_are_compared_with_the_plots_of_the_report(console: str, tab: Tab) -> None:
    tab.page.goto(f"{console}/compare")
    tab.page.get_by_label("A", exact=True).select_option("1")
    tab.page.get_by_label("B", exact=True).select_option("2")
    tab.page.get_by_role("button", name="Compare").click()
    report = tab.page.frame_locator("iframe")
    expect(report.locator("h1")).to_have_text("churn version 1 (compiled) and churn version 2 (native)")
    expect(report.get_by_role("img", name="accuracy")).to_be_visible()
    expect(tab.page.get_by_label("Truth")).to_have_value("churn")
    assert tab.violations() == []


def test_drift_appears_after_a_shifted_batch(console: str, room: Path, tab: Tab) -> None:
    tab.page.goto(f"{console}/drift")
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
    for width in (1300, 400):
        tab.page.set_viewport_size({"width": width, "height": 900})
        measured = tab.page.frames[-1].evaluate(LAYOUT)
        assert measured == {"broken": [], "wider": False}, width
    assert tab.violations() == []


def test_the_error_is_drawn_over_time_with_the_retrainings(console: str, tab: Tab) -> None:
    tab.page.goto(f"{console}/quality")
    tab.page.get_by_role("button", name="Measure").click()
    drawn = tab.page.get_by_role("img", name="accuracy of version 1, 1 retrainings")
    expect(drawn.locator(".annotation-text")).to_have_text("retraining")
    expect(drawn.locator(".legendtext")).to_have_text("version 1")
    record = tab.page.get_by_role("region", name="Retrainings").locator("tbody td")
    expect(record).to_have_text(
        [str(RETRAINED["started_at"]), "retraining", "2", "champion", "released", "its AUC fell"]
    )
    expect(tab.page.frame_locator("iframe").locator("h1")).to_have_text("Quality of churn")
    assert tab.violations() == []


def test_batches_are_there_once_they_have_run(console: str, command: CommandLine, room: Path, tab: Tab) -> None:
    tab.page.goto(f"{console}/batches")
    expect(tab.page.get_by_text("None has run.")).to_be_visible()
    command("score", "churn/1", room / "rows.parquet", f"{room}/scored/march/")
    (room / "scored" / "april").mkdir()
    (room / "scored" / "april" / "0.parquet").write_bytes(b"PAR1")
    tab.page.reload()
    rows = tab.page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0).locator("td")).to_have_text(["april", "no _SUCCESS", "-", "-", "-", "1", "4"])
    expect(rows.nth(1).locator("td")).to_have_text(
        ["march", "whole", "churn/versions/1", "300", "0", "1", re.compile(",")]
    )
    assert tab.violations() == []


def test_dead_letters_are_counted_by_reason_and_kept(console: str, pubsub: str, tab: Tab) -> None:
    reasons = ("SIGNATURE_MISMATCH", "MALFORMED_REQUEST", "SIGNATURE_MISMATCH")
    with resources.publisher(pubsub) as publisher:
        for place, code in enumerate(reasons):
            attributes = {"error_code": code, "error_message": f"letter {place}"}
            message = {"data": b'{"tenure": 1.5}', "attributes": attributes}
            publisher.publish(request={"topic": NAMES.dead_letter, "messages": [message]})
    for _ in range(2):
        tab.page.goto(f"{console}/dead-letters")
        rows = tab.page.locator("tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.nth(0).locator("td")).to_have_text(["MALFORMED_REQUEST", "1", "letter 1", '{"tenure": 1.5}'])
        expect(rows.nth(1).locator("td")).to_have_text(["SIGNATURE_MISMATCH", "2", "letter 2", '{"tenure": 1.5}'])
    assert tab.violations() == []


def test_what_an_address_names_and_is_not_there_is_said(console: str, tab: Tab) -> None:
    for path, words in (
        ("/version?version=9", "churn has no version 9; it has 1, 2."),
        ("/models?model=tips", "The store has no model tips; it has churn."),
        ("/nowhere", "The console has no tab nowhere."),
    ):
        tab.page.goto(console + path)
        expect(tab.page.get_by_role("alert")).to_contain_text(words)


def test_a_measurement_that_fails_keeps_its_form_below_the_error(console: str, tab: Tab) -> None:
    tab.page.goto(f"{console}/drift")
    tab.page.get_by_label("Against").select_option("2")
    tab.page.get_by_role("button", name="Measure").click()
    error = tab.page.locator("#tab > [role=alert]:first-child")
    expect(error).to_contain_text("Version 2 of churn has no profile")
    expect(tab.page.locator("#tab > [role=alert] + form")).to_be_visible()
    expect(tab.page.get_by_label("Against")).to_have_value("2")
    tab.page.get_by_label("Against").select_option("1")
    tab.page.get_by_role("button", name="Measure").click()
    expect(tab.page.get_by_role("region", name="Drift by column and window")).to_be_visible()
    assert tab.violations() == []
