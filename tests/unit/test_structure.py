"""The layers of both packages, what each room may import, that no file or folder grows large, and who else names modules."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import modelserve
from modelserve.core.errors import ServeError

ROOT = Path(__file__).parents[2]
FUNCTIONS, SCRIPTS = ROOT / "functions", ROOT / "scripts"
SOURCES = sorted(path for folder in (FUNCTIONS, SCRIPTS) for path in folder.rglob("*.py"))

# From the bottom up: a room imports from the layers below its own.
DATA_PLANE: tuple[set[str], ...] = (
    {"core"},
    {"schema", "store"},
    {"payloads"},
    {"models"},
    {"http"},
    {"events"},
    {"shadow", "prediction_log"},
    {"server"},
    {"__main__"},
)
CONTROL_PLANE: tuple[set[str], ...] = (
    {"common", "report"},
    {"registry"},
    {"compile", "batch"},
    {"monitor"},
    {"publish"},
    {"compare"},
    {"deploy"},
    {"local", "console", "retrain"},
    {"cli"},
)
MAX_ROOMS = 13  # of each side: those of a model's life came to the first ten
LAYERS = {"modelserve": DATA_PLANE, "modelserve_control": CONTROL_PLANE}
WEB = {"starlette", "functions_framework", "uvicorn", "httpx"}
STORAGE = {"google", "modelserve.store"}
HEAVY = {"mlflow", "pandas", "sklearn", "pyarrow", "prometheus_client", "google", "onnxruntime"}


@cache
def modules() -> Mapping[str, Path]:
    found = {}
    for top, folder in (("modelserve", FUNCTIONS), ("modelserve_control", SCRIPTS)):
        for path in sorted((folder / top).rglob("*.py")):
            found[".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


DATA = [name for name in modules() if name.split(".")[0] == "modelserve"]


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


@cache
def arrows(name: str) -> frozenset[str]:
    """The modules of ours that a module imports, at its top or later. A package counts where its own names are taken."""
    found = set(imports(modules()[name])) & modules().keys()
    tree = ast.parse(modules()[name].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and all(f"{node.module}.{alias.name}" in modules() for alias in node.names):
            found.discard(str(node.module))
    return frozenset(found - {name})


def inside(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def room(name: str) -> str:
    return name.split(".")[1]


def layer(name: str) -> int:
    layers = LAYERS[name.split(".")[0]]
    return next(place for place, rooms in enumerate(layers) if room(name) in rooms)


@pytest.mark.parametrize("top", LAYERS)
def test_every_room_has_its_layer(top: str) -> None:
    rooms = {room(name) for name in modules() if name.startswith(f"{top}.")}
    assert rooms == set().union(*LAYERS[top])
    assert len(rooms) <= MAX_ROOMS
    assert len(LAYERS[top]) <= 9


@pytest.mark.parametrize("name", [name for name in modules() if "." in name])
def test_a_room_imports_only_from_the_layers_below_it(name: str) -> None:
    top = name.split(".")[0]
    ours = {found for found in arrows(name) if found.startswith(f"{top}.") and room(found) != room(name)}
    assert [found for found in sorted(ours) if layer(found) >= layer(name)] == []


def parts(name: str, level: int) -> str:
    """A module's place so many folders down: one folder, or the module itself where there are no more."""
    return ".".join(name.split(".")[: level + 1])


@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("top", LAYERS)
def test_there_is_no_circle_of_folders_or_modules(top: str, level: int) -> None:
    """Folders beside each other and modules beside folders; a package's own __init__.py is one of its modules."""
    graph: dict[str, set[str]] = {}
    for name in modules():
        if name.split(".")[0] == top:
            graph.setdefault(parts(name, level), set()).update(
                parts(found, level) for found in arrows(name) if found.split(".")[0] == top
            )
    for place, found in graph.items():
        found.discard(place)
    while ends := [place for place, found in graph.items() if not found & graph.keys()]:
        for place in ends:
            del graph[place]
    assert not graph, {place: found & graph.keys() for place, found in graph.items()}


@pytest.mark.parametrize("name", DATA)
def test_the_data_plane_never_imports_the_control_plane(name: str) -> None:
    assert not any(inside(found, {"modelserve_control"}) for found in imports(modules()[name]))


@pytest.mark.parametrize(
    ("rooms", "foreign"),
    [
        (("core", "schema", "payloads", "models.scorers"), WEB | STORAGE),
        (("store",), WEB | {"modelserve.schema"}),
        (("models",), WEB),
    ],
)
def test_each_room_knows_only_its_own_subject(rooms: tuple[str, ...], foreign: set[str]) -> None:
    for name in DATA:
        if inside(name, {f"modelserve.{one}" for one in rooms}):
            assert not [found for found in imports(modules()[name]) if inside(found, foreign)], name


def test_nothing_heavy_is_imported_at_start() -> None:
    # Themselves imported only for gs://, with credentials, for compiled versions, and by the worker.
    late = {
        "modelserve.store.buckets.gcs",
        "modelserve.store.buckets.credentials",
        "modelserve.models.compiled.runtime",
        "modelserve.events.subscriber",
    }
    for name in set(DATA) - late:
        assert not [found for found in imports(modules()[name], deferred=False) if inside(found, HEAVY)], name


def test_only_settings_read_the_environment() -> None:
    names = {"environ", "environb", "getenv", "putenv"}
    readers = {
        name
        for name in DATA
        for node in ast.walk(ast.parse(modules()[name].read_text()))
        if isinstance(node, ast.Attribute) and node.attr in names
    }
    # These tell Google's library and Keras what to do, before they are imported.
    writes = {"modelserve.store.buckets.gcs", "modelserve.models.native.runtime"}
    assert readers - writes == {"modelserve.core.settings"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_small(path: Path) -> None:
    limit = 60 if path == FUNCTIONS / "main.py" else 300
    assert len(path.read_text().splitlines()) < limit


def most(folder: Path) -> int:
    return MAX_ROOMS if folder.parent in (FUNCTIONS, SCRIPTS) else 10


def test_every_folder_is_small() -> None:
    folders = {path.parent for path in modules().values()}
    counts = {
        folder: len([path for path in folder.glob("*.py") if path.name != "__init__.py"])
        + len([path for path in folder.iterdir() if (path / "__init__.py").exists()])
        for folder in folders
    }
    assert {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > most(folder)} == {}


@pytest.mark.parametrize("top", LAYERS)
def test_the_unit_tests_have_the_folders_of_their_package(top: str) -> None:
    folders = {path.parent.relative_to(ROOT / "tests/unit") for path in (ROOT / "tests/unit" / top).rglob("test_*.py")}
    home = FUNCTIONS if top == "modelserve" else SCRIPTS
    assert [str(folder) for folder in sorted(folders) if not (home / folder).is_dir()] == []


def test_the_lines_that_terraform_counts_are_logged_where_it_looks_for_them() -> None:
    texts = [path.read_text() for path in (ROOT / "terraform").glob("*.tf")]
    named = {name for text in texts for name in re.findall(r'jsonPayload\.logger=~?\\"\^?([\w.]+)\\"', text)}
    assert named
    for name in named:
        found = [path.read_text() for module, path in modules().items() if inside(module, {name})]
        assert any("logger = logging.getLogger(__name__)" in text and "logger.error(" in text for text in found), name


def test_every_failure_of_the_data_plane_has_a_code_of_its_own() -> None:
    for found in pkgutil.walk_packages(modelserve.__path__, "modelserve."):
        if found.name != "modelserve.store.buckets.gcs":  # imports Cloud Storage
            importlib.import_module(found.name)
    kinds = [ServeError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    own = [kind for kind in kinds if "code" in vars(kind) and kind.__module__.startswith("modelserve.")]
    assert len({kind.code for kind in own}) == len(own) > 20
