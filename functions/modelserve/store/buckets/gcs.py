"""A Cloud Storage bucket: read as `gcs_read` does, written through Google's client, imported with the first write.

The client's own retries are off: they restart the clock for each part, and cannot tell whether a mutation whose answer
was lost had arrived.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, PreconditionFailed, StoreUnavailable
from modelserve.store.buckets.gcs_read import GcsReader, failure
from modelserve.store.buckets.objects import ObjectInfo, Progress
from modelserve.store.buckets.retry import Deadline, Transient
from modelserve.store.names import checksums

T = TypeVar("T")

# The client asks for the bucket's own metadata to decorate traces, which costs a request and a permission
# that reading objects does not need. It reads this at every call.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")


class GcsObjects(GcsReader):
    @cached_property
    def _bucket(self) -> Any:
        from google.auth.exceptions import DefaultCredentialsError
        from google.cloud.storage import Client

        # No project: reading and writing objects needs none, and looking for one can take seconds.
        options: dict[str, Any] = {"project": None}
        if self._emulator:
            options |= {"client_options": {"api_endpoint": self._emulator}, "use_auth_w_custom_endpoint": False}
        try:
            return Client(**options).bucket(self.bucket)
        except DefaultCredentialsError as error:
            raise StoreUnavailable(
                "There are no Google credentials here: run as a service account, "
                "or use gcloud auth application-default login."
            ) from error

    def create(self, name: str, source: Path, progress: Progress | None = None) -> ObjectInfo:
        wanted = checksums.of_file(source)
        reader: _Counted | None = None

        def attempt() -> ObjectInfo:
            nonlocal reader
            with source.open("rb") as file:
                reader = _Counted(file, progress, again=reader)
                return self._upload(name, reader, wanted, 0)

        return self._mutate(name, wanted, attempt)

    def write(self, name: str, data: bytes, if_generation_match: int) -> ObjectInfo:
        wanted = checksums.of_bytes(data)
        return self._mutate(name, wanted, lambda: self._upload(name, io.BytesIO(data), wanted, if_generation_match))

    def delete(self, name: str, if_generation_match: int) -> None:
        try:
            self._call(
                Deadline(self._timing),
                lambda: self._bucket.blob(name).delete(if_generation_match=if_generation_match, **self._once),
            )
        except ArtifactMissing:
            return

    @property
    def _once(self) -> dict[str, Any]:
        return {"timeout": self._timing.timeouts, "retry": None}

    def _upload(self, name: str, source: Any, wanted: checksums.Checksums, generation: int) -> ObjectInfo:
        blob = self._bucket.blob(name)
        blob.crc32c = checksums.encode(wanted.crc32c)  # the server refuses a body that does not have it
        blob.upload_from_file(
            source,
            size=wanted.size,
            content_type="application/json" if name.endswith(".json") else "application/octet-stream",
            checksum=None,
            if_generation_match=generation,
            **self._once,
        )
        info = _info(blob)
        if (info.size, info.crc32c) != (wanted.size, wanted.crc32c):
            raise ArtifactCorrupt("The store received other bytes than were sent; try again.")
        return info

    def _mutate(self, name: str, wanted: checksums.Checksums, attempt: Callable[[], ObjectInfo]) -> ObjectInfo:
        deadline = Deadline(self._timing)
        try:
            return self._call(deadline, attempt)
        except PreconditionFailed:
            # After a lost answer the other writer may have been this call's own earlier attempt.
            found = self.stat(name) if deadline.attempts > 1 else None
            if found is None or (found.size, found.crc32c) != (wanted.size, wanted.crc32c):
                raise
            return found

    def _call(self, deadline: Deadline, attempt: Callable[[], T]) -> T:
        return self._run(deadline, lambda: translated(attempt, self.bucket))


def translated(attempt: Callable[[], T], bucket: str) -> T:
    """What Google's client raises as our errors."""
    import requests
    import urllib3
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError

    broken = (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        urllib3.exceptions.HTTPError,
        ConnectionError,
        TransportError,
    )
    try:
        return attempt()
    except broken as error:
        raise Transient("the connection broke") from error
    except GoogleAPICallError as error:
        raise failure(int(error.code or 0), bucket) from error
    except GoogleAuthError as error:
        if error.retryable:
            raise Transient("no access token") from error
        raise StoreUnavailable("The credentials were refused when asked for an access token.") from error


def _info(blob: Any) -> ObjectInfo:
    crc = checksums.decode(blob.crc32c) if blob.crc32c else None
    return ObjectInfo(blob.name, int(blob.size), int(blob.generation), crc)


class _Counted:
    """A file that reports what the client has read of it, and takes back what an earlier attempt reported."""

    def __init__(self, file: BinaryIO, progress: Progress | None, again: _Counted | None) -> None:
        self._file = file
        self._progress = progress
        self.count = 0
        if again and progress:
            progress(-again.count)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.count += len(data)
        if self._progress and data:
            self._progress(len(data))
        return data

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)
