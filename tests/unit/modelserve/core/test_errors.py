from __future__ import annotations

import re

import pytest

from modelserve.core import errors
from modelserve.core.errors import ServeError

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ServeError)]


def test_every_failure_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in CLASSES]
    assert len(set(codes)) == len(codes) > 20


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not ServeError])
def test_a_class_has_the_name_of_its_code(kind: type[ServeError]) -> None:
    assert kind.code == re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).upper()


@pytest.mark.parametrize("kind", CLASSES)
def test_only_what_the_caller_sent_is_a_4xx_and_only_what_may_pass_is_retryable(kind: type[ServeError]) -> None:
    assert 400 <= kind.status < 600
    if issubclass(kind, errors.BadInput):
        assert kind.status < 500
        assert not kind.retryable
    if issubclass(kind, errors.Unavailable):
        assert kind.retryable
        assert kind("later").headers == {"retry-after": "1"}


def test_a_failure_has_one_shape() -> None:
    error = errors.SignatureMismatch("1 cell does not fit.", [{"row": 0, "column": "a", "reason": "null"}])
    assert errors.body(error, "r1") == {
        "error_code": "SIGNATURE_MISMATCH",
        "message": "1 cell does not fit.",
        "details": [{"row": 0, "column": "a", "reason": "null"}],
        "request_id": "r1",
    }
    assert error.headers == {}


def test_a_bug_says_nothing_about_itself() -> None:
    body = errors.body(KeyError("secret"), "r1")
    assert body["error_code"] == "INTERNAL_ERROR"
    assert "secret" not in str(body)


def test_an_unknown_method_names_those_there_are_and_not_the_one_asked_for() -> None:
    error = errors.UnknownMethod("secret", ["predict", "predict_proba"])
    assert error.message == "This model has no such predict_method; it has predict, predict_proba."
    assert error.method == "secret"


def test_a_method_that_is_not_allowed_names_those_that_are() -> None:
    error = errors.MethodNotAllowed(["GET", "POST"])
    assert (error.message, error.headers) == ("This address takes GET and POST.", {"allow": "GET, POST"})


def test_a_413_names_the_limit_the_setting_and_the_batch_command() -> None:
    error = errors.TooLarge.over_limit(10_000, "rows", "MAX_ROWS")
    assert error.message == (
        "The request has more than 10,000 rows, the limit that MAX_ROWS sets; use `modelserve score` for a batch."
    )
    fixed = errors.TooLarge.over_limit(100, "bytes", None, "The unpacked Parquet file")
    assert fixed.message == "The unpacked Parquet file has more than 100 bytes; use `modelserve score` for a batch."
