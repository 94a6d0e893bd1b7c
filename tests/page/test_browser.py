"""The browser's fixtures tell what goes wrong in a page, so that other tests may trust their silence."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from browser import Tab, open_tab
from http_server import answering

HTML = {"content-type": "text/html"}


def test_a_tab_shows_a_page_and_axe_reads_it(tab: Tab) -> None:
    page = b"<!doctype html><html lang=en><title>T</title><main><h1>Hello</h1><img src='data:,'></main>"
    with answering(lambda *_: (200, HTML, page)) as url:
        tab.page.goto(url)
        assert tab.page.locator("h1").inner_text() == "Hello"
        found = tab.violations()
    assert [one.split(":")[0] for one in found] == ["image-alt"]


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("<script>throw new Error('broken')</script>", "broken"),
        ("<script>console.error('bad news')</script>", "bad news"),
        ("<script>fetch('/missing')</script>", "status of 404"),
        ("<img src='http://127.0.0.2:1/picture'>", "asks http://127.0.0.2:1/picture"),
    ],
)
def test_what_a_page_does_wrong_fails_its_test(browser: Browser, page: str, problem: str) -> None:
    def answer(method: str, target: str, *_: object) -> tuple[int, dict[str, str], bytes]:
        return (404, {}, b"") if target == "/missing" else (200, HTML, page.encode())

    def visit(url: str) -> None:
        with open_tab(browser) as tab:
            tab.page.goto(url)
            tab.page.wait_for_load_state("networkidle")

    with answering(answer) as url, pytest.raises(AssertionError, match=problem):
        visit(url)
