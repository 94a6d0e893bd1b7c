"""Where a model is: `MODEL_URI`, and the object names of a store."""

import os
import re
from dataclasses import dataclass

from modelserve.core.errors import BadSetting
from modelserve.store.names.paths import invalid_reason, printable

MLMODEL = "MLmodel"  # the file that makes a directory a model of MLflow
MANIFEST = "manifest.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
# MLflow's alias rule (validation.py: letters, digits, _ and -, up to 255, neither a number nor v and a number).
_ALIAS = re.compile(r"[\w-]{1,255}", re.ASCII)
_RESERVED_ALIAS = re.compile(r"[vV]?[0-9]+|latest", re.IGNORECASE)
# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_IN_STORE = re.compile(
    r"(?P<root>.*/)?models/(?P<name>[^/@]+)(?:@(?P<alias>[^/]*)|/versions/(?P<version>[^/]+))", re.DOTALL
)


@dataclass(frozen=True)
class Location:
    """A model in a bucket, or in a local directory whose path is then `bucket`. `prefix` has no slash at either end. A
    model of a store has a `name`, and a `version` or `alias`; any other is a directory with an MLmodel."""

    scheme: str
    bucket: str
    prefix: str = ""
    name: str | None = None
    version: str | None = None
    alias: str | None = None

    def __str__(self) -> str:
        root = f"gs://{self.bucket}" if self.scheme == "gs" else self.bucket
        if self.alias is not None:
            return f"{root}/models/{self.name}@{self.alias}"
        return f"{root}/{self.prefix}" if self.prefix else root


def check_model_name(name: str) -> str:
    return _check(
        _NAME, name, "A model name", "starts with a letter or digit and has up to 128 letters, digits, . _ or -"
    )


def check_version(version: str) -> str:
    return _check(_VERSION, version, "A version", "has up to 18 digits and nothing else, and does not start with 0")


def check_alias(alias: str) -> str:
    rule = "has up to 255 letters, digits, _ or -, and is neither a number, nor v and a number, nor latest"
    if _RESERVED_ALIAS.fullmatch(alias):
        raise BadSetting(f"An alias {rule}; {printable(alias)} does not.")
    return _check(_ALIAS, alias, "An alias", rule)


def _check(pattern: re.Pattern[str], text: str, what: str, rule: str) -> str:
    if not pattern.fullmatch(text):
        raise BadSetting(f"{what} {rule}; {printable(text)} does not.")
    return text


def version_prefix(name: str, version: str) -> str:
    return f"models/{check_model_name(name)}/versions/{check_version(version)}"


def manifest_name(name: str, version: str) -> str:
    return f"{version_prefix(name, version)}/{MANIFEST}"


def alias_name(name: str, alias: str) -> str:
    return f"models/{check_model_name(name)}/aliases/{check_alias(alias)}.json"


def parse(uri: str) -> Location:
    """Parse `MODEL_URI`. Raises BadSetting, which lists the forms."""
    scheme, bucket, path = _split(uri)
    # In Cloud Storage a store is a whole bucket; on a disk it can be any directory.
    in_store = _IN_STORE.fullmatch(path)
    if in_store is None or (scheme == "gs" and in_store["root"]):
        if scheme == "file":
            return Location(scheme, os.path.abspath(path))
        if path and (reason := invalid_reason(path)):
            raise BadSetting(f"The model's address {reason}.")
        return Location(scheme, bucket, path)
    root = bucket if scheme == "gs" else os.path.abspath(in_store["root"] or ".")
    name = check_model_name(in_store["name"])
    if in_store["version"] is None:
        return Location(scheme, root, f"models/{name}", name, alias=check_alias(in_store["alias"]))
    version = check_version(in_store["version"])
    return Location(scheme, root, version_prefix(name, version), name, version)


def parse_store(uri: str) -> Location:
    scheme, bucket, path = _split(uri)
    if scheme == "gs" and path:
        raise BadSetting(f"A store is a whole bucket, like gs://{bucket}.")
    return Location(scheme, bucket) if scheme == "gs" else Location(scheme, os.path.abspath(path))


def _split(uri: str) -> tuple[str, str, str]:
    if uri.startswith("gs://"):
        bucket, _, path = uri[len("gs://") :].partition("/")
        _check(_BUCKET, bucket, "A bucket name", "has 3 to 222 lower-case letters, digits, . _ or -")
        return "gs", bucket, path.rstrip("/")
    path = uri.removeprefix("file://")
    if not path or "\0" in path or re.match(r"[a-z][a-z0-9+.-]*:/", path):
        raise BadSetting(
            "MODEL_URI must be gs://B/models/N@ALIAS, gs://B/models/N/versions/7, or a gs:// or local directory with an MLmodel."
        )
    return "file", "", path.rstrip("/") or "/"
