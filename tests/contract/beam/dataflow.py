"""The job that Beam's own client makes of `modelserve score --runner DataflowRunner`, up to the request to Dataflow.

As a template it is an object in a bucket and is not sent. All else is as on Cloud Run: the command's arguments, Beam's check of
its options, credentials of a metadata server, what is staged.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from batches import GOOD
from benchmarks.servers import environments
from bucket_server import BucketServer
from contract.beam.prism import REQUIREMENTS
from http_server import Answer, answering
from infra.wheels import making
from modelserve_control.common import processes

TOKEN: Final = json.dumps({"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}).encode()
ACCOUNT: Final = json.dumps({"email": "batch@project.iam.gserviceaccount.com", "scopes": [], "aliases": []}).encode()


def beam_python() -> Path:
    """With what the image of Beam's workers has, in an environment of its own."""
    home = processes.SOURCES / ".cache" / "beam" / "venv"
    with making(home):
        return environments.make(home, REQUIREMENTS)


@dataclass(frozen=True)
class Submission:
    """`job` in the form of Dataflow's API, empty where Beam refused. `staged` has the names beside it."""

    job: dict[str, Any]
    staged: list[str]
    log: str


def submit(python: Path, gcs: BucketServer, store: Path, words: Sequence[str], directory: Path) -> Submission:
    """`words` are the command's. Their buckets are made and filled here: the store's from `store`, that of the input with one file."""
    said = dict(pairwise(words))
    source, temp = said["--input"].replace("*", "1"), said["--temp-location"]
    for address in (said["--store"], source, temp):
        gcs.bucket(address.split("/")[2])
    for path in (one for one in store.rglob("*") if one.is_file()):
        upload(gcs, f"{said['--store']}/{path.relative_to(store)}", path.read_bytes())
    rows = directory / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([GOOD]), rows)
    upload(gcs, source, rows.read_bytes())
    with answering(metadata) as url:
        host = url.removeprefix("http://")
        done = subprocess.run(
            [python, "-m", "modelserve_control.cli.entry", *words, "--beam", f"template_location={temp}/job.json"],
            cwd=directory,
            env=processes.with_sources({"PATH": os.environ["PATH"], "HOME": str(directory)})
            | {"STORAGE_EMULATOR_HOST": gcs.url, "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host},
            capture_output=True,
            text=True,
            timeout=120,
        )
    bucket, _, prefix = temp.removeprefix("gs://").partition("/")
    objects = f"{gcs.url}/storage/v1/b/{bucket}/o"
    with urllib.request.urlopen(f"{objects}?prefix={prefix}/") as answer:
        staged = [one["name"].removeprefix(f"{prefix}/") for one in json.load(answer).get("items", [])]
    job = {}
    if "job.json" in staged:
        with urllib.request.urlopen(
            f"{objects}/{urllib.parse.quote(f'{prefix}/job.json', safe='')}?alt=media"
        ) as answer:
            job = json.load(answer)
    return Submission(job, [one for one in staged if one != "job.json"], done.stderr)


def upload(gcs: BucketServer, address: str, body: bytes) -> None:
    bucket, _, name = address.removeprefix("gs://").partition("/")
    target = f"{gcs.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
    with urllib.request.urlopen(urllib.request.Request(target, body, method="POST")):
        pass


def metadata(method: str, target: str, headers: Message, body: bytes) -> Answer:
    """As on a machine of Google's, whose account may do everything."""
    flavor = {"metadata-flavor": "Google", "content-type": "application/json"}
    if "/token" in target:
        return 200, flavor, TOKEN
    if "/service-accounts/" in target:
        return 200, flavor, ACCOUNT
    return 200, flavor | {"content-type": "text/plain"}, b"googleapis.com" if "universe" in target else b"project"
