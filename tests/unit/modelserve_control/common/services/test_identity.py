"""Which token is shown, that it goes nowhere but into the header, and what happens where there is none."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.failover.account import service_account
from contract.failover.servers import serve_json
from modelserve.core.errors import BadSetting
from modelserve_control.common.errors import NoIdentity
from modelserve_control.common.services.identity import (
    Identity,
    anonymous,
    required_service_account,
    service_account_or_user,
    token_source,
)

AUDIENCE = "https://predict.example.com"


def python(code: str) -> str:
    return f'{sys.executable} -S -c "{code}"'


def printing(text: str, status: int = 0) -> str:
    return python(f"import sys; sys.stdout.write({text!r}); sys.exit({status})")


@pytest.fixture(scope="module")
def no_metadata() -> Iterator[str]:
    """Says at once that it is no metadata server; where nothing listens, Google's client tries for 3 s."""
    with serve_json(lambda *_: (404, None)) as url:
        yield url.removeprefix("http://")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_metadata: str) -> Path:
    """One without a service account and without a metadata server; a gcloud may be put into the directory."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("GCE_METADATA_IP", no_metadata)
    monkeypatch.setenv("GCE_METADATA_HOST", no_metadata)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def gcloud(machine: Path, script: str) -> Path:
    calls = machine / "calls"
    path = machine / "gcloud"
    path.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
    path.chmod(0o755)
    return calls


# --- by a command of the user's ---


def test_the_command_is_run_once_for_many_requests(tmp_path: Path) -> None:
    log = tmp_path / "log"
    identity = Identity(token_source(python(f"open('{log}', 'a').write('x'); print('a.b.c')"), anonymous), AUDIENCE)
    assert [identity.headers() for _ in range(3)] == [{"authorization": "Bearer a.b.c"}] * 3
    assert log.read_text() == "x"


def test_the_command_is_told_the_address_of_the_service() -> None:
    identity = Identity(token_source("echo token-for-{audience}", anonymous), f"{AUDIENCE}/")
    assert identity.headers() == {"authorization": f"Bearer token-for-{AUDIENCE}"}


@pytest.mark.parametrize(
    "command",
    [
        printing(""),
        printing("two words"),
        printing("secret", 3),
        printing("secret\nsecret"),
        printing("secr\x01t"),
        "echo sécrèt",
        "no-such-command-here",
    ],
)
def test_a_command_without_a_token_is_an_error_that_repeats_nothing(command: str) -> None:
    with pytest.raises(NoIdentity) as raised:
        Identity(token_source(command, anonymous), AUDIENCE).headers()
    told = raised.value.message
    assert told.startswith("--token-command gave no identity token: ")
    assert not any(word in told for word in ("secr", "words", "sécrèt"))


def test_what_the_command_says_about_itself_is_for_the_user(capfd: pytest.CaptureFixture[str]) -> None:
    command = python("import sys; print('sign in first', file=sys.stderr); sys.exit(1)")
    with pytest.raises(NoIdentity):
        Identity(token_source(command, anonymous), AUDIENCE).headers()
    assert capfd.readouterr().err == "sign in first\n"


@pytest.mark.parametrize("command", ["echo 'unfinished", "  "])
def test_a_command_that_cannot_be_read_is_a_bad_option(command: str) -> None:
    with pytest.raises(BadSetting, match=r"^--token-command "):
        token_source(command, anonymous)


# --- without one ---


def test_who_needs_nobody_shows_nothing() -> None:
    assert Identity(token_source(None, anonymous), AUDIENCE).headers() == {}


def test_who_must_be_an_account_and_is_none_is_told_what_to_say(machine: Path) -> None:
    gcloud(machine, "echo token")
    with pytest.raises(NoIdentity, match='use --token-command "gcloud auth print-identity-token"'):
        Identity(token_source(None, required_service_account), AUDIENCE).headers()


def test_a_person_shows_what_gcloud_gives_and_it_is_asked_once(machine: Path) -> None:
    calls = gcloud(machine, "echo token")
    identity = Identity(service_account_or_user, AUDIENCE)
    assert identity.headers() == identity.headers() == {"authorization": "Bearer token"}
    assert calls.read_text() == "auth print-identity-token\n"


@pytest.mark.parametrize("script", ["echo 'not signed in' >&2; exit 1", "exit 0", "echo not signed in"])
def test_a_person_who_is_nobody_shows_nothing_and_is_told_nothing(
    machine: Path, script: str, capfd: pytest.CaptureFixture[str]
) -> None:
    gcloud(machine, script)
    assert Identity(service_account_or_user, AUDIENCE).headers() == {}
    assert capfd.readouterr().err == ""


def test_without_gcloud_nothing_is_shown(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine))
    assert Identity(service_account_or_user, AUDIENCE).headers() == {}


def test_a_key_that_cannot_be_read_is_no_identity(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "key.json").write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(machine / "key.json"))
    gcloud(machine, "echo token")
    assert Identity(service_account_or_user, AUDIENCE).headers() == {"authorization": "Bearer token"}
    with pytest.raises(NoIdentity):
        Identity(required_service_account, AUDIENCE).headers()


def test_a_token_that_google_cannot_have_made_is_no_identity(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with service_account(machine / "key.json") as path, serve_json(lambda *_: (200, {"id_token": "a.b.c"})) as url:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"token_uri": url}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        with pytest.raises(NoIdentity):
            Identity(required_service_account, AUDIENCE).headers()
