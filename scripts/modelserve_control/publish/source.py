"""Fetch SOURCE into a private copy, so that the validated files are the uploaded files."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from modelserve.core.errors import ServeError
from modelserve.store.download.fetch import fetch as fetch_version
from modelserve.store.names.locations import MANIFEST, MLMODEL, parse
from modelserve.store.names.paths import check_names, walk
from modelserve.store.versions.resolve import resolve
from modelserve_control.common.errors import SourceUnusable
from modelserve_control.registry import catalog

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)

LOCAL_STORES = ("mlflow.db", "mlruns")  # MLflow uses them if they are in the current directory


@dataclass(frozen=True)
class Source:
    """`directory` contains an MLmodel and only regular files. `uri` is the absolute address of the original."""

    uri: str
    directory: Path


def fetch(source: str, scratch: Path) -> Source:
    """`source`: a directory, gs://... (also a version or an alias of a store), or any address of MLflow (runs:/, models:/)."""
    path = Path(source.removeprefix("file://"))
    target = scratch / "model"
    if path.is_dir():
        uri, directory = str(path.resolve()), copy_directory(path, source, target)
    elif path.is_file():
        raise SourceUnusable(
            f"{source} is a file, and a model is a directory with an MLmodel. `modelserve import` makes one."
        )
    elif source.startswith("gs://") or not SCHEME.match(source):
        uri, directory = source, fetch_from_store(source, scratch)
    else:
        uri, directory = source, fetch_from_mlflow(source, target)
    return Source(uri, check_directory(directory, source))


def copy_directory(path: Path, source: str, target: Path) -> Path:
    try:
        refuse_other_directories(path, source)  # otherwise `SOURCE .` could copy a whole home directory
        for _ in walk(str(path)):  # copytree would wait for a pipe, and cannot copy a socket
            pass
        return Path(shutil.copytree(path, target, symlinks=True))
    except OSError as error:
        reason = error.strerror or "some of its files cannot be read"
        raise SourceUnusable(f"{source} cannot be copied: {reason}.") from error


def fetch_from_store(source: str, scratch: Path) -> Path:
    """The download verifies a version against its manifest."""
    location = parse(source)
    try:
        with closing(catalog.open_location(location)) as objects:
            found = fetch_version(resolve(location, objects), objects, scratch / "download")
        return Path(shutil.copytree(found, scratch / "model", symlinks=True))
    except ServeError as error:
        raise SourceUnusable(f"{source} cannot be fetched: {error.message}") from error


def fetch_from_mlflow(source: str, target: Path) -> Path:
    refuse_without_tracking(source)
    from modelserve_control.common.mlflow_logging import mlflow, silence

    target.mkdir()
    try:
        with silence():
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(target)))
    # MLflow passes on the exceptions of its many clients.
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise SourceUnusable(f"MLflow cannot resolve {source}: {lines[0].rstrip('.')}.") from error


def refuse_without_tracking(source: str) -> None:
    """Otherwise MLflow would create an empty store in the current directory."""
    named = os.environ.get("MLFLOW_TRACKING_URI") or os.environ.get("MLFLOW_REGISTRY_URI")
    if source.startswith(("runs:", "models:")) and not (named or any(map(os.path.exists, LOCAL_STORES))):
        raise SourceUnusable(
            f"{source} is an address in an MLflow tracking store; set MLFLOW_TRACKING_URI to the address of the store."
        )


def refuse_other_directories(directory: Path, source: str) -> None:
    if not (directory / MLMODEL).is_file():
        found = ", ".join(sorted(os.listdir(directory))[:10]) or "nothing"
        raise SourceUnusable(
            f"{source} has no MLmodel; it contains {found}. `modelserve import` makes an MLflow model of a pickle."
        )


def check_directory(directory: Path, source: str) -> Path:
    """Raises if it is not an MLflow directory, or has files that a version must not contain."""
    refuse_other_directories(directory, source)
    # A version of a store has an old manifest.
    (directory / MANIFEST).unlink(missing_ok=True)
    check_names(name for name, _ in walk(str(directory)))
    return directory
