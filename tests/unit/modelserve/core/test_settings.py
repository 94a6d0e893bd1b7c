from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest

from modelserve.core.errors import BadSetting
from modelserve.core.settings import Settings, parse, settings

FIELDS = fields(Settings)
TYPED = [row for row in FIELDS if not isinstance(row.default, str) or row.metadata["choices"]]
PAGE = Path(__file__).parents[4] / "docs" / "settings.md"


def name_of(row: Field[Any]) -> str:
    return row.name.upper()


@pytest.mark.parametrize("row", FIELDS, ids=name_of)
def test_a_setting_has_a_help_text_and_a_default_that_is_allowed(row: Field[Any]) -> None:
    assert row.metadata["help"].endswith(".")
    assert parse(str(row.default), row.default, **row.metadata) == row.default
    assert getattr(Settings.from_environ({}), row.name) == row.default


def documentation(row: Field[Any]) -> str:
    """The row of docs/settings.md."""
    default: Any = row.default
    if isinstance(default, bool):
        default, allowed = str(default).lower(), "true, false"
    elif row.metadata["range"]:
        allowed = "{:,} to {:,}".format(*row.metadata["range"])
    else:
        allowed = ", ".join(row.metadata["choices"])
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f"| `{name_of(row)}` | {shown and f'`{shown}`'} | {allowed} | {row.metadata['help']} |"


def test_the_page_of_settings_has_each_of_them_as_it_is() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [documentation(row) for row in FIELDS]


@pytest.mark.parametrize("row", TYPED, ids=name_of)
@pytest.mark.parametrize("text", ["nonsense", "nan", "-1e999"])
def test_a_value_out_of_range_names_the_setting(row: Field[Any], text: str) -> None:
    with pytest.raises(BadSetting, match=f"^{name_of(row)} must be (a number from|one of|true or false)"):
        Settings.from_environ({name_of(row): text})


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
def test_a_value_has_the_type_of_its_default(name: str, text: str, value: Any) -> None:
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
