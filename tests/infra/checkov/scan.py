"""checkov over a directory, each of its findings either mended or explained.

It has its own environment, because its pins are not ours: made once from hashed requirements, kept in the cache of this
checkout. It is given nothing of the user's, and reads no policy from the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from benchmarks.model import digest
from benchmarks.servers.environments import NotInstalled, install
from infra.wheels import CACHE, making

HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = HERE / "requirements.txt"
SELDOM: Final = HERE.parents[1] / "seldom.py"
HOME: Final = CACHE.with_name("checkov")
LIMIT: Final = 300.0  # seconds for one scan


class Finding(NamedTuple):
    """What check, by its id, says about which resource; `about` is the check in words."""

    check: str
    resource: str
    about: str = ""


def scan(frameworks: Sequence[str], directory: Path, *options: str) -> list[Finding]:
    """Every failed check of `frameworks` (terraform, kubernetes, dockerfile ...) below `directory`.

    Skips the test where the package index cannot be reached. An error when checkov cannot read a file.
    """
    place = environment() / "bin"
    command = [str(place / "python"), str(SELDOM), str(place / "checkov")]
    command += ["--directory", str(directory), "--framework", ",".join(frameworks)]
    command += ["--skip-download", "--quiet", "--compact", "--output", "json", *options]
    env = {"PATH": os.defpath, "HOME": str(HOME), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=HOME, env=env, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    answer = json.loads(done.stdout)
    reports = answer if isinstance(answer, list) else [answer]  # several only of several frameworks
    assert {report.get("check_type") for report in reports} == {*frameworks}, (
        f"checkov found nothing to look at in {directory}"
    )
    for report in reports:
        assert not report["results"].get("parsing_errors"), report["results"]["parsing_errors"]
    failed = [one for report in reports for one in report["results"]["failed_checks"]]
    return sorted(Finding(one["check_id"], one["resource"], one["check_name"]) for one in failed)


def unsettled(found: Iterable[Finding], explanations: Path) -> Iterator[str]:
    """A sentence for each finding without an explanation, and for each explanation of nothing that was found.

    `explanations` is a TOML file of tables `[[finding]]` with `check`, `resources` and `reason`. With `unsteady = true`
    it need not be found: checkov itself sees it or not, after changes of something else.
    """
    explained, unsteady = set(), set()
    for one in tomllib.loads(explanations.read_text())["finding"]:
        if len(one["reason"].split()) < 5:
            yield f"{explanations.name}: {one['check']} has no reason"
        explained |= {(one["check"], resource) for resource in one["resources"]}
        unsteady |= {(one["check"], resource) for resource in one["resources"] if one.get("unsteady")}
    seen = {(one.check, one.resource): one.about for one in found}
    yield from (f"{check} {resource}: {seen[check, resource]}" for check, resource in sorted(seen.keys() - explained))
    for check, resource in sorted(explained - unsteady - seen.keys()):
        yield f"{explanations.name}: {check} no longer finds {resource}; take it away"


def environment() -> Path:
    """The environment with checkov, made when its requirements have changed."""
    HOME.mkdir(parents=True, exist_ok=True)
    stamp = HOME / "stamp"
    wanted = digest(REQUIREMENTS)
    with making(HOME):
        if not stamp.is_file() or stamp.read_text() != wanted:
            try:
                install(HOME, REQUIREMENTS)
            except NotInstalled as error:
                if "Failed to fetch" not in error.message:
                    raise
                pytest.skip(f"checkov is not installed, and the package index cannot be reached: {error.message}")
            stamp.write_text(wanted)
    return HOME
