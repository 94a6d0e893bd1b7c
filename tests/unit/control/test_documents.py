"""What is read of the store is what was written, or it is no document of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelserve.errors import ArtifactCorrupt
from modelserve.store.objects import Objects
from modelserve_control import catalog
from modelserve_control.documents import encoded, read


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Objects]:
    with catalog.opened(str(tmp_path)) as found:
        yield found


def test_a_document_is_read_as_it_was_written_with_its_generation(store: Objects) -> None:
    assert read(store, "releases/a.json") is None
    document = {"id": "a", "by": "zoë", "steps": [{"step": "check"}]}
    written = store.write("releases/a.json", encoded(document), if_generation_match=0)
    assert read(store, "releases/a.json") == (document, written.generation)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe{"])
def test_what_somebody_else_put_there_is_named(store: Objects, content: bytes) -> None:
    store.write("releases/a.json", content, if_generation_match=0)
    with pytest.raises(ArtifactCorrupt, match=r"releases/a\.json is not a document of this kit \(.*\); move it away"):
        read(store, "releases/a.json")
