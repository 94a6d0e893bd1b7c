"""A copy of the checkout, in which a guard can be removed and tests can be run."""

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

# Of one test. What tests wait for they give up after 120 s; one that takes longer hangs, which is not noticing.
TEST_SECONDS: Final = 150
RED: Final = re.compile(r"^FAILED (.+?)(?: - |$)", re.MULTILINE)
HANG: Final = "from pytest-timeout"
TAIL: Final = 2_000  # characters of what pytest wrote, where it is needed


@dataclass(frozen=True)
class Outcome:
    """`red` is the test that failed; None where none did, and `said` is why."""

    red: str | None
    said: str = ""


class Copy:
    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def without(self, guard: Guard) -> Iterator[None]:
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
        code, said = self._run(command, seconds)
        if code is None:
            return Outcome(None, f"still running after {seconds:g} s")
        if code == 0:
            return Outcome(None, "all passed")
        red = RED.search(said)
        if code != 1 or red is None:
            return Outcome(None, f"an error and no failure: {said[-TAIL:]}")
        if HANG in said:
            return Outcome(None, f"{red[1]} hung")
        return Outcome(red[1])

    def _run(self, arguments: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """The exit code, None when the time was over, and what was written. Nothing that was started is left."""
        process = subprocess.Popen(
            [str(self.root / ".venv/bin/python"), *arguments],
            cwd=self.root,
            # Without compiled files, which could be those of another text.
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "500"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, ""
        return process.returncode, said


def copy_checkout(checkout: Path, root: Path) -> Copy:
    """The files that git knows or would add, with an environment of its own; what is made beside them by a link."""
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
    """One whose commands and processes take the copy's modules, and those of others from where they are."""
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
