"""What a manifest says about where a version came from."""

from __future__ import annotations

import re

import pytest

from modelserve_control.common import provenance


def test_who_is_the_account_that_gcloud_uses_else_user_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDSDK_CORE_ACCOUNT", "ann@example.com")
    assert provenance.author() == "ann@example.com"
    monkeypatch.delenv("CLOUDSDK_CORE_ACCOUNT")
    assert re.fullmatch(r".+@.+", provenance.author())


def test_now_is_rfc_3339_in_utc() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", provenance.now())


def test_outside_a_checkout_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert provenance.commit() is None


def test_what_is_not_known_is_left_out() -> None:
    found = provenance.provenance("runs:/1/model", {"run_id": "1", "model_id": None})
    assert found["run_id"] == "1"
    assert "model_id" not in found
    assert found["tool"].startswith("modelserve ")
