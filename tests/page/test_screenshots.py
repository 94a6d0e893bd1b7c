"""The pictures of docs/images: drawn there by `scripts/screenshots`, and in every run to see that they can be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from browser import DESKTOP, PHONE, open_tab
from modelserve_control.common.processes import SOURCES
from serving import Served

MAX_BYTES: Final = 200_000
SHORTEN_PATHS: Final = """() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replace(/[/][^ ]+[/]/g, "");
}"""
PICTURES: Final = {"page": (DESKTOP, False), "page-dark": (DESKTOP, True), "page-phone": (PHONE, False)}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_the_page(served: Served, browser: Browser, tmp_path: Path, name: str) -> None:
    file = Path(os.environ.get("SCREENSHOTS", tmp_path)) / f"{name}.png"
    size, dark = PICTURES[name]
    with open_tab(browser, size, dark) as tab:
        tab.page.goto(served.url + "/docs")
        expect(tab.page.get_by_role("img")).to_be_visible()
        tab.page.screenshot(path=file, full_page=True)
    assert 5_000 < file.stat().st_size < MAX_BYTES


@pytest.mark.usefixtures("patience")
def test_a_picture_of_the_console(console: str, browser: Browser, tmp_path: Path) -> None:
    file = Path(os.environ.get("SCREENSHOTS", tmp_path)) / "console.png"
    with open_tab(browser) as tab:
        tab.page.goto(console)
        expect(tab.page.get_by_role("region", name="History")).to_be_visible()
        tab.page.evaluate(SHORTEN_PATHS)
        tab.page.screenshot(path=file, full_page=True)
    assert 5_000 < file.stat().st_size < MAX_BYTES


def test_the_documentation_shows_them() -> None:
    assert {path.stem for path in (SOURCES / "docs" / "images").glob("page*.png")} == PICTURES.keys()
    text = (SOURCES / "docs" / "page.md").read_text()
    assert [name for name in PICTURES if f"images/{name}.png" not in text] == []
    assert (SOURCES / "docs/images/console.png").is_file()
    assert "images/console.png" in (SOURCES / "docs/console.md").read_text()
