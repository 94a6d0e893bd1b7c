"""How a command ends."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from modelserve.core.errors import BadSetting, SignatureMismatch
from modelserve_control.common.output import prints_result


def command(raised: Exception | None) -> click.Command:
    @click.command()
    @prints_result(lambda result: f"made {result['what']}")
    def make() -> dict[str, str]:
        if raised:
            raise raised
        return {"what": "tea"}

    return make


def test_a_person_is_shown_the_first_details_of_many() -> None:
    details = [{"row": row, "column": "x"} for row in range(1_000)]
    refused = command(SignatureMismatch("1000 cells do not fit.", details))
    lines = CliRunner().invoke(refused, []).stderr.splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  and 980 more, which --json prints"
    assert len(json.loads(CliRunner().invoke(refused, ["--json"]).stdout)["details"]) == 1_000


def test_a_result_is_worded_or_one_json_document() -> None:
    assert CliRunner().invoke(command(None), []).stdout == "made tea\n"
    assert json.loads(CliRunner().invoke(command(None), ["--json"]).stdout) == {"what": "tea"}


def test_a_refusal_is_a_sentence_on_stderr_or_the_error_body_on_stdout() -> None:
    refused = command(SignatureMismatch("One cell does not fit.", [{"row": 0, "column": "x"}]))
    said = CliRunner().invoke(refused, [])
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == "modelserve: One cell does not fit.\n  row: 0, column: x\n"
    body = json.loads(CliRunner().invoke(refused, ["--json"]).stdout)
    assert body.keys() == {"error_code", "message", "details", "request_id"}
    assert body["error_code"] == "SIGNATURE_MISMATCH"


def test_what_a_detail_does_not_know_is_not_said() -> None:
    refused = command(SignatureMismatch("One column is missing.", [{"row": None, "column": "x"}]))
    assert CliRunner().invoke(refused, []).stderr == "modelserve: One column is missing.\n  column: x\n"


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_name_that_breaks_a_rule_is_misuse(words: list[str]) -> None:
    assert CliRunner().invoke(command(BadSetting("A name has letters.")), words).exit_code == 2
