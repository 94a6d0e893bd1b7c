from __future__ import annotations

from typing import Any

import pytest

from modelserve.core.errors import BadSetting
from modelserve.core.settings import TABLE, Setting, Settings, settings

TYPED = [row for row in TABLE if row.parse is not str]


def test_without_an_environment_every_default_holds() -> None:
    made = Settings.from_environ({})
    assert {row.name: getattr(made, row.name.lower()) for row in TABLE} == {row.name: row.default for row in TABLE}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_setting_says_what_it_is_for_and_its_default_is_in_range(row: Setting) -> None:
    assert row.help.endswith(".")
    assert row.parse(str(row.default)) == row.default


@pytest.mark.parametrize("row", TYPED, ids=lambda row: row.name)
@pytest.mark.parametrize("text", ["nonsense", "nan", "-1e999"])
def test_a_value_out_of_range_names_the_setting(row: Setting, text: str) -> None:
    with pytest.raises(BadSetting, match=f"^{row.name} must be (a number from|one of|true or false)"):
        Settings.from_environ({row.name: text})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("DRY_RUN", "TRUE", True),
        ("DRY_RUN", "on", True),
        ("DRY_RUN", "0", False),
        ("DRY_RUN", "", False),
        ("MAX_ROWS", "5", 5),
        ("LOAD_WAIT_SECONDS", "0.5", 0.5),
        ("MODEL_TRUST", "pickle", "pickle"),
        ("MODEL_URI", "gs://b/models/n@champion", "gs://b/models/n@champion"),
    ],
)
def test_a_value_is_parsed_by_its_row(name: str, text: str, value: Any) -> None:
    found = getattr(Settings.from_environ({name: text}), name.lower())
    assert found == value
    assert type(found) is type(value)


def test_all_bad_settings_are_named_at_once() -> None:
    with pytest.raises(BadSetting) as raised:
        Settings.from_environ({"MAX_ROWS": "0", "MODEL_TRUST": "all", "METRICS": "maybe"})
    assert raised.value.message == (
        "MODEL_TRUST must be one of strict, pickle; MAX_ROWS must be a number from 1 to 10,000,000; METRICS must be true or false."
    )


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.cache_clear()
    monkeypatch.setenv("MAX_ROWS", "7")
    try:
        assert settings().max_rows == 7
        monkeypatch.setenv("MAX_ROWS", "8")
        assert settings().max_rows == 7
    finally:
        settings.cache_clear()
