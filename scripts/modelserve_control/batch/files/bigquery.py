"""Tables of BigQuery, read by Google's clients as streams of Arrow. Imported only for bq:// addresses; the extra `bigquery`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Final

import google.auth
import grpc
import pyarrow as pa
from google.api_core.exceptions import GoogleAPIError
from google.api_core.exceptions import NotFound as Missing
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery, bigquery_storage
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from requests import RequestException

from modelserve.core.errors import BadSetting, NotFound, StoreUnavailable
from modelserve.core.settings import google_variable
from modelserve.schema.signature import Signature
from modelserve_control.batch.files.chunks import ArrowFile

ADDRESS: Final = re.compile(r"bq://(?P<project>[\w.:-]+)\.(?P<dataset>\w+)\.(?P<table>[\w -]+)")
MAX_STREAMS: Final = 1000  # of a read session; BigQuery may give fewer
STREAM_ROWS: Final = 1_000_000


@dataclass(frozen=True)
class TableName:
    project: str
    dataset: str
    table: str

    @property
    def sql_id(self) -> str:
        return f"{self.project}.{self.dataset}.{self.table}"

    @property
    def resource(self) -> str:
        return f"projects/{self.project}/datasets/{self.dataset}/tables/{self.table}"


def parse(address: str) -> TableName:
    """Raises BadSetting."""
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise BadSetting(f"A table is written as bq://PROJECT.DATASET.TABLE; {address} is not.")
    return TableName(**match.groupdict())


# --- clients ---


@cache
def find_credentials() -> tuple[Any, str | None]:
    """The credentials, and the project of the environment if it names one: it pays for jobs and reads."""
    if google_variable("BIGQUERY_EMULATOR_HOST"):
        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]  # Google's has no types
        return anonymous, google_variable("GOOGLE_CLOUD_PROJECT") or None
    credentials, project = google.auth.default(scopes=("https://www.googleapis.com/auth/cloud-platform",))
    return credentials, project


def paying_project(name: TableName) -> str:
    return find_credentials()[1] or name.project


def job_client(name: TableName) -> bigquery.Client:
    return bigquery.Client(project=paying_project(name), credentials=find_credentials()[0])


@cache
def read_client() -> bigquery_storage.BigQueryReadClient:
    """All streams share its connection."""
    if emulator := google_variable("BIGQUERY_STORAGE_EMULATOR_HOST"):
        transport = BigQueryReadGrpcTransport(channel=grpc.insecure_channel(emulator))
        return bigquery_storage.BigQueryReadClient(transport=transport)
    return bigquery_storage.BigQueryReadClient(credentials=find_credentials()[0])


@contextmanager
def translate_errors(address: str) -> Iterator[None]:
    try:
        yield
    except Missing as error:
        raise NotFound(f"{address} does not exist or may not be read: {reason(error)}") from error
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise StoreUnavailable(f"BigQuery failed for {address}: {reason(error)}") from error


def reason(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return f"{text.splitlines()[0].rstrip('.')}."


# --- reading ---


def create_session(name: TableName, columns: Sequence[str], streams: int) -> bigquery_storage.types.ReadSession:
    """A snapshot of the table. Empty `columns` are all columns."""
    types = bigquery_storage.types
    session = types.ReadSession(
        table=name.resource,
        data_format=types.DataFormat.ARROW,
        read_options=types.ReadSession.TableReadOptions(selected_fields=columns),
    )
    return read_client().create_read_session(
        parent=f"projects/{paying_project(name)}", read_session=session, max_stream_count=streams
    )


def read_schema(message: Any) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(message.arrow_schema.serialized_schema))


class BigQueryTable(ArrowFile):
    form = "table"

    def __init__(self, address: str, signature: Signature | None) -> None:
        self.address = address
        self.name = parse(address)
        with translate_errors(address):
            session = create_session(self.name, (), 1)
        super().__init__(read_schema(session), session.estimated_row_count, signature)

    def fields(self) -> list[pa.Field]:
        """With the names of their types in BigQuery."""
        return [one.with_metadata(self.stored[one.name].metadata) for one in super().fields()]

    def batches(self, size: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for stream in self.split(columns, 1):
            yield from BigQueryStream(f"{self.address}#{stream}", None).batches(size, columns)

    def split(self, columns: Sequence[str], streams: int | None = None) -> list[str]:
        """The names of its streams, by default one for about a million rows. An empty table has none."""
        if streams is None:
            streams = min(self.rows // STREAM_ROWS + 1, MAX_STREAMS)
        with translate_errors(self.address):
            return [stream.name for stream in create_session(self.name, columns, streams).streams]


class BigQueryStream(ArrowFile):
    """A part of a table, read once: its address ends with # and the name of the stream. Google's client resumes it when a
    connection breaks."""

    form = "stream"

    def __init__(self, address: str, signature: Signature | None) -> None:
        self.address = address
        with translate_errors(address):
            messages = iter(read_client().read_rows(address.partition("#")[2]))
            first = next(messages, None)  # only this one has the schema; a stream may have no rows
        self.schema = pa.schema([]) if first is None else read_schema(first)
        self.messages = chain([] if first is None else [first], messages)
        super().__init__(self.schema, 0, signature)

    def batches(self, size: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with translate_errors(self.address):
            for message in self.messages:
                data = pa.py_buffer(message.arrow_record_batch.serialized_record_batch)
                batch = pa.ipc.read_record_batch(data, self.schema).select(columns)
                for start in range(0, batch.num_rows, size):
                    yield batch.slice(start, size)


def read_table(address: str) -> pa.Table:
    """All rows at once."""
    file = BigQueryTable(address, None)
    return pa.Table.from_batches(file.batches(1 << 20, file.all_names), schema=pa.schema(list(file.stored.values())))
