from __future__ import annotations

import threading

from modelserve.models.version import Leases

WAIT_SECONDS = 30.0


def test_closing_waits_for_the_last_one_and_then_lets_nobody_in() -> None:
    leases = Leases()
    assert leases.enter()
    assert leases.enter()
    closed = threading.Event()

    def close() -> None:
        leases.close()
        closed.set()

    thread = threading.Thread(target=close)
    thread.start()
    leases.leave()
    assert not closed.is_set()
    assert leases.enter()
    leases.leave()
    leases.leave()
    thread.join(WAIT_SECONDS)
    assert closed.is_set()
    assert not leases.enter()


def test_closing_an_unused_version_does_not_wait() -> None:
    leases = Leases()
    leases.close()
    assert not leases.enter()
