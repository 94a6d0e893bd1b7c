"""The house rules that a machine can hold: who may import whom, how long a file may be, who reads the environment."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelserve
from modelserve.errors import ServeError

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
SOURCES = sorted(path for folder in ("functions", "scripts") for path in (ROOT / folder).rglob("*.py"))
MODULES = {".".join(path.relative_to(FUNCTIONS).with_suffix("").parts): path for path in FUNCTIONS.rglob("*.py")}

# Layers from the bottom up: a module imports from its own layer and those below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("settings",),
    (
        "cells",
        "nested",
        "tensors",
        "others",
        "signature",
        "leases",
        "logs",
        "memory",
        "metrics",
        "differences",
        "external_data",
    ),
    ("payloads", "runtimes", "store"),
    ("bodies", "envelopes", "records"),
    ("decoder_wire", "decoder", "decoder_process"),
    ("heads",),
    ("express",),
    ("samples", "loading", "load_native", "load_compiled", "publishing", "results"),
    ("attempts",),
    ("active", "scoring", "metadata", "openapi"),
    ("door",),
    ("http",),
    ("messages",),
    ("events",),
    ("shadow",),
    ("shadow_report",),
    ("process", "shadow_process"),
    ("connections", "pulling"),
    ("container",),
    ("worker",),
    ("__main__",),
)
WEB = {"starlette", "functions_framework", "uvicorn", "httpx"}
STORAGE = {"google", "modelserve.store"}
HEAVY = {"mlflow", "pandas", "sklearn", "pyarrow", "prometheus_client", "google", "onnxruntime"}


def imports(path: Path, deferred: bool = True) -> Iterator[str]:
    """Every imported module's full name; without `deferred` only those at the top of the file."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if deferred else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def layer(name: str) -> int:
    room = name.split(".")[1]
    return next(place for place, rooms in enumerate(LAYERS) if room in rooms)


@pytest.mark.parametrize(
    "name", [name for name in MODULES if name.startswith("modelserve.") and "__init__" not in name]
)
def test_imports_point_one_way(name: str) -> None:
    known = {found for found in imports(MODULES[name]) if found.startswith("modelserve.") and found in MODULES}
    assert all(layer(found) <= layer(name) for found in known), known


@pytest.mark.parametrize("name", MODULES)
def test_the_data_plane_never_imports_the_control_plane(name: str) -> None:
    assert not any(inside(found, {"modelserve_control"}) for found in imports(MODULES[name]))


@pytest.mark.parametrize(
    ("rooms", "foreign"),
    [
        (("payloads", "signature", "cells", "nested", "tensors", "runtimes"), WEB | STORAGE),
        (("store",), WEB | {"modelserve.payloads", "modelserve.runtimes", "modelserve.signature"}),
    ],
)
def test_each_room_knows_only_its_own_subject(rooms: tuple[str, ...], foreign: set[str]) -> None:
    for name, path in MODULES.items():
        if inside(name, {f"modelserve.{room}" for room in rooms}):
            assert not [found for found in imports(path) if inside(found, foreign)], name


def test_nothing_heavy_is_imported_at_start() -> None:
    # Themselves imported only for gs://, with credentials, for compiled versions, and by the worker.
    late = {
        "modelserve.store.gcs",
        "modelserve.store.credentials",
        "modelserve.runtimes.compiled",
        "modelserve.pulling",
    }
    for name, path in MODULES.items():
        if name not in late:
            assert not [found for found in imports(path, deferred=False) if inside(found, HEAVY)], name


def test_only_settings_read_the_environment() -> None:
    names = {"environ", "environb", "getenv", "putenv"}
    readers = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in names
    }
    writes = {"modelserve.store.gcs"}  # tells Google's library what to do, before it is imported
    assert readers - writes == {"modelserve.settings"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_small(path: Path) -> None:
    limit = 60 if path == FUNCTIONS / "main.py" else 300
    assert len(path.read_text().splitlines()) < limit


def test_every_failure_of_the_data_plane_has_a_code_of_its_own() -> None:
    for found in pkgutil.walk_packages(modelserve.__path__, "modelserve."):
        if not found.name.endswith("gcs"):  # imports Cloud Storage
            importlib.import_module(found.name)
    kinds = [ServeError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    own = [kind for kind in kinds if "code" in vars(kind) and kind.__module__.startswith("modelserve.")]
    assert len({kind.code for kind in own}) == len(own) > 20
