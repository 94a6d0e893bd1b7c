"""One way of naming a version, for every command that takes one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from modelserve.errors import NotFound, SettingError
from modelserve_control import local
from modelserve_control.cli import main
from modelserve_control.compare import sides
from modelserve_control.subjects import METAVAR, model_uri

FORMS = {
    "churn": "gs://store/models/churn@champion",
    "churn@blue": "gs://store/models/churn@blue",
    "churn/7": "gs://store/models/churn/versions/7",
    "churn/versions/7": "gs://store/models/churn/versions/7",
}
ADDRESSES = ("gs://other/models/churn@blue", "gs://other/run/artifacts", "/models/churn", "./churn", "a/b")


@pytest.mark.parametrize("text", FORMS)
def test_every_form_is_understood_wherever_a_model_may_be_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_uri(text, "gs://store") == model_uri(text, "gs://store/") == FORMS[text]
    assert sides.job(None, text, "gs://store") == (FORMS[text], False)
    assert local._uri(text, "store") == FORMS[text]
    if text != "churn":  # alone it is an alias of NAME there
        assert sides.job("flights", text, "gs://store") == (FORMS[text], False)


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_stays_as_it_is(text: str) -> None:
    assert model_uri(text, "gs://store") == model_uri(text, None) == local._uri(text, "store") == text


def test_beside_a_name_a_version_or_an_alias_is_enough() -> None:
    assert sides.job("churn", "7", "gs://store") == (FORMS["churn/7"], False)
    assert sides.job("churn", "blue", "gs://store") == (FORMS["churn@blue"], False)


def test_a_directory_that_is_there_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn" / "7").mkdir(parents=True)
    assert [model_uri(text, "gs://store") for text in ("churn", "churn/7")] == ["churn", "churn/7"]
    assert local._uri("churn", "store") == FORMS["churn"]  # the bucket is what it serves


@pytest.mark.parametrize(
    ("text", "store", "said", "error"),
    [
        ("churn", None, "There is no directory churn here; .* --store", SettingError),
        ("churn/7", None, "There is no directory churn/7 here; .* --store", SettingError),
        ("churn@", "gs://store", "An alias has", SettingError),
        ("churn/versions/x", "gs://store", "A version has", SettingError),
        ("churn@latest", "gs://store", "An alias has", SettingError),
        ("-churn", "gs://store", "A model name starts", SettingError),
        ("churn", "nowhere", "--store nowhere does not exist", NotFound),
    ],
)
def test_what_names_nothing_is_refused(
    text: str, store: str | None, said: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said):
        model_uri(text, store)


@pytest.mark.parametrize(
    "command", [["show"], ["schema"], ["doctor"], ["score"], ["compare"], ["local", "up"]], ids=str
)
def test_every_command_says_it_in_the_same_words(command: list[str]) -> None:
    shown = CliRunner().invoke(main, [*command, "--help"]).output
    assert METAVAR in " ".join(shown.split())
