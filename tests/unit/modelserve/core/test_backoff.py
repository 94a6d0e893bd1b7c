from __future__ import annotations

from modelserve.core.backoff import Backoff


def test_a_delay_doubles_up_to_the_maximum() -> None:
    backoff = Backoff(initial=1.0, maximum=5.0)
    assert [backoff.next_delay() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_it_stays_at_the_maximum_however_often_an_attempt_fails() -> None:
    backoff = Backoff(initial=1.0, maximum=60.0)
    assert max(backoff.next_delay() for _ in range(100_000)) == 60.0  # two weeks of failures
    assert backoff.failures == 100_000


def test_a_success_starts_again_with_the_initial_delay() -> None:
    backoff = Backoff(initial=0.5, maximum=60.0)
    backoff.next_delay()
    backoff.next_delay()
    backoff.reset()
    assert (backoff.failures, backoff.next_delay()) == (0, 0.5)


def test_jitter_draws_a_delay_up_to_the_one_that_is_due() -> None:
    drawn = []
    for _ in range(200):
        backoff = Backoff(initial=1.0, maximum=4.0, jitter=True)
        drawn.append([backoff.next_delay() for _ in range(3)])
    for place, bound in enumerate((1.0, 2.0, 4.0)):
        delays = [delays[place] for delays in drawn]
        assert 0 <= min(delays) < bound / 2 < max(delays) <= bound
