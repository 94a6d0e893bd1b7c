"""A real fake-gcs-server process, and a proxy before it that can hold one request back."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from http_server import WAIT_SECONDS, Answer, answering, passed
from modelserve_control.local import emulators


@dataclass(frozen=True)
class BucketServer:
    """`url` is what STORAGE_EMULATOR_HOST wants."""

    url: str

    def bucket(self, name: str) -> str:
        """Makes a bucket and gives its gs:// address."""
        body = json.dumps({"name": name}).encode()
        request = urllib.request.Request(
            f"{self.url}/storage/v1/b?project=p", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS):
            return f"gs://{name}"


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    with TemporaryDirectory() as directory, emulators.storage(Path(directory)) as url:
        yield BucketServer(url)


class Held:
    """The upload whose body or address holds `marker` waits: `arrived` says it came, `release` lets it through. It also
    waits when it is tried again, since its client waits twenty seconds for an answer."""

    def __init__(self, url: str, marker: str) -> None:
        self.url = url
        self.marker = marker.encode()
        self.arrived = Event()
        self.release = Event()

    def pass_on(self, method: str, path: str, headers: Message, body: bytes) -> Answer:
        if method == "POST" and not self.release.is_set() and (self.marker in body or self.marker in path.encode()):
            self.arrived.set()
            self.release.wait(WAIT_SECONDS)
        return passed(self.url, method, path, headers, body)


@contextmanager
def holding(server: BucketServer, marker: str) -> Iterator[tuple[BucketServer, Held]]:
    """A second address of the server, at which an upload with `marker` waits."""
    held = Held(server.url, marker)

    with answering(held.pass_on) as url:
        try:
            yield BucketServer(url), held
        finally:
            held.release.set()
