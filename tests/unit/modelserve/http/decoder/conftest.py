"""Every body goes to the decoder."""

import pytest

from modelserve.http.decoder import client as decoders


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small, a body goes to the process."""
    monkeypatch.setattr(decoders, "MAX_INLINE_BYTES", -1)
