"""The scripts of the steps pass shellcheck, and each of their calls of gcloud passes its own linter."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gcloud import lint
from pipeline.definitions import FILES, ROOT, Definition

SCRIPTS = sorted(path for path in (ROOT / "cloudbuild").iterdir() if not path.suffix and path.is_file())
# A quoted word may hold any of the characters that end a command.
CALL = re.compile(r"""\bgcloud [a-z](?:"[^"]*"|'[^']*'|[^"'|;&<>()\n])*""")
# What stands for whatever the script would put there; one option takes only what is in a list.
PLACES = {"$location": "us"}


def scripts() -> Iterator[tuple[str, str]]:
    """A name and the text."""
    for path in FILES:
        for step in Definition.read(path).steps:
            if step.script:
                yield f"{path}/{step.id}", step.script
    for script in SCRIPTS:
        yield script.relative_to(ROOT).as_posix(), script.read_text()


def documents() -> Iterator[tuple[str, str]]:
    """Scripts, and what the page about them tells a person to say."""
    yield from scripts()
    page = "docs/pipeline.md"
    yield page, "".join(re.findall(r"```console\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))


def calls(text: str) -> list[str]:
    joined = re.sub(r"\\\n *", "", text)
    return [fill_in(match[0].strip()) for match in CALL.finditer(joined)]


def fill_in(call: str) -> str:
    for place, value in PLACES.items():
        call = call.replace(place, value)
    return re.sub(r"\$\([^)]*\)|\$\{?\w+\}?", "x", call)


@pytest.mark.parametrize(("name", "text"), [pytest.param(*one, id=one[0]) for one in scripts()])
def test_shellcheck_finds_nothing(name: str, text: str, tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    assert check(text, tmp_path) == ""


def test_shellcheck_would_find_something(tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    assert "SC2086" in check("#!/bin/sh\nset -eu\nrm $1\n", tmp_path)


def check(text: str, directory: Path) -> str:
    path = directory / "script"
    path.write_text(text)
    return subprocess.run(["shellcheck", path], capture_output=True, text=True, timeout=60).stdout


ALL = [pytest.param(call, id=f"{name}: {call.split(' --')[0]}") for name, text in documents() for call in calls(text)]
WRONG = "gcloud storage copy a gs://b"


@pytest.fixture(scope="module")
def errors() -> dict[str, str | None]:
    return lint([WRONG, *(str(each.values[0]) for each in ALL)])


def test_the_calls_of_gcloud_are_found() -> None:
    assert calls('x=$(gcloud a b "$c" --format="value(d.e)") || y\ngcloud f \\\n  --g=$h | i') == [
        'gcloud a b "x" --format="value(d.e)"',
        "gcloud f --g=x",
    ]
    assert len(ALL) >= 4


@pytest.mark.parametrize("call", ALL)
def test_gcloud_understands(call: str, errors: dict[str, str | None]) -> None:
    assert errors[call] is None


def test_gcloud_would_not_understand(errors: dict[str, str | None]) -> None:
    assert "Invalid choice" in str(errors[WRONG])
