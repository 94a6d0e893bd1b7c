"""What a fetch opens it closes, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faults.proxy import Fault, Proxy
from faults.store.servers import FILES, publish
from modelserve.core.errors import ServeError
from modelserve.store.buckets.gcs import GcsObjects
from modelserve.store.download.fetch import fetch, plan
from modelserve.store.download.transfer import download
from modelserve.store.names.locations import parse
from modelserve.store.versions.resolve import resolve

VERSION = parse("gs://any/models/churn/versions/1")
BODY = r"model\.skops.*alt=media"


def list_open() -> list[str]:
    """Open files below a directory of models; what else the process has open may change meanwhile."""
    links = [f"/proc/self/fd/{handle}" for handle in os.listdir("/proc/self/fd")]
    targets = [os.readlink(link) for link in links if os.path.islink(link)]
    return [target for target in targets if "/cache/" in target]


def test_a_version_leaves_nothing_open(direct: GcsObjects, objects: GcsObjects, cache: Path) -> None:
    publish(direct, "churn", "1")
    fetch(resolve(VERSION, objects), objects, cache)
    assert list_open() == []


@pytest.mark.parametrize("kind", ["return-403", "flip"])
def test_a_version_that_fails_leaves_nothing_open(
    kind: str, proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    resolved = resolve(VERSION, objects)
    if kind == "flip":
        publish_other_bytes(direct)
        resolved = resolve(parse("gs://any/models/other/versions/1"), objects)
    else:
        proxy.script([Fault(kind, BODY)])
    with pytest.raises(ServeError):
        fetch(resolved, objects, cache)
    assert list_open() == []


def publish_other_bytes(direct: GcsObjects) -> None:
    """Of the size that the manifest says, and not its bytes."""
    publish(direct, "other", "1")
    name = "models/other/versions/1/model.skops"
    info = direct.stat(name)
    assert info is not None
    direct.write(name, FILES["model.skops"][::-1], info.generation)


def test_a_file_that_is_already_there_leaves_nothing_open(direct: GcsObjects, objects: GcsObjects, cache: Path) -> None:
    publish(direct, "churn", "1")
    target = cache / "taken"
    target.mkdir(parents=True)
    (target / sorted(FILES)[-1]).touch()
    with pytest.raises(FileExistsError):
        download(plan(resolve(VERSION, objects), objects), objects, target)
    assert list_open() == []
