"""`scripts/examples/retraining/environment.sh`, which scripts/retrain and scripts/drift read, in a directory of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[2] / "scripts" / "examples" / "retraining" / "environment.sh"
SHOW = '; echo "$model $rows $MODELSERVE_STORE $*"'


def source(
    directory: Path, *words: str, store: str = "store", rows: str = "exit 0"
) -> subprocess.CompletedProcess[str]:
    """`rows` is what stands for the program that makes them; its last argument is their directory."""
    python = directory / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\nshift 3\ntouch "$1/held_out.parquet"\n{rows}\n')
    python.chmod(0o755)
    command = ["sh", "-ec", f". {ENVIRONMENT}{SHOW}", "scripts/retrain", *words]
    environ = {"PATH": "/usr/bin:/bin", "MODELSERVE_STORE": store}
    return subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_bucket_is_not_given_to_an_example_that_nobody_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = source(tmp_path, *words, store="gs://b")
    assert done.returncode == 2
    assert "or an example: scripts/retrain flights" in done.stderr
    assert not (tmp_path / ".cache").exists()


def test_an_example_that_is_named_takes_a_bucket(tmp_path: Path) -> None:
    done = source(tmp_path, "churn", "--dry-run", store="gs://b")
    assert (done.stdout, done.stderr) == ("churn .cache/retraining/churn gs://b --dry-run\n", "")


def test_rows_are_whole_or_not_there(tmp_path: Path) -> None:
    assert source(tmp_path, rows="exit 1").returncode == 1
    assert list((tmp_path / ".cache" / "retraining").iterdir()) == []
    assert source(tmp_path).stdout == "flights .cache/retraining/flights store \n"
    assert [path.name for path in (tmp_path / ".cache" / "retraining").iterdir()] == ["flights"]
    assert source(tmp_path, rows="exit 1").returncode == 0
