"""Google's clients, and a third-party server."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from benchmarks.servers import environments
from modelserve_control.common import processes
from modelserve_control.common.processes import free_port, run_child

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class BigQuery:
    environment: Mapping[str, str]
    client: bigquery.Client

    def address(self, dataset: str, table: str) -> str:
        return f"bq://{self.client.project}.{dataset}.{table}"

    def load(self, path: Path, dataset: str, table: str, schema: list[bigquery.SchemaField], rows: pa.Table) -> str:
        """As anybody loads a file with Google's client."""
        pq.write_table(rows, path)
        config = bigquery.LoadJobConfig(source_format="PARQUET", schema=schema)
        config.parquet_options = bigquery.ParquetOptions.from_api_repr({"enableListInference": True})
        with path.open("rb") as file:
            self.client.load_table_from_file(file, f"{dataset}.{table}", job_config=config).result()
        return self.address(dataset, table)

    def rows(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """In the order of the column `row`, as BigQuery's own way of looking into a table shows them."""
        found = [dict(row) for row in self.client.list_rows(f"{dataset}.{table}")]
        return sorted(found, key=lambda row: str(row["row"]))

    def tables(self, dataset: str) -> set[str]:
        return {table.table_id for table in self.client.list_tables(dataset)}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQuery]:
    python = environments.make(processes.SOURCES / ".cache" / "bigquery" / "venv", HERE / "requirements.txt")
    rest, grpc = free_port(), free_port()
    log = tmp_path_factory.mktemp("bigquery") / "log"
    command = [str(python), str(HERE / "emulator.py"), str(rest), str(grpc)]
    with run_child("bqemulator", command, log, lambda: listens(rest) and listens(grpc), processes.with_sources({})):
        url = f"http://127.0.0.1:{rest}"
        environment = {"BIGQUERY_EMULATOR_HOST": url, "BIGQUERY_STORAGE_EMULATOR_HOST": f"127.0.0.1:{grpc}"}
        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]  # Google's has no types
        client = bigquery.Client("project", anonymous, client_options={"api_endpoint": url})
        yield BigQuery(environment, client)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def dataset(server: BigQuery, request: pytest.FixtureRequest) -> str:
    """The name of one that only this test has."""
    name = f"d{abs(hash(request.node.nodeid))}"
    server.client.create_dataset(name)
    return name
