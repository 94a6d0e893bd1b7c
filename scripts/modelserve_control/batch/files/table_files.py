"""Input files (Parquet, CSV, JSON lines), input tables of BigQuery, and output files, at paths and at gs:// addresses.

An output file is complete or does not exist.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import IO, Any, cast

from modelserve.core.errors import ArtifactMissing, BadSetting, NotFound, PreconditionFailed, StoreUnavailable
from modelserve.schema.signature import Signature
from modelserve.store.buckets.objects import Objects
from modelserve.store.download.transfer import FileSpec, download
from modelserve.store.names.locations import Location, parse
from modelserve_control.batch.files.chunks import ParquetFile, TableFile
from modelserve_control.batch.files.csv_file import CsvFile
from modelserve_control.batch.files.json_lines import JsonFile, JsonLinesFile
from modelserve_control.batch.files.remote import ObjectFile
from modelserve_control.common.options import CSV, ENDINGS, JSON, JSON_LINES, PARQUET, ROW_FILES
from modelserve_control.common.output import check_installed
from modelserve_control.common.progress import Progress
from modelserve_control.registry import catalog

BUCKET = "gs://"
TABLE = "bq://"


class OutputExists(PreconditionFailed):
    """A file is only overwritten with --overwrite."""

    code = "OUTPUT_EXISTS"


def is_table(address: str) -> bool:
    return address.startswith(TABLE)


def bigquery_tables() -> ModuleType:
    """Raises PackagesMissing. Only bq:// addresses need Google's clients."""
    check_installed(("bigquery",))
    return import_module("modelserve_control.batch.files.bigquery")


def bigquery_output(address: str, overwrite: bool) -> Any:
    """Raises PackagesMissing, NotFound or OutputExists."""
    check_installed(("bigquery",))
    return import_module("modelserve_control.batch.files.bigquery_output").TableOutput(address, overwrite)


def open_table(path: Path, signature: Signature | None) -> TableFile:
    """Raises MalformedRequest."""
    forms: Mapping[str, Callable[[Path, Signature | None], TableFile]]
    forms = {PARQUET: ParquetFile, CSV: CsvFile, JSON: JsonFile, JSON_LINES: JsonLinesFile}
    return forms[path.suffix.lower()](path, signature)


@contextmanager
def open_part(
    address: str, signature: Signature | None, progress: Progress, start: int = 0, end: int | None = None
) -> Iterator[TableFile]:
    """The row groups from `start` to `end` of a Parquet file, and all of another file or of a table or its stream. Raises
    MalformedRequest."""
    if is_table(address):
        tables = bigquery_tables()
        yield (tables.BigQueryStream if "#" in address else tables.BigQueryTable)(address, signature)
        return
    if suffix(address) != PARQUET or not address.startswith(BUCKET):
        with fetch(address, progress) as path:
            is_parquet = suffix(address) == PARQUET
            yield ParquetFile(path, signature, start, end) if is_parquet else open_table(path, signature)
        return
    location = object_at(address)
    with closing(catalog.open_location(location)) as objects:
        info = objects.stat(location.prefix)
        if info is None:
            raise NotFound(f"There is no object {address}, or no such bucket.")
        yield ParquetFile(cast(IO[bytes], ObjectFile(objects, info)), signature, start, end)


def check_addresses(source: str, output: str) -> None:
    """Raises BadSetting."""
    check_source(source)
    if suffix(output) != PARQUET:
        raise BadSetting(f"OUTPUT is a .parquet file; {output} is not.")


def check_source(source: str) -> None:
    if is_table(source):
        bigquery_tables().parse(source)
    elif suffix(source) not in ROW_FILES:
        raise BadSetting(f"Rows are read from a {ENDINGS} file, or a bq:// table; {source} is none of them.")


def suffix(address: str) -> str:
    return PurePosixPath(address).suffix.lower()


def object_at(address: str) -> Location:
    """Refuses objects below models/: a file there would make a version differ from its manifest."""
    if address.startswith(BUCKET) and address[len(BUCKET) :].partition("/")[2].startswith("models/"):
        raise BadSetting(f"{address} is among the versions of a store; use an address outside of models/.")
    return parse(address)


@contextmanager
def open_source(address: str, progress: Progress) -> Iterator[Callable[[Signature | None], TableFile]]:
    """Yields a function that opens INPUT. A remote file is downloaded first, before a model is loaded."""
    if is_table(address):
        yield partial(bigquery_tables().BigQueryTable, address)
        return
    with fetch(address, progress) as path:
        yield partial(open_table, path)


@contextmanager
def fetch(address: str, progress: Progress) -> Iterator[Path]:
    """A local file with the bytes of INPUT. An object is downloaded, verified, and removed at the end."""
    if not address.startswith(BUCKET):
        path = Path(address)
        if not path.is_file():
            raise NotFound(f"There is no file {address}.")
        yield path
        return
    location = object_at(address)
    with TemporaryDirectory(prefix="modelserve-") as scratch:
        with closing(catalog.open_location(location)) as objects:
            info = objects.stat(location.prefix)
            if info is None:
                raise NotFound(f"There is no object {address}, or no such bucket.")
            progress.say(f"downloading {address}: {info.size:,} bytes")
            spec = FileSpec(info, f"input{suffix(address)}", info.size, info.crc32c, None)
            download([spec], objects, Path(scratch))
        yield Path(scratch, spec.path)


@contextmanager
def create(address: str, overwrite: bool, progress: Progress) -> Iterator[Path]:
    """The path to write to. OUTPUT exists only if the block ends without an error.

    Raises OutputExists at once, and PreconditionFailed at the end when somebody else has created it meanwhile.
    """
    if not address.startswith(BUCKET):
        with create_file(Path(address), overwrite) as path:
            yield path
        return
    location = object_at(address)
    with closing(catalog.open_location(location)) as objects, TemporaryDirectory(prefix="modelserve-") as scratch:
        generation = generation_to_replace(objects, location, address, overwrite)
        path = Path(scratch, "output.parquet")
        yield path
        with progress.count("bytes", path.stat().st_size) as advance:
            if generation:
                # Only `write` can replace a given generation.
                objects.write(location.prefix, path.read_bytes(), generation)
            else:
                objects.create(location.prefix, path, advance)


def generation_to_replace(objects: Objects, location: Location, address: str, overwrite: bool) -> int:
    """0 to create the object. Raises NotFound without a bucket, before an hour of scoring and not after it."""
    info = objects.stat(location.prefix)
    if info is None:
        try:
            objects.list(f"{location.prefix}/")
        except ArtifactMissing as error:
            raise NotFound(f"There is no bucket for {address}.") from error
        return 0
    if not overwrite:
        raise exists_error(address)
    return info.generation


@contextmanager
def create_file(path: Path, overwrite: bool) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        refuse_existing(path, overwrite)
        temporary.touch(exist_ok=False)  # fails before an hour of scoring, not after it
        yield temporary
        refuse_existing(path, overwrite)
        os.replace(temporary, path)
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_dir() or (path.exists() and not overwrite):
        raise exists_error(str(path))


def exists_error(address: str) -> OutputExists:
    return OutputExists(f"{address} exists; name another file, or replace it with --overwrite.")
