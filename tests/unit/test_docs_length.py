"""A page of docs/ is short: its prose counts, its code and the rows of its tables do not, as these are looked up."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

PAGES: Final = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
MAX_WORDS: Final = 900


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_at_most_900_words_of_prose(page: Path) -> None:
    assert count_prose(page.read_text()) <= MAX_WORDS


def count_prose(text: str) -> int:
    words = 0
    code = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            code = not code
        elif not code and not line.startswith("|"):
            words += len(line.split())
    return words
