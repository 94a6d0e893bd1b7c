"""R5: a disk that is full takes no new version, and nothing from the old one."""

from __future__ import annotations

import json
import os
import resource
import shutil
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import psutil
import pytest

from bucket_server import BucketServer
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.registry.promote import promote
from serving import Functions, Served, serving
from stores import put

FULL: Final = 500_000  # bytes, to which no file may grow


def limit(served: Served, size: int) -> None:
    """How large the server's files may become: beyond it the system refuses to write, as it does on a full disk."""
    main = psutil.Process(served.child.pid)
    for process in (main, *main.children(recursive=True)):
        with suppress(ProcessLookupError):  # it has ended since it was listed
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_version_that_the_disk_cannot_take_leaves_the_old_one_serving(
    functions: Functions, gcs: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = gcs.bucket("full-disk")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    large = Path(shutil.copytree(functions.models.constant(2.0), tmp_path / "large"))
    (large / "weights.bin").write_bytes(os.urandom(2 * FULL))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    settings = {"MODEL_URI": f"{store}/models/constant@champion", "MODEL_REFRESH_SECONDS": "0.05"}
    settings |= {"STORAGE_EMULATOR_HOST": gcs.url, "TMPDIR": str(temporary)}
    with closing(open_objects(parse_store(store))) as objects:
        first = put(objects, "constant", functions.models.constant(1.0))
        second = put(objects, "constant", large)
        promote(objects, "constant", first, "champion")
        with serving(tmp_path / "log", settings) as served:
            before = files(temporary)
            limit(served, FULL)
            promote(objects, "constant", second, "champion")
            served.child.wait_until(lambda: "still_serving" in served.child.log.read_text())
            assert served.post("/predict", {"x": 1.0}).json() == {"prediction": 1.0}
            assert served.client.get("/health").headers["x-model-version"] == first
            served.child.wait_until(lambda: files(temporary) == before)
            limit(served, resource.RLIM_INFINITY)
            served.child.wait_until(lambda: served.client.get("/health").headers["x-model-version"] == second)
            assert served.post("/predict", {"x": 1.0}).json() == {"prediction": 2.0}
    lines = [json.loads(line) for line in served.child.log.read_text().splitlines() if "still_serving" in line]
    assert {(line["error_code"], line["message"]) for line in lines} == {
        ("STORE_UNAVAILABLE", "The cache directory cannot take the version: File too large.")
    }


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
