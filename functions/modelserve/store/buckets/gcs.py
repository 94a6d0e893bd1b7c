"""A Cloud Storage bucket, read by `gcs_read` and written by Google's client, which is imported with the first write.

The client's own retries are off: they restart the time limit for each part, and cannot tell whether a write whose response
was lost has arrived.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, PreconditionFailed
from modelserve.store.buckets.gcs_read import GcsReader, error_of
from modelserve.store.buckets.objects import ObjectInfo, Progress
from modelserve.store.buckets.retry import Deadline, Transient
from modelserve.store.names import checksums

T = TypeVar("T")

WRITER: Final = "roles/storage.objectUser"  # creates, replaces and reads; objectCreator may not replace an alias

# By default the client reads the bucket's metadata for its traces, which takes a request and a permission that is not
# needed otherwise. It reads this variable at every call.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")


class GcsObjects(GcsReader):
    @cached_property
    def _bucket(self) -> Any:
        from google.cloud.storage import Client

        from modelserve.store.buckets.credentials import as_store_errors

        # Objects need no project, and looking for one can take seconds.
        options: dict[str, Any] = {"project": None}
        if self._emulator:
            options |= {"client_options": {"api_endpoint": self._emulator}, "use_auth_w_custom_endpoint": False}
        with as_store_errors():
            return Client(**options).bucket(self.bucket)

    def create(self, name: str, source: Path, progress: Progress | None = None) -> ObjectInfo:
        expected = checksums.of_file(source)
        reader: _CountingReader | None = None

        def attempt() -> ObjectInfo:
            nonlocal reader
            with _CountingReader(source, progress, previous=reader) as reader:
                return self._upload(name, reader, expected, 0)

        return self._mutate(name, expected, attempt)

    def write(self, name: str, data: bytes, if_generation_match: int) -> ObjectInfo:
        expected = checksums.of_bytes(data)
        return self._mutate(name, expected, lambda: self._upload(name, io.BytesIO(data), expected, if_generation_match))

    def delete(self, name: str, if_generation_match: int) -> None:
        def attempt() -> None:
            self._bucket.blob(name).delete(if_generation_match=if_generation_match, **self._options)

        with suppress(ArtifactMissing):
            Deadline(self._timing).run(lambda: call(attempt, self.bucket))

    @property
    def _options(self) -> dict[str, Any]:
        return {"timeout": (self._timing.connect, self._timing.read), "retry": None}

    def _upload(self, name: str, source: Any, expected: checksums.Checksums, generation: int) -> ObjectInfo:
        blob = self._bucket.blob(name)
        blob.crc32c = checksums.encode(expected.crc32c)  # the server refuses any other body
        blob.upload_from_file(
            source,
            size=expected.size,
            content_type="application/json" if name.endswith(".json") else "application/octet-stream",
            checksum=None,
            if_generation_match=generation,
            **self._options,
        )
        info = _info(blob)
        if (info.size, info.crc32c) != (expected.size, expected.crc32c):
            raise ArtifactCorrupt("The store received other bytes than were sent; try again.")
        return info

    def _mutate(self, name: str, expected: checksums.Checksums, attempt: Callable[[], ObjectInfo]) -> ObjectInfo:
        deadline = Deadline(self._timing)
        try:
            return deadline.run(lambda: call(attempt, self.bucket))
        except PreconditionFailed:
            # The other writer may have been an earlier attempt of this call whose response was lost.
            found = self.stat(name) if deadline.attempts > 1 else None
            if found is None or (found.size, found.crc32c) != (expected.size, expected.crc32c):
                raise
            return found


def call(attempt: Callable[[], T], bucket: str) -> T:
    import requests
    import urllib3
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import TransportError

    from modelserve.store.buckets.credentials import as_store_errors

    broken = (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        requests.exceptions.JSONDecodeError,  # the headers or the answer ended early
        urllib3.exceptions.HTTPError,
        ConnectionError,
        TransportError,
    )
    with as_store_errors():
        try:
            return attempt()
        except broken as error:
            raise Transient("the connection broke") from error
        except GoogleAPICallError as error:
            raise error_of(int(error.code or 0), bucket, WRITER) from error


def _info(blob: Any) -> ObjectInfo:
    crc = checksums.decode(blob.crc32c) if blob.crc32c else None
    return ObjectInfo(blob.name, int(blob.size), int(blob.generation), crc)


class _CountingReader(io.FileIO):
    """Reports how much of the file is read. An attempt first takes back what the one before it reported."""

    def __init__(self, path: Path, progress: Progress | None, previous: _CountingReader | None) -> None:
        super().__init__(path)
        self._progress = progress
        self.count = 0
        if previous and progress:
            progress(-previous.count)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        if self._progress and data:
            self._progress(len(data))
        return data
