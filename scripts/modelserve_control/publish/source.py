"""SOURCE as a private copy of an MLflow directory: what is validated is what is uploaded."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from modelserve.core.errors import ServeError
from modelserve.store.buckets.open import open_objects
from modelserve.store.download.fetch import fetch as fetch_version
from modelserve.store.names.locations import MANIFEST, parse
from modelserve.store.names.paths import check_names, walk
from modelserve.store.versions.resolve import resolve
from modelserve_control.common.errors import SourceUnusable

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)

LOCAL_STORES = ("mlflow.db", "mlruns")  # what MLflow uses when it finds them in the current directory


@dataclass(frozen=True)
class Source:
    """`directory` holds an MLmodel and plain files only. `uri` is where it came from, absolute."""

    uri: str
    directory: Path


def fetch(source: str, scratch: Path) -> Source:
    """A local directory, gs:// (also a version or alias of a store), or whatever MLflow resolves: runs:/, models:/, ..."""
    path = Path(source.removeprefix("file://"))
    target = scratch / "model"
    if path.is_dir():
        uri, directory = str(path.resolve()), copy_directory(path, source, target)
    elif source.startswith("gs://") or not SCHEME.match(source):
        uri, directory = source, fetch_from_store(source, scratch)
    else:
        uri, directory = source, fetch_from_mlflow(source, target)
    return Source(uri, check_directory(directory, source))


def copy_directory(path: Path, source: str, target: Path) -> Path:
    try:
        refuse_other_directories(path, source)  # before `SOURCE .` reads and copies a whole home directory
        for _ in walk(str(path)):  # a pipe would be waited for, and a socket cannot be copied
            pass
        return Path(shutil.copytree(path, target, symlinks=True))
    except OSError as error:
        reason = error.strerror or "some of its files cannot be read"
        raise SourceUnusable(f"{source} cannot be copied: {reason}.") from error


def fetch_from_store(source: str, scratch: Path) -> Path:
    """A version is verified against its manifest on the way."""
    location = parse(source)
    try:
        with closing(open_objects(location)) as objects:
            found = fetch_version(resolve(location, objects), objects, scratch / "download")
        return Path(shutil.copytree(found, scratch / "model", symlinks=True))
    except ServeError as error:
        raise SourceUnusable(f"{source} cannot be fetched: {error.message}") from error


def fetch_from_mlflow(source: str, target: Path) -> Path:
    refuse_without_tracking(source)
    from modelserve_control.common.mlflow_logging import mlflow, silent

    target.mkdir()
    try:
        with silent():
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(target)))
    # MLflow lets through whatever its many clients raise.
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise SourceUnusable(f"MLflow cannot resolve {source}: {lines[0].rstrip('.')}.") from error


def refuse_without_tracking(source: str) -> None:
    """MLflow would make an empty store in the current directory and look there."""
    named = os.environ.get("MLFLOW_TRACKING_URI") or os.environ.get("MLFLOW_REGISTRY_URI")
    if source.startswith(("runs:", "models:")) and not (named or any(map(os.path.exists, LOCAL_STORES))):
        raise SourceUnusable(
            f"{source} is an address in an MLflow tracking store: set MLFLOW_TRACKING_URI to say which."
        )


def refuse_other_directories(directory: Path, source: str) -> None:
    if not (directory / "MLmodel").is_file():
        found = ", ".join(sorted(os.listdir(directory))[:10]) or "nothing"
        raise SourceUnusable(f"{source} holds no MLmodel; it holds {found}.")


def check_directory(directory: Path, source: str) -> Path:
    """Raises when it is not an MLflow directory, or has files that no version may hold."""
    refuse_other_directories(directory, source)
    # A version of a store brings its old manifest along.
    (directory / MANIFEST).unlink(missing_ok=True)
    check_names(name for name, _ in walk(str(directory)))
    return directory
