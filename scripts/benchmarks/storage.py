"""The bucket that our servers start from, filled by the `modelserve` command itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.model import Model
from modelserve.core.errors import ServeError
from modelserve_control.common import processes
from modelserve_control.local import emulators

BUCKET = "benchmark"
VERSIONS = ("1", "2")
NATIVE_FORM, COMPILED_FORM = "native", "compiled"
# What `modelserve publish` is told, where it knows the option.
FORMS: Final[Mapping[str, str]] = {NATIVE_FORM: "never", COMPILED_FORM: "require"}
OPTION = "--compile"
LONGEST = 600  # seconds for one publication


class NotPublished(ServeError):
    """The message holds the last line of the command, or says that it has no such form."""

    code = "NOT_PUBLISHED"


@dataclass(frozen=True)
class Store:
    """`url` is the value of STORAGE_EMULATOR_HOST; `model` is the name of the model, whose forms are models of their own."""

    url: str
    model: str
    refused: dict[str, str] = field(default_factory=dict)
    """Why a form was not published."""

    @property
    def bucket(self) -> str:
        return f"gs://{BUCKET}"

    def name(self, form: str | None) -> str:
        """Raises NotPublished when there is no such form."""
        if form in self.refused:
            raise NotPublished(self.refused[form])
        return f"{self.model}-{form}"

    def uri(self, form: str) -> str:
        return f"{self.bucket}/models/{self.name(form)}@champion"

    @property
    def environ(self) -> dict[str, str]:
        found = {"STORAGE_EMULATOR_HOST": self.url, "GOOGLE_CLOUD_PROJECT": "benchmark", "NO_GCE_CHECK": "true"}
        return processes.with_sources(os.environ) | found


@contextmanager
def published(
    model: Model, directory: Path, forms: Collection[str] = tuple(FORMS), versions: Sequence[str] = VERSIONS
) -> Iterator[Store]:
    """A store with equal versions of each of the model's `forms`; the aliases name the last."""
    with emulators.storage(directory) as url:
        make_bucket(url)
        store = Store(url, model.name)
        for form in forms:
            try:
                publish_form(store, model, form, versions)
            except NotPublished as error:
                store.refused[form] = str(error)
        yield store


def make_bucket(url: str) -> None:
    request = urllib.request.Request(  # noqa: S310 -- the address of the server that was started above
        f"{url}/storage/v1/b?project=benchmark",
        json.dumps({"name": BUCKET}).encode(),
        {"content-type": "application/json"},
    )
    processes.OPENER.open(request, timeout=10).close()


def publish_form(store: Store, model: Model, form: str, versions: Sequence[str]) -> None:
    option = compile_option(command(store, "publish", "--help"), form)
    for _ in versions:
        arguments = [str(model.directory), "--name", store.name(form), "--store", store.bucket, "--alias", "champion"]
        command(store, "publish", *arguments, *option)


def compile_option(usage: str, form: str) -> list[str]:
    """From what `modelserve publish --help` says. Raises NotPublished when it has no compiled form."""
    if OPTION in usage:
        return [OPTION, FORMS[form]]
    if form == COMPILED_FORM:
        raise NotPublished(f"This `modelserve publish` has no {OPTION}.")
    return []


def command(store: Store, *arguments: str) -> str:
    """What `modelserve` wrote. Raises NotPublished with its last line."""
    program = [str(Path(sys.executable).with_name("modelserve")), *arguments]
    try:
        done = subprocess.run(program, env=store.environ, timeout=LONGEST, capture_output=True, text=True)
    except subprocess.TimeoutExpired as error:
        raise NotPublished(f"It was not published within {LONGEST} s.") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise NotPublished(f"It was not published. {lines[-1]}")
    return done.stdout
