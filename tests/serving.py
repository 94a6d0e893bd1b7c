"""Real functions: `functions-framework` processes that serve a model, kept for the session and shared by tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.wheels import making
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve.store.trust.policy import check
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common import processes
from modelserve_control.common.processes import SOURCES, Child
from modelserve_control.common.progress import Lines
from modelserve_control.publish.publish import file_entries, upload
from modelserve_control.registry.promote import promote
from warm import SERVERS, popen, warm

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

CLEAN = ("PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
JSON = {"content-type": "application/json"}
PATIENT = {"PREDICT_TIMEOUT_SECONDS": "60", "PUBLISH_TIMEOUT_SECONDS": "60"}
"""For what must end well, however busy this machine is: a test of what runs out of time says how long that takes."""


@dataclass(frozen=True)
class Served:
    """A running function. `client` is a plain HTTP client of its address."""

    url: str
    client: httpx.Client
    child: Child

    def post(self, path: str, value: Any, **options: Any) -> httpx.Response:
        return self.client.post(path, json=value, **options)


@contextmanager
def run_child(
    name: str, command: Sequence[str], log: Path, ready: processes.Probe, environ: Mapping[str, str]
) -> Iterator[Child]:
    """As `processes.run_child`, from a warm process."""
    nowhere, errors = subprocess.DEVNULL, subprocess.STDOUT
    start = popen(warm(SERVERS))
    words = [*processes.launcher(), *command]
    with log.open("wb") as out:
        process = start(words, stdin=nowhere, stdout=out, stderr=errors, env=environ, start_new_session=True)
    child = Child(name, process, log)
    try:
        child.wait_until(ready)
        yield child
    finally:
        processes.stop([child])


@contextmanager
def serving(
    log: Path, settings: Mapping[str, str], target: str = "predict", ready: str = "/health", cold: bool = False
) -> Iterator[Served]:
    """One function with exactly these settings, once `ready` answers 200. `cold`: with all imports, as elsewhere."""
    run = processes.run_child if cold else run_child
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {name: os.environ[name] for name in CLEAN if name in os.environ} | {
        "FUNCTION_TARGET": target,
        "FUNCTION_SOURCE": str(SOURCES / "functions" / "main.py"),
        "FUNCTION_USE_ASGI": "true",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "NO_GCE_CHECK": "true",
        **settings,
    }
    command = [sys.executable, "-m", "functions_framework"]
    with (
        run(target, command, log, processes.http_probe(url + ready), environ) as child,
        httpx.Client(base_url=url, timeout=120, trust_env=False) as client,
    ):
        yield Served(url, client, child)


class Functions:
    """Starts a function once per distinct settings and keeps it for the session.

    The first one of each target is started cold, if `cold`.
    """

    def __init__(self, models: Library, directory: Path, runtime: str = "native", cold: bool = False) -> None:
        self.models = models
        self.directory = directory
        self.runtime = runtime
        self.cold = cold
        self._exit = ExitStack()
        self._running: dict[tuple[Any, ...], Served] = {}

    def __call__(self, model: str, target: str = "predict", presentation: Any = None, **settings: str) -> Served:
        """`model` is one of `models.library.BUILDERS`, published as version 1 of that name."""
        key = (model, target, str(presentation), *sorted(settings.items()))
        if key not in self._running:
            store = self.directory / f"store-{len(self._running)}"
            release(store, model, self.models.path(model), presentation, runtime=self.runtime)
            uri = {"MODEL_URI": f"{store}/models/{model}@champion", "MODEL_TRUST": "pickle", **PATIENT}
            ready = "/health" if target == "predict" else "/health/ready"
            log = self.directory / f"{target}-{len(self._running)}.log"
            cold = self.cold and target not in {other for _, other, *_ in self._running}
            self._running[key] = self._exit.enter_context(serving(log, uri | settings, target, ready, cold))
        return self._running[key]

    def close(self) -> None:
        self._exit.close()


def release(
    store: Path,
    name: str,
    directory: Path,
    presentation: Any = None,
    alias: str = "champion",
    runtime: str = "native",
    sample: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Publish with the command's own upload, without its (slow) validation, and promote. The version."""
    if runtime == "compiled":
        with TemporaryDirectory() as scratch:
            copy = Path(scratch) / "model"
            return published(store, name, copy, presentation, alias, compiled(directory, copy), sample)
    return published(store, name, directory, presentation, alias, {"kind": "native"}, sample)


def compiled(directory: Path, copy: Path) -> Mapping[str, Any]:
    """Copies a model with its compiled form, whose description this gives. Of the library's models the form is made once
    for all rooms: it takes a second, and imports that take four."""
    from models.library import Library, cache_of

    if directory.parent not in Library.roots:
        return add_form(Path(shutil.copytree(directory, copy)))
    kept = cache_of("compiled", "functions", "scripts/modelserve_control", "tests/serving.py") / directory.name
    with making(kept):
        if not kept.exists():
            partial = kept.with_name(f"{kept.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)  # of a session that was killed
            made = add_form(Path(shutil.copytree(directory, partial / "model")))
            (partial / "description.json").write_text(json.dumps(made))
            partial.rename(kept)
    shutil.copytree(kept / "model", copy)
    found: Mapping[str, Any] = json.loads((kept / "description.json").read_text())
    return found


def add_form(directory: Path) -> Mapping[str, Any]:
    """The description of the compiled form, which is added to the directory; the native one where there is none."""
    from modelserve.models.native.load import load_runtime
    from modelserve.models.native.runtime import NativeRuntime
    from modelserve.schema.signature import from_mlmodel
    from modelserve_control.compile import CannotCompile
    from modelserve_control.publish.compiling import add_compiled

    config = check(directory, "pickle")
    signature = from_mlmodel(config.signature)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries' imports deprecate is not ours to mend
        made = load_runtime(directory, config, signature)
        try:
            assert isinstance(made, NativeRuntime)
            return add_compiled(directory, made, signature, None, config.predict_fn) if signature else NATIVE
        except CannotCompile:
            return NATIVE


NATIVE = {"kind": "native"}


def published(
    store: Path,
    name: str,
    directory: Path,
    presentation: Any,
    alias: str,
    runtime: Mapping[str, Any],
    sample: Sequence[Mapping[str, Any]] = (),
) -> str:
    config = check(directory, "pickle")
    draft = Manifest(
        name,
        "1",
        tuple(file_entries(directory)),
        signature=config.signature,
        runtime=runtime,
        environment=config.environment,
        presentation=presentation,
        sample=sample,
    )
    objects = open_objects(parse_store(str(store)))
    with open(os.devnull, "w") as nowhere:
        made = upload(objects, draft, directory, Lines(nowhere))
    promote(objects, name, made.version, alias)
    return made.version


@pytest.fixture(scope="session")
def functions(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    made = Functions(models, tmp_path_factory.mktemp("functions"))
    yield made
    made.close()
