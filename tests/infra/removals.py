"""Take away each thing that a `depends_on` names, apply all from nothing, and look whether it is missed.

`PYTHONPATH=tests:scripts:functions .venv/bin/python -m infra.removals` lists those that nothing misses. It is not part
of the tests: each takes five seconds of processor. Grants, APIs and accounts of Google are taken away by test_apply.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.conftest import NEWEST
from infra.environments import project
from infra.terraform import SOURCE, Change

BLOCK: Final = re.compile(r'^(?:resource|data|module) "[^\n]*\{$.*?^\}', re.MULTILINE | re.DOTALL)
DEPENDS_ON: Final = re.compile(r"depends_on += \[(.*?)\]( *#[^\n]*)?\n", re.DOTALL)
ELEMENT: Final = re.compile(r"[a-z][\w.]+")

# What the model of Google does not know to be needed, and why it is asked for all the same.
NOT_MISSED: Final = {
    (
        "google_bigquery_table_iam_member.pubsub_writes",
        "google_pubsub_topic.this",
    ): "an older bootstrap made no account",
    ("google_compute_backend_service.gateway", "google_compute_global_network_endpoint.gateway"): "it would answer 502",
    ("google_monitoring_dashboard.this", "google_logging_metric.this"): "its charts would be empty",
}


def removals() -> Iterator[tuple[str, str, Change]]:
    """The block, what it waits for, and the change that lets it not wait."""
    for path in sorted(SOURCE.rglob("*.tf")):
        for block in BLOCK.findall(path.read_text()):
            for listed in DEPENDS_ON.finditer(block):
                for element in ELEMENT.finditer(re.sub(r"#[^\n]*", "", listed[1])):
                    without = re.sub(rf"{re.escape(element[0])}\s*,?", "", listed[0], count=1)
                    name = ".".join(re.findall(r'"(\w+)"', block.partition("\n")[0]))
                    changed = block.replace(listed[0], without)
                    yield name, element[0], Change(path.relative_to(SOURCE).as_posix(), block, changed)


def complaint(change: Change) -> str | None:
    """What is refused, or went well only by luck."""
    with TemporaryDirectory() as directory, project("everything", NEWEST, Path(directory), change) as made:
        try:
            made.bootstrap()
            made.apply()
        except AssertionError as refused:
            return str(refused)
        return next(iter(made.luck()), None)


def main() -> int:
    needless = 0
    for block, element, change in removals():
        found = complaint(change)
        expected = NOT_MISSED.get((block, element))
        needless += found is None and expected is None
        found = found or expected or "NOTHING MISSES IT"
        reason = re.findall(r"Error: (?:\x1b\[[0-9;]*m)*([^\n\x1b]+)", found) or [found]
        print(f"{block} without {element}: {reason[0]}", flush=True)
    return min(needless, 1)


if __name__ == "__main__":
    raise SystemExit(main())
