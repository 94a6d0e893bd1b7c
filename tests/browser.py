"""Fixtures that drive the system's Chromium: `browser` for a folder with `__init__.py`, and for a test a `tab` that fails it on any
error that the browser reports. Tests beside it run no event loop of their own: Playwright has one in this thread."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS: Final = 60_000  # for what a busy machine draws late
EXPECT_MS: Final = 5_000  # Playwright's own, in which the page of a function shows what is expected of it
DESKTOP: Final = (1100, 900)
PHONE: Final = (400, 800)
REFUSED: Final = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


@dataclass
class Tab:
    """`page` is Playwright's. `problems` fail the test at its end; answers of a status in `refusals` are none."""

    page: Page
    problems: list[str] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)

    def on_console(self, message: ConsoleMessage) -> None:
        found = REFUSED.match(message.text)
        if message.type in ("error", "warning") and not (found and int(found[1]) in self.refusals):
            self.problems.append(f"{message.text} ({message.location.get('url')})")

    def violations(self) -> list[str]:
        """What axe finds, each with its elements."""
        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']]}" for one in found]


@contextmanager
def open_tab(browser: Browser, size: tuple[int, int] = DESKTOP, dark: bool = False) -> Iterator[Tab]:
    """Raises AssertionError at the end if the browser reported an error or something was asked of another machine."""
    scheme: Any = "dark" if dark else "light"
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(WAIT_MS)
    tab = Tab(context.new_page())
    tab.page.on("console", tab.on_console)
    tab.page.on("pageerror", lambda error: tab.problems.append(str(error)))
    foreign = re.compile(r"^(?!https?://127\.0\.0\.1[:/]|data:|blob:)")
    tab.page.on("request", lambda one: tab.problems.append(f"asks {one.url}") if foreign.match(one.url) else None)
    try:
        yield tab
    finally:
        context.close()
    assert not tab.problems, tab.problems


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--disable-dev-shm-usage"], timeout=WAIT_MS)
        yield found
        found.close()


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("there is no Chromium here; `apt-get install chromium` brings one")
    with chromium(path) as found:
        yield found


@pytest.fixture
def patience() -> Iterator[None]:
    """For pages that show what a server has to work out first, which a busy machine does late."""
    expect.set_options(timeout=WAIT_MS)
    yield
    expect.set_options(timeout=EXPECT_MS)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    with open_tab(browser) as found:
        yield found
