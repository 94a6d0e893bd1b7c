"""References to versions on the command line: NAME, NAME@ALIAS, NAME/N or NAME/versions/N."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from modelserve.core.errors import BadSetting
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import check_alias, check_model_name, check_version, version_prefix
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.progress import Progress
from modelserve_control.registry import catalog

CHAMPION: Final = "champion"
METAVAR: Final = "NAME[@ALIAS|/VERSION]"
MLFLOW_SCHEMES: Final = ("models:/", "runs:/")
# Tells a reference from the path of a directory.
SHORT_FORM: Final = re.compile(r"[^/@]+(@[^/]*|/[0-9]+|/versions/[^/]+)?")


class VersionRef(NamedTuple):
    """Without `alias` and `version`, it refers to the model, or to its champion if a version is needed."""

    name: str
    alias: str | None = None
    version: str | None = None

    @property
    def address(self) -> str:
        if self.version is not None:
            return version_prefix(self.name, self.version)
        return f"models/{self.name}@{self.alias or CHAMPION}"


def parse(text: str) -> VersionRef:
    name, at, alias = text.partition("@")
    if at:
        return VersionRef(check_model_name(name), alias=check_alias(alias))
    name, slash, number = text.partition("/")
    return VersionRef(
        check_model_name(name), version=check_version(number.removeprefix("versions/")) if slash else None
    )


def manifest(objects: Objects, what: str) -> Manifest:
    name, alias, version = parse(what)
    if version is None:
        version = catalog.alias(objects, name, alias or CHAMPION)[0].version
    return catalog.manifest(objects, name, version)


def model_uri(model: str, store: str | None, progress: Progress | None = None) -> str:
    """A directory comes first; `progress` says so where a store may have a model of that name."""
    if model.startswith(MLFLOW_SCHEMES):
        raise BadSetting(f"{model} is an address of MLflow: publish the model, then refer to it as {METAVAR}.")
    if not SHORT_FORM.fullmatch(model):
        return model
    if Path(model).is_dir():
        if progress and store and "/" not in model and "@" not in model:
            progress.say(f"{model} is the directory of that name here; {model}@{CHAMPION} is a version of {store}")
        return model
    if store is None:
        raise BadSetting(
            f"There is no directory {model} here; for a version of a store, add --store, or use its full address."
        )
    return version_uri(model, store)


def version_uri(what: str, store: str) -> str:
    catalog.locate_store(store)
    return f"{store.rstrip('/')}/{parse(what).address}"
