"""The commands of the README and of the first pages are run, and what they show is what they print."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest

import benchmarks
import modelserve
import modelserve_control
from modelserve.core.errors import ServeError
from modelserve_control.common import processes

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# A person sees that two seconds are enough; here as many are waited as it takes.
ARRIVED = 'until curl -s localhost:$PORT/metadata | grep -q \'"version":"2"\'; do sleep 0.1; done'
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)

# What differs from run to run: times, digests and ids, and the last digits of a probability.
VOLATILE = [
    (re.compile(r"\.{3,} [0-9.]+ s"), "... s"),
    (re.compile(r"Done in [0-9]+ s"), "Done in s"),
    (re.compile(r"[0-9,]+ rows give (.*) within [0-9.e+-]+"), r"rows give \1 within"),
    (re.compile(r"\b([0-9]+\.[0-9]{3})[0-9]+"), r"\1"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "hex"),
]


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text())


def stable(text: str) -> list[str]:
    for pattern, replacement in VOLATILE:
        text = pattern.sub(replacement, text)
    return [line for line in text.splitlines() if line and not line.startswith("setup:")]


def environ() -> dict[str, str]:
    hidden = ("STORAGE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "MODELSERVE_STORE")
    return {name: value for name, value in os.environ.items() if name not in hidden}


@pytest.fixture(scope="module")
def demo() -> str:
    done = subprocess.run(["scripts/demo"], cwd=ROOT, env=environ(), text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_page_shows_what_the_demo_prints(demo: str) -> None:
    command, shown = blocks("docs/first-model.md")[0].split("\n", 1)
    assert command == "$ scripts/demo"
    assert stable(shown) == stable(demo)


def test_the_page_of_the_layout_shows_what_the_tests_print(tmp_path: Path) -> None:
    command, shown = blocks("docs/layout.md")[0].split("\n", 1)
    assert command == "$ scripts/test"
    names = {line.split()[0] for line in (ROOT / "tests" / "rooms.txt").read_text().splitlines()}
    rooms = set(re.findall(r"^([a-z-]+): \d", shown, re.MULTILINE))
    assert rooms
    assert rooms <= names

    own = {"ROOMS": str(tmp_path / "rooms"), "LOGS": str(tmp_path / "logs")}
    (tmp_path / "rooms").write_text("unit tests/unit/modelserve/core/test_errors.py\n")
    done = subprocess.run(
        ["scripts/test"], cwd=ROOT, env=environ() | own, text=True, capture_output=True, timeout=1_800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kept = [line for line in shown.splitlines() if line != "..." and line.split(":")[0] not in rooms]
    printed = [figures(line) for line in done.stdout.splitlines()]
    assert [line for line in printed if not line.startswith("unit: ")] == [figures(line) for line in kept]
    assert "unit: N passed in Ns" in printed, done.stdout


def figures(line: str) -> str:
    return re.sub(r"[0-9][0-9.,]*", "N", line)


def test_publish_serve_and_roll_back_as_the_first_page_says(demo: str, tmp_path: Path) -> None:
    block = blocks("docs/first-model.md")[1]
    assert " && sleep 2\n" in block
    printed = run_block(block.replace(" && sleep 2\n", f"\n$ {ARRIVED}\n"), tmp_path, processes.free_port())
    assert re.search(r"^1 +champion ", printed, re.MULTILINE), printed


def test_five_lines_of_the_readme_lead_from_nothing_to_an_answer(tmp_path: Path) -> None:
    block, _ = blocks("README.md")
    assert block.count("\n$ ") + 1 == 5
    port = processes.free_port()
    home = tmp_path / "home"
    home.mkdir()
    run_block(block.replace("8080", str(port)) + "$ kill %1\n", tmp_path, port, HOME=str(home))


def test_the_second_screen_of_the_readme_leads_from_a_training_to_the_next(tmp_path: Path) -> None:
    _, block = blocks("README.md")
    (tmp_path / "stack").mkdir()
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    store = str(tmp_path / "store")
    own = {"PATH": path, "MODELSERVE_STORE": store, "TMPDIR": str(tmp_path / "stack")}
    try:
        printed = run_block(block, tmp_path, processes.free_port(), **own)
    finally:  # where a command before its last has failed
        subprocess.run(["modelserve", "local", "down"], env=environ() | own, capture_output=True, timeout=120)
    assert "500 of 500 predictions have a label" in printed
    assert re.findall(r"@champion now names version (\d)", printed) == ["1", "2"]
    assert "+ error: rmse " in printed
    assert "The local stack is stopped; " in printed


def test_an_event_becomes_a_prediction_or_a_dead_letter_as_its_page_says(demo: str, tmp_path: Path) -> None:
    block = "".join(blocks("docs/first-event.md"))
    (tmp_path / "stack").mkdir()
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "MODELSERVE_STORE": str(tmp_path / "store"), "TMPDIR": str(tmp_path / "stack")}
    source = f"sqlite:///{ROOT}/.cache/mlflow/mlflow.db"
    publish = "$ modelserve publish models:/telco_churn/latest --name churn --alias champion --create\n"
    try:
        printed = run_commands(
            (publish + block).splitlines(), tmp_path, processes.free_port(), MLFLOW_TRACKING_URI=source, **own
        )
    finally:  # where a command before its last has failed
        subprocess.run(["modelserve", "local", "down"], env=environ() | own, capture_output=True, timeout=120)
    shown = [line for line in block.splitlines() if line.startswith(("{", "dead letter: "))]
    assert len(shown) == 3
    cut = [line.partition("; ...")[0] for line in stable("\n".join(shown))]
    assert [line for line in cut if line not in "\n".join(stable(printed))] == [], printed


def test_a_pickle_of_a_course_is_served_as_its_page_says(tmp_path: Path) -> None:
    first, mistake = blocks("docs/from-flask.md")
    port = processes.free_port()
    script = (first + mistake).replace("8080", str(port)).replace(".cache/flask", str(tmp_path / "flask"))
    more = {"MODELSERVE_STORE": str(tmp_path / "store"), "PATH": f"{BIN}:{os.environ['PATH']}"}
    lines = [*script.splitlines(), "$ kill %1"]
    printed = run_commands(lines, tmp_path, port, **more)
    shown = "\n".join(stable(printed))  # the server prints between its answers
    answers = stable("\n".join(line for line in lines if line.startswith("{")))
    assert [answer for answer in answers if answer not in shown] == [], printed


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 500


def run_block(block: str, tmp_path: Path, port: int, **more: str) -> str:
    """What the commands print; the answers of the functions among it are those of the page."""
    lines = block.replace("$PWD/.cache/store", str(tmp_path / "store")).splitlines()
    printed = run_commands(lines, tmp_path, port, **more)
    answers = [line for line in lines if line.startswith("{")]
    found = [line for line in printed.splitlines() for line in re.findall(r'\{"prediction".*?\}[^{]*?\}', line)]
    assert stable("\n".join(found)) == stable("\n".join(answers)), printed
    return printed


def run_commands(lines: list[str], tmp_path: Path, port: int, **more: str) -> str:
    script = "set -e\n" + "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))
    with (tmp_path / "out").open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-c", script], cwd=ROOT, env=environ() | {"PORT": str(port), "HOST": "127.0.0.1"} | more,
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(600)
        finally:
            with suppress(ProcessLookupError):  # the last command ends the function
                os.killpg(shell.pid, signal.SIGKILL)
    printed = (tmp_path / "out").read_text()
    assert code == 0, printed
    return printed


def test_every_setting_and_error_code_is_documented() -> None:
    for package in (modelserve, modelserve_control, benchmarks):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Beam and Keras are not installed beside the kit.
            if not module.name.endswith(("__main__", ".parts.beam", ".keras_networks")):
                importlib.import_module(module.name)
    from modelserve.core.settings import Settings

    page = (ROOT / "docs" / "settings.md").read_text()
    settings = {row.name.upper(): row.metadata["help"] for row in fields(Settings)}
    assert [name for name, help in settings.items() if f"| `{name}` |" not in page or help not in page] == []
    codes = {error.code for error in every(ServeError) if ".pubsub." not in error.__module__}
    text = (ROOT / "docs" / "errors.md").read_text()
    assert {code for code in codes if f"`{code}`" not in text} == set()


def every(error: type[ServeError]) -> list[type[ServeError]]:
    found = [error]
    for child in error.__subclasses__():
        found += every(child)
    return found


def test_every_relative_link_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "scripts").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
