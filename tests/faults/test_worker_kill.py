"""A worker that is killed twenty times under load: no message is lost, and no record has two prediction ids."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from hosting import Pulls, pulled, working
from modelserve.events.results import prediction_id

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

KILLS = 20
# So many are leased by a worker at most, and come again 10 s after it was killed.
LEASED = "50"
LONGEST = 120.0  # seconds without a prediction; what is lost would be waited for without end


def test_nothing_is_lost_and_no_record_has_two_predictions(models: Library, tmp_path: Path) -> None:
    dice = random.Random(5)
    seen: dict[str, set[bytes]] = defaultdict(set)
    # Each kill counts as a delivery attempt of what was leased.
    with pulled("killed", dead_letter_policy={}) as pulls:
        expected = load(pulls)
        for kill in range(KILLS):
            directory = tmp_path / str(kill)
            directory.mkdir()
            with working(models, "linear10", pulls, directory, MAX_LEASED_MESSAGES=LEASED) as worker:
                wanted = len(seen) + dice.randint(1, 100)
                take(pulls, seen, min(wanted, len(expected)))
                worker.child.kill()
        directory = tmp_path / "last"
        directory.mkdir()
        with working(models, "linear10", pulls, directory):
            take(pulls, seen, len(expected))
        taken(pulls, seen, wait=False)
        assert pulls.left() == 0
        assert pulls.dead_letters(0) == []
    assert set(seen) == expected
    assert {len(copies) for copies in seen.values()} == {1}


def load(pulls: Pulls) -> set[str]:
    """More than twenty workers answer before they are killed. Gives the prediction ids."""
    rows = [{f"G{column}": float(number + column) for column in range(1, 11)} for number in range(1_500)]
    one = pulls.publish(*(json.dumps(row).encode() for row in rows))
    three = pulls.publish(*(json.dumps([row] * 3).encode() for row in rows[:500]))
    return {prediction_id(message, 0) for message in one} | {
        prediction_id(message, place) for message in three for place in range(3)
    }


def take(pulls: Pulls, seen: dict[str, set[bytes]], count: int) -> None:
    """Until so many records have predictions."""
    end = time.monotonic() + LONGEST
    while len(seen) < count:
        assert time.monotonic() < end, f"{len(seen)} records have predictions, and no more come"
        if taken(pulls, seen, wait=True):
            end = time.monotonic() + LONGEST


def taken(pulls: Pulls, seen: dict[str, set[bytes]], wait: bool) -> int:
    """How many predictions were there, or came."""
    found = pulls._pull(pulls.names.predictions_pull, wait)
    for one in found:
        seen[one.attributes["prediction_id"]].add(one.data)
    return len(found)
