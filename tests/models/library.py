"""Every tiny model by name, built once for all rooms and kept in .cache until its sources change. Building imports MLflow,
which takes two seconds."""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Final

from infra.wheels import making

ROOT: Final = Path(__file__).parents[2]
UNUSED_SECONDS: Final = 3_600
Builder = Callable[[Path], Path]

# What each is, its function says: `models.linear.linear10` and so on.
MODULES: Final[dict[str, tuple[str, ...]]] = {
    "linear": ("linear10", "two_outputs", "ride_duration", "ride_vectorizer"),
    "classifying": (
        "churn",
        "churn_cloudpickle",
        "churn_pickle",
        "no_signature",
        "string_labels",
        "integer_labels",
        "tensor",
        "boosted",
        "dropping",
        "text_series",
    ),
    "python": ("params", "optional", "every_type", "framed", "sized", "tensors", "raising", "crashing", "slow"),
}
BUILDERS: Final = {name: module for module, names in MODULES.items() for name in names}


def room(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what MLflow's imports deprecate is not ours to mend
        module = importlib.import_module(f"models.{name}")
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it warns of each pickle form that is saved
    return module


@cache
def cache_of(kind: str, *code: str) -> Path:
    """The directory for what the code in these files and folders makes of the library's models.

    What other code made is removed an hour after its last use: a room that takes no longer may still read it."""
    folders = [ROOT / name for name in ("tests/models", *code)]
    modules = [path for folder in folders for path in ([folder] if folder.is_file() else sorted(folder.rglob("*.py")))]
    files = [*modules, ROOT / "scripts" / "requirements.txt"]
    digest = hashlib.sha256(sys.version.encode() + b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    found = ROOT / ".cache" / kind / digest
    found.mkdir(parents=True, exist_ok=True)
    os.utime(found)
    for other in found.parent.iterdir():
        if time.time() - other.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(other, ignore_errors=True)  # another room may do the same
    return found


class Library:
    """`root` holds this session's copies. A caller may not change them: use `copy` to get a directory of one's own."""

    roots: ClassVar[set[Path]] = set()

    def __init__(self, root: Path) -> None:
        self.root = root
        self.roots.add(root)

    def path(self, name: str) -> Path:
        """The MLflow directory of one of `BUILDERS`."""
        return self.built(name, lambda path: getattr(room(BUILDERS[name]), name)(path))

    def constant(self, value: float) -> Path:
        """A model whose every answer is `value`: see `linear.constant`."""
        return self.built(f"constant-{value:g}", lambda path: room("linear").constant(path, value))

    def slow(self, gate: Path) -> Path:
        """A model of one's own that waits for the file `gate`: see `scripted.Slow`."""
        built: Path = room("python").slow(gate.with_name(f"{gate.name}.model"), gate)
        return built

    def stuck(self, gate: Path, stage: str = "load") -> Path:
        """A model of one's own that hangs until the file `gate` is there: see `scripted.Stuck`."""
        built: Path = room("python").stuck(gate.with_name(f"{gate.name}.model"), gate, stage)
        return built

    def copy(self, name: str, path: Path) -> Path:
        return Path(shutil.copytree(self.path(name), path))

    def built(self, name: str, builder: Builder) -> Path:
        path = self.root / name
        if not path.exists():
            kept = cache_of("models") / name
            with making(kept):
                if not kept.exists():
                    partial = kept.with_name(f"{name}.partial")
                    shutil.rmtree(partial, ignore_errors=True)  # of a session that was killed
                    builder(partial).rename(kept)
            shutil.copytree(kept, path)
        return path
