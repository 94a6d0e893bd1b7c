"""A BigQuery table that is replaced as a whole: parts are loaded into a staging table, and one copy job replaces the output."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from google.api_core.exceptions import Conflict, GoogleAPIError
from google.api_core.exceptions import NotFound as Missing
from google.cloud import bigquery
from requests import RequestException

from modelserve.core.errors import BadSetting
from modelserve_control.batch.files.bigquery import job_client, parse, translate_errors
from modelserve_control.batch.files.bigquery_types import as_loadable, table_schema
from modelserve_control.batch.files.table_files import exists_error
from modelserve_control.common.progress import Progress

# After this time BigQuery deletes the staging table of a killed batch.
STAGING_LIFE: Final = timedelta(days=1)


class TableOutput:
    """Readers see the old table until the new one is complete."""

    def __init__(self, address: str, overwrite: bool) -> None:
        """Raises NotFound, OutputExists or BadSetting before the first row is scored, not after the last."""
        self.address = address
        self.overwrite = overwrite
        self.name = parse(address)
        self.schema: list[bigquery.SchemaField] = []
        with translate_errors(address):
            self.client = job_client(self.name)
            self.check_target()

    def check_target(self) -> None:
        try:
            found = self.client.get_table(self.name.sql_id)
        except Missing:
            self.client.get_dataset(f"{self.name.project}.{self.name.dataset}")
            return
        if found.table_type != "TABLE":
            raise BadSetting(f"{self.address} is a {found.table_type.lower()}, which cannot be written.")
        if not self.overwrite:
            raise exists_error(self.address)

    def choose_schema(self, kept: Sequence[pa.Field], others: pa.Schema) -> list[pa.Field]:
        """The kept columns with the types to write. Raises BadSetting for a column that BigQuery does not support."""
        fields = [as_loadable(field) for field in kept]
        self.schema = table_schema([*fields, *others])
        return fields

    def replace(self, parts: Sequence[Path], progress: Progress) -> None:
        """Raises OutputExists when somebody else has created the table meanwhile."""
        run = f"modelserve_{uuid.uuid4().hex}"
        with translate_errors(self.address):
            staging = bigquery.Table(f"{self.name.sql_id}_{run}", schema=self.schema)
            staging.expires = datetime.now(UTC) + STAGING_LIFE
            staging = self.client.create_table(staging)
            try:
                self.load(parts, staging, run, progress)
                staging.expires = None  # whether a copy expires with its source is not documented
                staging = self.client.update_table(staging, ["expires"])
                self.copy(staging, run)
            finally:
                self.remove(staging, progress)

    def load(self, parts: Sequence[Path], staging: bigquery.Table, run: str, progress: Progress) -> None:
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            schema=staging.schema,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            column_name_character_map="STRICT",  # names stay as they are, or are refused
        )
        config.parquet_options = bigquery.ParquetOptions.from_api_repr({"enableListInference": True})
        jobs = []
        with progress.count("bytes", sum(part.stat().st_size for part in parts)) as advance:
            for number, part in enumerate(parts):
                with part.open("rb") as file:

                    def upload(job_id: str, file: Any = file) -> Any:
                        return self.client.load_table_from_file(
                            file, staging, rewind=True, job_id=job_id, job_config=config
                        )

                    jobs.append(self.start_once(upload, f"{run}_{number}", staging.location))
                advance(part.stat().st_size)
        for job in jobs:
            job.result()

    def copy(self, staging: bigquery.Table, run: str) -> None:
        modes = bigquery.WriteDisposition
        config = bigquery.CopyJobConfig(write_disposition=modes.WRITE_TRUNCATE if self.overwrite else modes.WRITE_EMPTY)

        def start(job_id: str) -> Any:
            return self.client.copy_table(staging, self.name.sql_id, job_id=job_id, job_config=config)

        job = self.start_once(start, f"{run}_copy", staging.location)
        try:
            job.result()
        except Conflict as error:
            raise exists_error(self.address) from error

    def remove(self, staging: bigquery.Table, progress: Progress) -> None:
        try:
            self.client.delete_table(staging, not_found_ok=True)
        except (GoogleAPIError, RequestException):
            progress.say(f"the staging table {staging.table_id} could not be removed; remove it yourself")

    def start_once(self, start: Callable[[str], Any], job_id: str, location: str | None) -> Any:
        """The job ID belongs to the run, so a retry after a lost answer does not start a second job."""
        try:
            return start(job_id)
        except GoogleAPIError:
            with suppress(Missing):
                return self.client.get_job(job_id, location=location)
            raise
