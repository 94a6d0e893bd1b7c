"""A function that is stopped leaves no model behind in the temporary directory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bucket_server import BucketServer
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.common.processes import GRACE
from modelserve_control.registry.promote import promote
from serving import Functions, serving
from stores import put


def test_sigterm_removes_the_downloaded_version(
    functions: Functions, gcs: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = gcs.bucket("leftovers")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    with closing(open_objects(parse_store(store))) as objects:
        promote(objects, "constant", put(objects, "constant", functions.models.constant(1.0)), "champion")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    settings = {"MODEL_URI": f"{store}/models/constant@champion", "MODEL_TRUST": "pickle"}
    settings |= {"STORAGE_EMULATOR_HOST": gcs.url, "TMPDIR": str(temporary)}
    with serving(tmp_path / "log", settings) as served:
        assert list(temporary.glob("modelserve-*/.incoming-*"))
        served.child.terminate()
        assert served.child.wait(GRACE)
    assert list(temporary.glob("modelserve-*/.incoming-*")) == []
