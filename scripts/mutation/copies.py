"""A copy of the checkout in which a guard can be removed and tests can run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from venv import EnvBuilder

from mutation.guard import Guard

# For one test. Tests wait for at most 120 s; a test that takes longer hangs, which does not count as a failure.
TEST_SECONDS: Final = 150
FAILED_TEST: Final = re.compile(r"^FAILED (.+?)(?: - |$)", re.MULTILINE)
HANG: Final = "from pytest-timeout"
TAIL_CHARACTERS: Final = 2_000  # of the output in a reason


@dataclass(frozen=True)
class Outcome:
    """`failed_test` is None if no test failed; then `reason` says why."""

    failed_test: str | None
    reason: str = ""


class Copy:
    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def remove_guard(self, guard: Guard) -> Iterator[None]:
        path = self.root / guard.file
        text = path.read_text()
        try:
            path.write_text(guard.remove(text))
            yield
        finally:
            path.write_text(text)

    def test(self, tests: Sequence[str], seconds: float) -> Outcome:
        command = [
            "-m",
            "pytest",
            "-x",
            "-q",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            f"--timeout={TEST_SECONDS}",
            *tests,
        ]
        code, output = self._run(command, seconds)
        if code is None:
            return Outcome(None, f"still running after {seconds:g} s")
        if code == 0:
            return Outcome(None, "all passed")
        red = FAILED_TEST.search(output)
        if code != 1 or red is None:
            return Outcome(None, f"an error and no failure: {output[-TAIL_CHARACTERS:]}")
        if HANG in output:
            return Outcome(None, f"{red[1]} hung")
        return Outcome(red[1])

    def _run(self, arguments: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """The exit code (None after a timeout) and the output. All started processes end."""
        process = subprocess.Popen(
            [str(self.root / ".venv/bin/python"), *arguments],
            cwd=self.root,
            # Cached bytecode could belong to a previous text.
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "500"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, ""
        return process.returncode, output


def copy_checkout(checkout: Path, root: Path) -> Copy:
    """Copy the files that git tracks or would add, create an environment for them, and link the cache."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        source, target = checkout / name, root / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (checkout / ".cache").mkdir(exist_ok=True)
    (root / ".cache").symlink_to(checkout / ".cache")
    copy_environment(checkout / ".venv", root)
    return Copy(root)


def copy_environment(venv: Path, root: Path) -> None:
    """An environment that imports the modules of the copy and the packages of `venv`."""
    made = root / ".venv"
    EnvBuilder(symlinks=True).create(made)
    place = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    paths = (root / "functions", root / "scripts", venv / place)  # the .pth files of the last are not read
    (made / place / "copy.pth").write_text("".join(f"{path}\n" for path in paths))
    for command in (venv / "bin").iterdir():
        target = made / "bin" / command.name
        if target.exists():
            continue
        with command.open("rb") as file:
            script = file.read(2) == b"#!"
        if script:
            target.write_text(command.read_text().replace(str(venv), str(made), 1))
            target.chmod(0o755)
        else:
            target.symlink_to(command)
