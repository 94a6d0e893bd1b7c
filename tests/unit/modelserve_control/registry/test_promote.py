"""An alias moves only to the intended version."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.store.servers import publish, remove
from modelserve.core.errors import PreconditionFailed
from modelserve.store.buckets.local import DirectoryObjects
from modelserve.store.names.locations import manifest_name
from modelserve.store.versions.alias import read_alias
from modelserve_control.registry.promote import promote, rollback


def test_a_rollback_refuses_a_version_that_was_replaced(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path)
    for version in ("1", "2"):
        publish(objects, "m", version, {"MLmodel": version.encode()})
        promote(objects, "m", version, "champion")
    for name in (manifest_name("m", "1"), "models/m/versions/1/MLmodel"):
        remove(objects, name)
    publish(objects, "m", "1", {"MLmodel": b"another"})
    with pytest.raises(PreconditionFailed, match="is not the one that champion named before"):
        rollback(objects, "m", "champion")
    found = read_alias(objects, "m", "champion")
    assert found is not None
    assert found[0].version == "2"
