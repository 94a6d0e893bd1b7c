"""The page, as a person uses it in a real Chromium."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from playwright.sync_api import Browser, expect

from browser import DESKTOP, PHONE, Tab, open_tab
from serving import Served


def test_the_first_answer_is_that_of_the_sample_row(served: Served, tab: Tab) -> None:
    tab.page.goto(served.url + "/docs")
    row = {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}
    wanted = served.post("/predict", row).json()
    expect(tab.page.locator(".value")).to_have_text(wanted["prediction"])
    expect(tab.page.get_by_label("tenure", exact=True)).to_have_value("41")
    shares = [f"{100 * share:.1f} %" for share in wanted["probabilities"].values()]
    assert tab.page.locator("#answer .bars li div span:nth-child(2)").all_inner_texts() == shares
    expect(tab.page.locator("#answer")).to_contain_text("by churn version 1, request ")
    expect(tab.page.get_by_role("img")).to_have_attribute("aria-label", re.compile("churn_probability for tenure from"))


def test_a_filled_form_gets_its_own_answer(served: Served, tab: Tab) -> None:
    tab.page.goto(served.url + "/docs")
    expect(tab.page.locator(".value")).to_be_visible()
    contract = tab.page.get_by_label("contract")
    assert sorted(contract.locator("option").all_inner_texts()) == ["month-to-month", "one_year", "two_year"]
    contract.select_option("two_year")
    tab.page.get_by_label("tenure", exact=True).fill("60")
    tab.page.keyboard.press("Enter")
    wanted = served.post("/predict", {"contract": "two_year", "tenure": 60, "monthlycharges": 79.85}).json()
    expect(tab.page.locator("#answer")).to_contain_text(f"churn_probability: {wanted['churn_probability']}")


def test_bad_cells_are_shown_at_their_fields(served: Served, tab: Tab) -> None:
    tab.refusals = {400}
    tab.page.goto(served.url + "/docs")
    expect(tab.page.locator(".value")).to_be_visible()
    tenure = tab.page.get_by_label("tenure", exact=True)
    tenure.fill("1.5")
    tab.page.get_by_label("monthlycharges").fill("much")
    tab.page.get_by_role("button", name="Predict").click()
    expect(tenure).to_have_accessible_description("integer has a fraction, needs long")
    expect(tab.page.get_by_label("monthlycharges")).to_have_accessible_description("number a string, needs double")
    expect(tab.page.get_by_role("alert")).to_have_text("2 cells do not fit the model's signature.")
    expect(tenure).to_be_focused()
    assert tab.violations() == []
    tab.page.get_by_label("monthlycharges").fill("1e400")  # no double holds it, and JSON would write null
    tab.page.get_by_role("button", name="Predict").click()
    expect(tab.page.get_by_label("monthlycharges")).to_have_accessible_description("number a string, needs double")
    tenure.fill("1")
    tab.page.get_by_label("monthlycharges").fill("20")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(".value")).to_be_visible()
    assert tab.page.locator("[aria-invalid]").count() == 0


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("[1e400]", '"[1e400]"'),
        ('{"a": [-1e400, 1]}', '"{\\"a\\": [-1e400, 1]}"'),
        ("9007199254740993", '"9007199254740993"'),
        ("[9007199254740993]", '"[9007199254740993]"'),
        ("1152921504606846976", '"1152921504606846976"'),  # a double holds it, and JavaScript writes another
        ("[9007199254740991, 9007199254740994]", "[9007199254740991,9007199254740994]"),
        ("[1e300, 0.1, -2]", "[1e+300,0.1,-2]"),
    ],
)
def test_a_number_is_sent_as_it_is_shown_or_not_as_a_number(served: Served, tab: Tab, text: str, sent: str) -> None:
    tab.refusals = {400}  # of a text where the model takes none
    tab.page.goto(served.url + "/docs")
    expect(tab.page.locator(".value")).to_be_visible()
    with tab.page.expect_request("**/predict") as asked:
        tab.page.evaluate("text => ask('/predict', read({ type: 'array', control: { value: text } }))", text)
    assert asked.value.post_data == sent


def test_a_column_of_categories_is_varied_over_them(served: Served, tab: Tab) -> None:
    tab.page.goto(served.url + "/docs")
    tab.page.get_by_label("this column were another").select_option("contract")
    rows = tab.page.locator("#curve li")
    expect(rows).to_have_count(3)
    found = dict(text.split("\n") for text in rows.all_inner_texts())
    for contract, share in found.items():
        row = {"contract": contract, "tenure": 41, "monthlycharges": 79.85}
        assert share == f"{100 * served.post('/predict', row).json()['churn_probability']:.1f} %"


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_the_request_as_code_runs_as_it_stands(served: Served, tab: Tab, language: str) -> None:
    tab.page.goto(served.url + "/docs")
    expect(tab.page.locator(".value")).to_be_visible()
    tab.page.get_by_label(language, exact=True).check()
    code = tab.page.locator("#code").inner_text()
    command = ["sh", "-c", code.replace("curl ", "curl -sS --noproxy '*' ", 1)]
    if language == "Python":
        command = [sys.executable, "-c", code.replace("print(answer.json())", "print(answer.text)")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env={"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1"})  # fmt: skip
    wanted = served.post("/predict", {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}).json()
    assert json.loads(done.stdout) == wanted
    tab.page.get_by_label("with an identity token").check()
    assert "Bearer" in tab.page.locator("#code").inner_text()


def test_javascript_of_the_page_runs_in_a_browser(served: Served, tab: Tab) -> None:
    tab.page.goto(served.url + "/docs")
    tab.page.get_by_label("JavaScript").check()
    code = tab.page.locator("#code").inner_text().replace("console.log(await answer.json());", "return answer.json();")
    found = tab.page.evaluate(f"(async () => {{ {code} }})()")
    assert found["churn"] is False


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_and_nothing_is_cut_off(
    served: Served, browser: Browser, dark: bool, size: tuple[int, int]
) -> None:
    with open_tab(browser, size, dark) as tab:
        tab.page.goto(served.url + "/")
        expect(tab.page.get_by_role("img")).to_be_visible()
        assert tab.violations() == []
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_the_keyboard_alone_is_enough(served: Served, tab: Tab) -> None:
    tab.page.goto(served.url + "/docs")
    expect(tab.page.locator(".value")).to_be_visible()
    seen = []
    for _ in range(9):
        tab.page.keyboard.press("Tab")
        seen.append(
            tab.page.evaluate(
                "document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.textContent"
            )
        )
    assert seen[:6] == ["field-0", "field-1", "field-2", "Predict", "sample", "varied"]
    assert seen[7:] == ["token", "Code of the request"]  # behind one stop for the three languages
