"""Each runtime of a model is published under its own name."""

from __future__ import annotations

import pytest

from benchmarks.servers.storage import COMPILED_RUNTIME, RUNTIMES, NotPublished, Store


def test_every_runtime_has_its_own_name() -> None:
    store = Store("", "churn")
    assert len({store.uri(runtime) for runtime in RUNTIMES}) == len(RUNTIMES)


def test_the_uri_of_a_runtime_that_was_not_published_raises_the_reason() -> None:
    with pytest.raises(NotPublished, match="column 3 differs"):
        Store("", "churn", {COMPILED_RUNTIME: "column 3 differs"}).uri(COMPILED_RUNTIME)
