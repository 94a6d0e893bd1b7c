"""R11: an alias that moves to a version which cannot serve moves nobody; each attempt is told once, and none comes early."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from modelserve.models.active import INITIAL_BACKOFF
from modelserve.store.buckets.objects import Objects
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import manifest_name, parse_store
from modelserve.store.versions.alias import read_alias, write_alias
from modelserve.store.versions.manifest import Manifest
from modelserve_control.registry.promote import promote
from serving import Functions, Served, release, serving


def point(objects: Objects, version: str, digest: str = "0" * 64) -> None:
    """Past the command, which would refuse it."""
    found = read_alias(objects, "constant", "champion")
    assert found is not None
    write_alias(objects, "constant", "champion", replace(found[0], version=version, manifest_sha256=digest), found[1])


def rewrite(store: Path, version: str, **changes: Any) -> str:
    """Another manifest of a version; its digest."""
    path = store / manifest_name("constant", version)
    manifest = replace(Manifest.from_bytes(path.read_bytes()), **changes)
    path.write_bytes(manifest.to_bytes())
    return manifest.digest


def read_failures(served: Served) -> list[dict[str, Any]]:
    """Every failure of the loader since there was a version to serve."""
    lines = [json.loads(line) for line in served.child.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("still_serving") == "1"]


def is_told(served: Served, code: str) -> bool:
    return code in {line["error_code"] for line in read_failures(served)}


def test_no_version_that_cannot_serve_takes_the_place_of_one_that_does(functions: Functions, tmp_path: Path) -> None:
    store, models = tmp_path / "store", functions.models
    objects = open_objects(parse_store(str(store)))
    broken = models.copy("churn", tmp_path / "broken")
    (broken / "model.skops").write_bytes(b"not a model")
    for directory in (models.constant(1.0), models.constant(2.0)):
        release(store, "constant", directory, alias="others")
    promote(objects, "constant", "1", "champion")
    corrupt, refused, unloadable, cold = (
        release(store, "constant", directory, alias="others")
        for directory in (models.constant(3.0), models.path("churn_pickle"), broken, models.constant(4.0))
    )
    (store / f"models/constant/versions/{corrupt}/model.skops").write_bytes(b"other bytes")
    unfit = rewrite(store, cold, sample=[{"x": "no number"}])
    moves: dict[str, Callable[[], object]] = {
        "ARTIFACT_MISSING": lambda: point(objects, "99"),
        "ARTIFACT_CORRUPT": lambda: promote(objects, "constant", corrupt, "champion"),
        "VERSION_REFUSED": lambda: promote(objects, "constant", refused, "champion"),
        "VERSION_UNUSABLE": lambda: promote(objects, "constant", unloadable, "champion"),
        "SIGNATURE_MISMATCH": lambda: point(objects, cold, unfit),
    }
    settings = {"MODEL_URI": f"{store}/models/constant@champion", "MODEL_REFRESH_SECONDS": "0.05"}
    with serving(tmp_path / "log", settings) as served:
        began = time.monotonic()
        for code, move in moves.items():
            move()
            served.child.wait_until(partial(is_told, served, code))
            answer = served.post("/predict", {"x": 1.0})
            assert (answer.status_code, answer.json()) == (200, {"prediction": 1.0}), code
            assert served.client.get("/health").status_code == 200
            assert answer.headers["x-model-version"] == "1"
        promote(objects, "constant", "2", "champion")
        served.child.wait_until(lambda: served.client.get("/health").headers["x-model-version"] == "2")
        took = time.monotonic() - began
    lines = read_failures(served)
    assert [line["attempt"] for line in lines] == list(range(1, len(lines) + 1)), "each is told once"
    # What was tried again unmoved waited for its backoff, which doubles with each failure.
    again = [
        line["attempt"]
        for line, before in zip(lines[1:], lines, strict=False)
        if line["error_code"] == before["error_code"]
    ]
    assert sum(INITIAL_BACKOFF * 2 ** (attempt - 2) for attempt in again) <= took
