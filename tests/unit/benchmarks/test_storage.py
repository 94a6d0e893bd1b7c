"""Which form of a model is published how, and what is said when it cannot be."""

from __future__ import annotations

import pytest

from benchmarks.storage import COMPILED_FORM, FORMS, NATIVE_FORM, NotPublished, Store, compile_option

OLD, NEW = "Usage: modelserve publish\n  --name TEXT", "Usage: modelserve publish\n  --compile [auto|require|never]"


def test_each_form_is_asked_for_where_the_command_knows_how() -> None:
    assert compile_option(NEW, NATIVE_FORM) == ["--compile", "never"]
    assert compile_option(NEW, COMPILED_FORM) == ["--compile", "require"]


def test_a_command_without_the_option_publishes_native_and_says_so_of_compiled() -> None:
    assert compile_option(OLD, NATIVE_FORM) == []
    with pytest.raises(NotPublished, match="has no --compile"):
        compile_option(OLD, COMPILED_FORM)


def test_every_form_has_a_name_of_its_own() -> None:
    store = Store("", "churn")
    assert len({store.uri(form) for form in FORMS}) == len(FORMS)


def test_a_form_that_was_refused_says_why_when_it_is_asked_for() -> None:
    with pytest.raises(NotPublished, match="column 3 differs"):
        Store("", "churn", {COMPILED_FORM: "column 3 differs"}).uri(COMPILED_FORM)
