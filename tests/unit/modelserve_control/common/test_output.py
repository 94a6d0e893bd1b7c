"""How a command ends."""

from __future__ import annotations

import json
from typing import Any

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from modelserve.core.errors import BadSetting, SignatureMismatch
from modelserve_control.common.output import advice, prints_result, texts_advice


def command(raised: Exception | None) -> click.Command:
    @click.command()
    @prints_result(lambda result: f"made {result['what']}")
    def make() -> dict[str, str]:
        if raised:
            raise raised
        return {"what": "tea"}

    return make


def test_a_person_is_shown_the_first_details_of_many() -> None:
    details = [{"row": row, "column": f"x{row}", "reason": "null"} for row in range(1_000)]
    refused = command(SignatureMismatch("1000 cells do not fit.", details))
    lines = CliRunner().invoke(refused, []).stderr.splitlines()
    assert len(lines) == 22
    assert lines[1] == "  x0: null (in row 0)"
    assert lines[-1] == "  and 980 more, which --json prints"
    assert len(json.loads(CliRunner().invoke(refused, ["--json"]).stdout)["details"]) == 1_000


def test_cells_of_one_column_and_reason_are_one_line_with_their_rows() -> None:
    details = [{"row": row, "column": "x", "reason": "null"} for row in range(990)]
    details += [{"row": row, "column": "x", "reason": "a list, needs double"} for row in (7, 8, 9)]
    details += [{"row": None, "column": "y", "reason": "a required column is missing"}]
    refused = command(SignatureMismatch("994 cells do not fit.", details))
    assert CliRunner().invoke(refused, []).stderr.splitlines()[1:] == [
        "  x: null (in 990 rows: 0, 1, 2, ...)",
        "  x: a list, needs double (in 3 rows: 7, 8, 9)",
        "  y: a required column is missing",
    ]
    assert json.loads(CliRunner().invoke(refused, ["--json"]).stdout)["details"] == details


@pytest.mark.parametrize(
    ("message", "details"),
    [
        ("2 cells do not fit.", [{"row": 0, "column": name, "reason": "an integer, needs string"} for name in "ab"]),
        ("None of the 2 rows can be scored: a: an integer, needs string; b: a number, needs string.", []),
        ("B refuses with: x: a list, needs double. a: an integer, needs string. b: a decimal, needs string.", []),
    ],
)
def test_a_number_where_the_model_takes_a_text_is_refused_with_what_to_do(message: str, details: list[Any]) -> None:
    refused = command(SignatureMismatch(message, details))
    assert CliRunner().invoke(refused, []).stderr.splitlines()[-1] == (
        "The model takes texts for a, b: make them texts before, as your program does, in pandas with "
        'rows[["a", "b"]].astype("Int64").astype("string"), and .fillna(-1) before that if the training had it.'
    )
    body = json.loads(CliRunner().invoke(refused, ["--json"]).stdout)
    assert (body["message"], body["details"]) == (message, details)


def test_what_is_advised_gives_the_texts_of_whole_numbers_also_with_nulls() -> None:
    code = texts_advice(["a", "b"]).partition("in pandas with ")[2].partition(", and ")[0]
    rows = pd.DataFrame({"a": [231.0, None], "b": [7, 8]})
    texts = eval(code, {"rows": rows})
    assert texts.astype(object).where(texts.notna(), None).to_dict("records") == [
        {"a": "231", "b": "7"},
        {"a": None, "b": "8"},
    ]


def test_nothing_is_advised_on_other_cells() -> None:
    refused = command(SignatureMismatch("One does not fit.", [{"row": 0, "column": "a", "reason": "null"}]))
    assert CliRunner().invoke(refused, []).stderr == "modelserve: One does not fit.\n  a: null (in row 0)\n"


def test_a_long_message_is_read_in_no_time() -> None:
    """Tried at each letter, it takes minutes, beyond the timeout of a test."""
    assert advice("a" * 400_000, "x is wrong. COL.X: an integer, needs string; b: a number, needs string")[
        0
    ].startswith("The model takes texts for COL.X, b: ")


def test_a_result_is_worded_or_one_json_document() -> None:
    assert CliRunner().invoke(command(None), []).stdout == "made tea\n"
    assert json.loads(CliRunner().invoke(command(None), ["--json"]).stdout) == {"what": "tea"}


def test_a_refusal_is_a_sentence_on_stderr_or_the_error_body_on_stdout() -> None:
    refused = command(SignatureMismatch("One cell does not fit.", [{"row": 0, "column": "x", "reason": "null"}]))
    said = CliRunner().invoke(refused, [])
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == "modelserve: One cell does not fit.\n  x: null (in row 0)\n"
    body = json.loads(CliRunner().invoke(refused, ["--json"]).stdout)
    assert body.keys() == {"error_code", "message", "details", "request_id"}
    assert body["error_code"] == "SIGNATURE_MISMATCH"


def test_what_a_detail_does_not_know_is_not_said() -> None:
    refused = command(SignatureMismatch("One pin differs.", [{"here": None, "package": "x"}]))
    assert CliRunner().invoke(refused, []).stderr == "modelserve: One pin differs.\n  package: x\n"


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_name_that_breaks_a_rule_is_misuse(words: list[str]) -> None:
    assert CliRunner().invoke(command(BadSetting("A name has letters.")), words).exit_code == 2
