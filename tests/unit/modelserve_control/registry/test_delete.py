"""A version that is promoted during its deletion is not deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.store.servers import manifest_of, promote, publish
from modelserve.store.buckets.local import DirectoryObjects
from modelserve.store.names.locations import MANIFEST
from modelserve_control.common.errors import VersionInUse
from modelserve_control.registry.delete import delete


class PromotingObjects(DirectoryObjects):
    """A store in which another process promotes the version directly after its manifest was deleted."""

    def delete(self, name: str, if_generation_match: int) -> None:
        super().delete(name, if_generation_match)
        if name.endswith(MANIFEST):
            promote(self, "m", "champion", manifest_of("m", "1"))


def test_a_manifest_is_restored_if_its_version_was_promoted_in_the_meantime(tmp_path: Path) -> None:
    objects = PromotingObjects(tmp_path)
    manifest = publish(objects, "m", "1")
    with pytest.raises(VersionInUse, match="champion of m names version 1"):
        delete(objects, "m", "1")
    assert (tmp_path / "models/m/versions/1" / MANIFEST).read_bytes() == manifest.to_bytes()
    assert (tmp_path / "models/m/versions/1/model.skops").is_file()
