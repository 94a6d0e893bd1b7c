"""Addresses of tables, and what Google's clients refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from requests import ConnectTimeout

from modelserve.core.errors import BadSetting, StoreUnavailable
from modelserve_control.batch.files import bigquery
from modelserve_control.batch.files.bigquery_output import TableOutput


@pytest.mark.parametrize("project", ["my-project", "example.com:my-project"])
def test_an_address_names_a_project_a_dataset_and_a_table(project: str) -> None:
    found = bigquery.parse(f"bq://{project}.data_set.a table-1")
    assert (found.project, found.dataset, found.table) == (project, "data_set", "a table-1")


@pytest.mark.parametrize(
    "address",
    [
        "bq://d.t",
        "bq://p?x=1.d.t",
        "bq://p#x.d.t",
        "bq://p%2F.d.t",
        "bq://p .d.t",
        "bq://p.d.t$1",
        "bq://p.d.t\n",
        "bq://p.d.t/",
        "bq://p.d.t#a",
    ],
)
def test_what_is_no_address_is_named(address: str) -> None:
    """Google's client makes a path of it as it is."""
    with pytest.raises(BadSetting, match="A table is written as"):
        bigquery.parse(address)


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    bigquery.find_credentials.cache_clear()
    yield
    bigquery.find_credentials.cache_clear()


@pytest.mark.usefixtures("no_credentials")
def test_an_output_without_credentials_is_refused_with_the_reason() -> None:
    with pytest.raises(StoreUnavailable, match=r"none\.json was not found"):
        TableOutput("bq://project.dataset.table", overwrite=False)


def test_an_error_without_words_has_its_name() -> None:
    assert bigquery.reason(ConnectTimeout()) == "ConnectTimeout."
