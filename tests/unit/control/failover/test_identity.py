"""Which token is shown, and what happens where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelserve_control.failover.identity import Identity


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One without a service account and without a metadata server; a gcloud may be put into the directory."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def gcloud(machine: Path, script: str) -> Path:
    calls = machine / "calls"
    path = machine / "gcloud"
    path.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
    path.chmod(0o755)
    return calls


def test_a_person_shows_what_gcloud_gives_and_it_is_asked_once(machine: Path) -> None:
    calls = gcloud(machine, "echo token")
    identity = Identity("https://predict.example.com")
    assert identity.headers() == identity.headers() == {"Authorization": "Bearer token"}
    assert calls.read_text() == "auth print-identity-token\n"


@pytest.mark.parametrize("script", ["echo 'not signed in' >&2; exit 1", "exit 0"])
def test_without_an_identity_nothing_is_shown(machine: Path, script: str) -> None:
    gcloud(machine, script)
    assert Identity("https://predict.example.com").headers() == {}


def test_without_gcloud_nothing_is_shown(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine))
    assert Identity("https://predict.example.com").headers() == {}


def test_a_key_that_cannot_be_read_is_no_identity(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "key.json").write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(machine / "key.json"))
    gcloud(machine, "echo token")
    assert Identity("https://predict.example.com").headers() == {"Authorization": "Bearer token"}
