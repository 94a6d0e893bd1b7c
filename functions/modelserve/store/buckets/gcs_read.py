"""Reading a bucket through the JSON API (https://cloud.google.com/storage/docs/json_api/v1/objects) with the standard
library.

A start takes four small requests, which is less time than importing Google's client.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, PreconditionFailed, StoreUnavailable
from modelserve.core.settings import google_variable
from modelserve.store.buckets.http_pool import Connections, read_rest, read_some
from modelserve.store.buckets.objects import GenerationGone, ObjectInfo, Write, too_long
from modelserve.store.buckets.retry import RETRYABLE_STATUS, Deadline, Timing, Transient
from modelserve.store.names import checksums

T = TypeVar("T")

CLOUD = "https://storage.googleapis.com"
FIELDS = "name,size,generation,crc32c"
BLOCK = 1 << 18  # bytes read at a time


class GcsReader:
    """Uses the credentials of the environment, and none for the emulator that STORAGE_EMULATOR_HOST names."""

    def __init__(self, bucket: str, timing: Timing | None = None) -> None:
        self.bucket = bucket
        self._timing = timing or Timing()
        self._emulator = emulator_address()
        self._connections = Connections(store_address(), self._timing)
        self._credentials: Any = None
        if not self._emulator:
            from modelserve.store.buckets.credentials import Credentials

            self._credentials = Credentials()
        self._objects_path = f"/storage/v1/b/{quote(bucket, safe='')}/o"

    def close(self) -> None:
        self._connections.close()

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        deadline = Deadline(self._timing)

        def attempt() -> Sequence[ObjectInfo]:
            found: list[ObjectInfo] = []
            query = {"prefix": prefix, "fields": f"items({FIELDS}),nextPageToken"}
            while True:
                with self._get(f"{self._objects_path}?{urlencode(query)}") as response:
                    page = decode_json(response, deadline)
                found += [info_of(item) for item in page.get("items", ())]
                if not page.get("nextPageToken"):
                    return found
                query["pageToken"] = page["nextPageToken"]

        return deadline.run(attempt)

    def stat(self, name: str) -> ObjectInfo | None:
        deadline = Deadline(self._timing)

        def attempt() -> ObjectInfo:
            with self._get(f"{self._object(name)}?{urlencode({'fields': FIELDS})}") as response:
                return info_of(decode_json(response, deadline))

        try:
            return deadline.run(attempt)
        except ArtifactMissing:
            return None

    def read(
        self, name: str, limit: int, if_generation_not_match: int | None = None
    ) -> tuple[bytes, ObjectInfo] | None:
        known = if_generation_not_match
        deadline = Deadline(self._timing)
        query = {"alt": "media"} | ({} if known is None else {"ifGenerationNotMatch": str(known)})
        target = f"/download{self._object(name)}?{urlencode(query)}"

        def attempt() -> tuple[bytes, ObjectInfo] | None:
            with self._get(target, allow_304=known is not None) as response:
                if response.status == 304 and known is not None:
                    return None
                return with_generation(name, read_bounded(name, response, limit, deadline), response, known)

        return deadline.run(attempt)

    def read_range(self, info: ObjectInfo, start: int, end: int, write: Write) -> None:
        deadline = Deadline(self._timing)
        target = f"/download{self._object(info.name)}?{urlencode({'alt': 'media', 'generation': info.generation})}"
        done = start

        def attempt() -> None:
            nonlocal done
            with self._get(target, {"Range": f"bytes={done}-{end - 1}"}) as response:
                skip(response, done, deadline)
                for data in blocks(response, deadline):
                    if done + len(data) > end:
                        raise ArtifactCorrupt("The store sent more bytes than the file has.")
                    write(data)
                    done += len(data)
            if done < end:
                raise Transient("the stream ended early")

        try:
            deadline.run(lambda: attempt() if done < end else None)
        except ArtifactMissing as error:
            raise GenerationGone("A file was replaced or deleted while the version was downloaded.") from error

    def _object(self, name: str) -> str:
        return f"{self._objects_path}/{quote(name, safe='')}"

    @contextmanager
    def _get(
        self, target: str, headers: dict[str, str] | None = None, allow_304: bool = False
    ) -> Iterator[HTTPResponse]:
        """A response with status 200 or 206, or 304 if that is allowed. Any other raises."""
        # Without this header the server unpacks an object that is stored with gzip encoding.
        sent = {"Accept-Encoding": "gzip", **(headers or {})}
        if self._credentials is not None:
            sent |= self._credentials.headers()
        with self._connections.get(target, sent) as response:
            if response.status not in (200, 206) and not (allow_304 and response.status == 304):
                read_rest(response)
                raise error_of(response.status, self.bucket)
            yield response


def emulator_address() -> str:
    return google_variable("STORAGE_EMULATOR_HOST").rstrip("/")


def store_address() -> str:
    return emulator_address() or CLOUD


def error_of(status: int, bucket: str, role: str = "roles/storage.objectViewer") -> Exception:
    """`role` allows what was asked."""
    if status in RETRYABLE_STATUS:
        return Transient(f"it answered {status}")
    if status == 404:
        return ArtifactMissing(f"There is no such object in the bucket {bucket}, or no such bucket.")
    if status == 412:
        return PreconditionFailed()
    if status in (401, 403):
        return StoreUnavailable(
            f"The store refused access ({status}): grant the service account {role} on the bucket {bucket}."
        )
    return StoreUnavailable(f"The store refused the request ({status}).")


def decode_json(response: HTTPResponse, deadline: Deadline) -> dict[str, Any]:
    try:
        value = json.loads(b"".join(blocks(response, deadline)))
    except ValueError as error:
        raise Transient("its answer was not JSON") from error
    if not isinstance(value, dict):
        raise Transient("its answer was not a JSON object")
    return value


def info_of(item: dict[str, Any]) -> ObjectInfo:
    crc = item.get("crc32c")
    return ObjectInfo(item["name"], int(item["size"]), int(item["generation"]), checksums.decode(crc) if crc else None)


def blocks(response: HTTPResponse, deadline: Deadline, limit: int = BLOCK) -> Iterator[bytes]:
    while data := read_some(response, min(limit, BLOCK)):
        deadline.check()
        yield data
    read_rest(response)  # empty, but it marks the response as complete, so that the connection is kept


def read_bounded(name: str, response: HTTPResponse, limit: int, deadline: Deadline) -> bytes:
    data = bytearray()
    for block in blocks(response, deadline, limit + 1):
        data += block
        if len(data) > limit:
            raise too_long(name, limit)
    expected = response.headers.get("Content-Length")
    if expected is not None and expected.isdigit() and int(expected) > len(data):
        raise Transient("the stream ended early")
    return bytes(data)


def skip(response: HTTPResponse, start: int, deadline: Deadline) -> None:
    if response.status == 200 and start:
        left = start
        while left and (data := read_some(response, min(left, BLOCK))):
            deadline.check()
            left -= len(data)


def with_generation(
    name: str, data: bytes, response: HTTPResponse, known: int | None
) -> tuple[bytes, ObjectInfo] | None:
    generation = response.headers.get("x-goog-generation")
    if generation is None:
        raise ArtifactCorrupt("The store did not say which generation it sent.")
    if int(generation) == known:  # fake-gcs-server ignores the condition
        return None
    crc = checksums.of_bytes(data).crc32c
    stored = stored_crc(response.headers.get_all("x-goog-hash") or [])
    if stored is not None and stored != crc:
        raise Transient("the bytes do not have their checksum")
    return data, ObjectInfo(name, len(data), int(generation), crc)


def stored_crc(hashes: Sequence[str]) -> int | None:
    """From `x-goog-hash: crc32c=AAAAAA==,md5=...`, in one header or several."""
    for part in ",".join(hashes).split(","):
        kind, _, value = part.strip().partition("=")
        if kind == "crc32c":
            return int.from_bytes(base64.b64decode(value), "big")
    return None
