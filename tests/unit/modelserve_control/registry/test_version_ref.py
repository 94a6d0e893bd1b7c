"""One syntax for references to versions in all commands."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from modelserve.core.errors import BadSetting, NotFound
from modelserve_control.cli.main import main
from modelserve_control.common.progress import Lines
from modelserve_control.compare.sides import sides
from modelserve_control.local import local
from modelserve_control.registry.version_ref import METAVAR, model_uri

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
    assert sides.resolve_subject(None, text, "gs://store") == (FORMS[text], False)
    assert local._uri(text, "store") == FORMS[text]
    if text != "churn":  # alone it is an alias of NAME there
        assert sides.resolve_subject("flights", text, "gs://store") == (FORMS[text], False)


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_stays_as_it_is(text: str) -> None:
    assert model_uri(text, "gs://store") == model_uri(text, None) == local._uri(text, "store") == text


def test_beside_a_name_a_version_or_an_alias_is_enough() -> None:
    assert sides.resolve_subject("churn", "7", "gs://store") == (FORMS["churn/7"], False)
    assert sides.resolve_subject("churn", "blue", "gs://store") == (FORMS["churn@blue"], False)


def test_an_existing_directory_has_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn" / "7").mkdir(parents=True)
    assert [model_uri(text, "gs://store") for text in ("churn", "churn/7")] == ["churn", "churn/7"]
    assert local._uri("churn", "store") == FORMS["churn"]  # it serves the bucket


@pytest.mark.parametrize(
    ("text", "store", "said"),
    [
        (
            "churn",
            "gs://store",
            "churn is the directory of that name here; churn@champion is a version of gs://store\n",
        ),
        ("churn", None, ""),
        ("./churn", "gs://store", ""),
        ("churn@champion", "gs://store", ""),
    ],
)
def test_a_directory_in_place_of_a_model_of_the_store_is_said(
    text: str, store: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn").mkdir()
    shown = io.StringIO()
    model_uri(text, store, Lines(shown))
    assert shown.getvalue() == said


@pytest.mark.parametrize(
    ("text", "store", "said", "error"),
    [
        ("churn", None, "There is no directory churn here; .* --store", BadSetting),
        ("churn/7", None, "There is no directory churn/7 here; .* --store", BadSetting),
        ("churn@", "gs://store", "An alias has", BadSetting),
        ("churn/versions/x", "gs://store", "A version has", BadSetting),
        ("churn@latest", "gs://store", "An alias has", BadSetting),
        ("-churn", "gs://store", "A model name starts", BadSetting),
        ("churn", "nowhere", "--store nowhere does not exist", NotFound),
        ("models:/churn/1", "gs://store", "an address of MLflow: publish the model", BadSetting),
        ("runs:/abc/model", None, "an address of MLflow: publish the model", BadSetting),
    ],
)
def test_an_invalid_reference_is_refused(
    text: str, store: str | None, said: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said):
        model_uri(text, store)


@pytest.mark.parametrize("words", [("m", "7"), ("m/7",), ("m/versions/7",)])
@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("promote", "The store has no model m; it has none."),
        ("release", "The store has no model m; it has none."),
        ("delete", "m has no version 7; it has none."),
    ],
)
def test_a_command_for_one_version_takes_it_as_one_word_or_as_two(
    command: str, answer: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    rules = tmp_path / "thresholds.yaml"
    rules.write_text("{}")
    more = ("--data", "rows.csv", "--thresholds", str(rules)) if command == "release" else ()
    said = CliRunner().invoke(main, [command, *words, "--store", str(tmp_path), *more])
    assert (said.exit_code, said.stderr) == (1, f"modelserve: {answer}\n")


@pytest.mark.parametrize("words", [(), ("m",), ("m@champion",), ("m", "7", "8"), ("m/7", "8", "9")])
@pytest.mark.parametrize("command", ["promote", "delete"])
def test_a_command_for_one_version_says_how_to_name_it(command: str, words: tuple[str, ...], tmp_path: Path) -> None:
    said = CliRunner().invoke(main, [command, *words, "--store", str(tmp_path)])
    assert said.exit_code == 2
    assert "NAME VERSION|NAME/VERSION" in said.stderr  # in its usage


@pytest.mark.parametrize("words", [("m", "one"), ("m/one",), ("m/",), ("m/7", "8"), ("m/7/8",)])
def test_an_invalid_version_is_refused_like_any_other_name(words: tuple[str, ...], tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["promote", *words, "--store", str(tmp_path), "--json"])
    assert said.exit_code == 2
    assert json.loads(said.stdout)["error_code"] == "BAD_SETTING"


@pytest.mark.parametrize(
    "command", [["show"], ["schema"], ["doctor"], ["score"], ["compare"], ["local", "up"]], ids=str
)
def test_every_command_uses_the_same_words(command: list[str]) -> None:
    shown = CliRunner().invoke(main, [*command, "--help"]).output
    assert METAVAR in " ".join(shown.split())
