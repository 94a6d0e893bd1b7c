"""Where a model is: `MODEL_URI` and the names of the objects of a store."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from modelserve.core.errors import BadSetting
from modelserve.store.names.paths import fault, shown

MANIFEST = "manifest.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
# MLflow's alias rule (validation.py: letters, digits, _ and -, up to 255, neither a number nor v and a number).
_ALIAS = re.compile(r"[\w-]{1,255}", re.ASCII)
_LIKE_A_VERSION = re.compile(r"[vV]?[0-9]+|latest", re.IGNORECASE)
# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_STORED = re.compile(
    r"(?P<root>.*/)?models/(?P<name>[^/@]+)(?:@(?P<alias>[^/]*)|/versions/(?P<version>[^/]+))", re.DOTALL
)


@dataclass(frozen=True)
class Location:
    """A model in a bucket or below a local directory (`bucket` is then its path, used like a bucket).

    `prefix` has no slash at either end. With `name` it is an entry of a store, by `version` or by `alias`; without, any
    directory that holds an MLmodel.
    """

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
    if _LIKE_A_VERSION.fullmatch(alias):
        raise BadSetting(f"An alias {rule}; {shown(alias)} does not.")
    return _check(_ALIAS, alias, "An alias", rule)


def _check(pattern: re.Pattern[str], text: str, what: str, rule: str) -> str:
    if not pattern.fullmatch(text):
        raise BadSetting(f"{what} {rule}; {shown(text)} does not.")
    return text


def version_prefix(name: str, version: str) -> str:
    """Without a slash at the end."""
    return f"models/{check_model_name(name)}/versions/{check_version(version)}"


def manifest_name(name: str, version: str) -> str:
    return f"{version_prefix(name, version)}/{MANIFEST}"


def alias_name(name: str, alias: str) -> str:
    return f"models/{check_model_name(name)}/aliases/{check_alias(alias)}.json"


def parse(uri: str) -> Location:
    """`MODEL_URI` as a location; `BadSetting` says which forms there are."""
    scheme, bucket, path = _split(uri)
    # A store begins at the bucket itself; on a disk it can be any directory.
    stored = _STORED.fullmatch(path)
    if stored is None or (scheme == "gs" and stored["root"]):
        return _plain(scheme, bucket, path)
    root = bucket if scheme == "gs" else os.path.abspath(stored["root"] or ".")
    name = check_model_name(stored["name"])
    if stored["version"] is None:
        return Location(scheme, root, f"models/{name}", name, alias=check_alias(stored["alias"]))
    version = check_version(stored["version"])
    return Location(scheme, root, version_prefix(name, version), name, version)


def parse_store(uri: str) -> Location:
    """A bucket (`gs://B`) or a local directory that is laid out like one."""
    scheme, bucket, path = _split(uri)
    if scheme == "gs" and path:
        raise BadSetting(f"A store is a whole bucket, like gs://{bucket}.")
    return Location(scheme, bucket) if scheme == "gs" else Location(scheme, os.path.abspath(path))


def _plain(scheme: str, bucket: str, path: str) -> Location:
    if scheme == "file":
        return Location(scheme, os.path.abspath(path))
    if path and (reason := fault(path)):
        raise BadSetting(f"The model's address {reason}.")
    return Location(scheme, bucket, path)


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
