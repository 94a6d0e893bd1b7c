"""A token comes from the user's own command, and goes nowhere but into the header."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from modelserve_control.identity import Identity
from modelserve_control.refusals import NoIdentity


def printing(text: str, status: int = 0) -> str:
    return f'{sys.executable} -c "import sys; sys.stdout.write({text!r}); sys.exit({status})"'


def test_the_command_is_run_once_for_many_requests(tmp_path: Path) -> None:
    log = tmp_path / "log"
    identity = Identity(f"{sys.executable} -c \"open('{log}', 'a').write('x'); print('a.b.c')\"")
    assert [identity.headers() for _ in range(3)] == [{"authorization": "Bearer a.b.c"}] * 3
    assert log.read_text() == "x"


def test_without_a_command_nothing_is_sent() -> None:
    assert Identity(None).headers() == {}


@pytest.mark.parametrize(
    "command", [printing(""), printing("two words"), printing("secret", 3), "no-such-command-here"]
)
def test_a_command_without_a_token_is_an_error_that_repeats_nothing(command: str) -> None:
    with pytest.raises(NoIdentity) as raised:
        Identity(command).headers()
    assert "secret" not in raised.value.message
    assert "words" not in raised.value.message
