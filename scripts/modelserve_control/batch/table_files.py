"""The files of a batch: Parquet, CSV or JSON lines in, chunk by chunk; Parquet out, whole or not at all. Paths and gs:// alike."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from modelserve.core.errors import ArtifactMissing, BadSetting, NotFound, PreconditionFailed, StoreUnavailable
from modelserve.schema.signature import Signature
from modelserve.store.buckets.objects import Objects
from modelserve.store.buckets.open import open_objects
from modelserve.store.download.transfer import Wanted, download
from modelserve.store.names.locations import Location, parse
from modelserve_control.batch.chunks import CsvFile, ParquetFile, TableFile
from modelserve_control.batch.json_lines import JsonLinesFile
from modelserve_control.common.progress import Progress

PARQUET, CSV, JSON_LINES = ".parquet", ".csv", ".jsonl"
BUCKET = "gs://"


class OutputExists(PreconditionFailed):
    """Nothing is overwritten unless that was asked for."""

    code = "OUTPUT_EXISTS"


def opened(path: Path, signature: Signature | None) -> TableFile:
    """Raises MalformedRequest."""
    forms: Mapping[str, Callable[[Path, Signature | None], TableFile]]
    forms = {PARQUET: ParquetFile, CSV: CsvFile, JSON_LINES: JsonLinesFile}
    return forms[path.suffix.lower()](path, signature)


def check_addresses(source: str, output: str) -> None:
    """Raises BadSetting before anything is loaded."""
    check_source(source)
    if suffix(output) != PARQUET:
        raise BadSetting(f"OUTPUT is a .parquet file; {output} is not.")


def check_source(source: str) -> None:
    if suffix(source) not in (PARQUET, CSV, JSON_LINES):
        raise BadSetting(f"Rows are read from a .parquet, .csv or .jsonl file; {source} is none of them.")


def suffix(address: str) -> str:
    return PurePosixPath(address).suffix.lower()


def object_at(address: str) -> Location:
    """An object outside of models/: a file there would make a version differ from its manifest."""
    if address.startswith(BUCKET) and address[len(BUCKET) :].partition("/")[2].startswith("models/"):
        raise BadSetting(f"{address} is among the versions of a store; batch files belong outside of models/.")
    return parse(address)


@contextmanager
def fetched(address: str, progress: Progress) -> Iterator[Path]:
    """A local file with the bytes of INPUT; those of an object are downloaded, checked, and removed at the end."""
    if not address.startswith(BUCKET):
        path = Path(address)
        if not path.is_file():
            raise NotFound(f"There is no file {address}.")
        yield path
        return
    location = object_at(address)
    with TemporaryDirectory(prefix="modelserve-") as scratch:
        with closing(open_objects(location)) as objects:
            info = objects.stat(location.prefix)
            if info is None:
                raise NotFound(f"There is no object {address}, or no such bucket.")
            progress.say(f"downloading {address}: {info.size:,} bytes")
            wanted = Wanted(info, f"input{suffix(address)}", info.size, info.crc32c, None)
            download([wanted], objects, Path(scratch))
        yield Path(scratch, wanted.path)


@contextmanager
def created(address: str, overwrite: bool, progress: Progress) -> Iterator[Path]:
    """Where to write; OUTPUT is there when the block ends well, and nothing is when it raises.

    Raises OutputExists at once, and PreconditionFailed at the end when somebody else was first.
    """
    if not address.startswith(BUCKET):
        with created_file(Path(address), overwrite) as path:
            yield path
        return
    location = object_at(address)
    with closing(open_objects(location)) as objects, TemporaryDirectory(prefix="modelserve-") as scratch:
        generation = taken(objects, location, address, overwrite)
        path = Path(scratch, "output.parquet")
        yield path
        with progress.upload(path.stat().st_size) as advance:
            if generation:
                # A replacement of exactly this generation takes its bytes at once (`Objects.write`).
                objects.write(location.prefix, path.read_bytes(), generation)
            else:
                objects.create(location.prefix, path, advance)


def taken(objects: Objects, location: Location, address: str, overwrite: bool) -> int:
    """The generation to replace, 0 to create. Raises NotFound without a bucket: before an hour of scoring, not after it."""
    info = objects.stat(location.prefix)
    if info is None:
        try:
            objects.list(f"{location.prefix}/")  # little, or nothing
        except ArtifactMissing as error:
            raise NotFound(f"There is no bucket for {address}.") from error
        return 0
    if not overwrite:
        raise exists(address)
    return info.generation


@contextmanager
def created_file(path: Path, overwrite: bool) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        refuse_taken(path, overwrite)
        # Before an hour of scoring, not after it.
        temporary.touch(exist_ok=False)
        yield temporary
        refuse_taken(path, overwrite)
        os.replace(temporary, path)
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def refuse_taken(path: Path, overwrite: bool) -> None:
    if path.is_dir() or (path.exists() and not overwrite):
        raise exists(str(path))


def exists(address: str) -> OutputExists:
    return OutputExists(f"{address} exists; name another file, or replace it with --overwrite.")
