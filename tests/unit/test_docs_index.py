"""docs/README.md lists the pages."""

from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[2] / "docs"
REPORTS: Final = {"drift_flights.md"}  # an example writes it, and drift.md shows it


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    pages = {page.name for page in DOCS.glob("*.md")} - REPORTS - {"README.md"}
    assert {page for page in pages if f"]({page})" not in index} == set()
