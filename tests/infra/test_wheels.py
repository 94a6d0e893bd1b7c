"""What the rooms share is made once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.wheels import making


def test_of_many_at_once_one_makes_it_and_the_others_find_it(tmp_path: Path) -> None:
    """A lock of a file is between any two that open it, so threads stand for the processes here."""
    shared = tmp_path / "cache" / "shared"

    def make(number: int) -> bool:
        with making(shared):
            if shared.exists():
                return False
            time.sleep(0.05)  # the others come meanwhile
            shared.mkdir()
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(8))) == 1
