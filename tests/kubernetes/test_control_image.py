"""The image of the modelserve command, in which batches run on Cloud Run: it scores from bucket to bucket as it stands."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from bucket_server import BucketServer
from kubernetes.image import Image, build_on_request, inside
from modelserve_control.common import processes
from serving import release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

CUSTOMERS = "contract,tenure,monthlycharges\none_year,41,79.85\nmonth-to-month,2,99.5\n"


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest) -> Iterator[Image]:
    yield from build_on_request(request, "control")


def upload(gcs: BucketServer, bucket: str, name: str, body: bytes) -> None:
    named = f"{bucket.removeprefix('gs://')}/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
    address = f"{gcs.url}/upload/storage/v1/b/{named}"
    with urllib.request.urlopen(urllib.request.Request(address, body, method="POST")):
        pass


def test_it_scores_a_batch_from_bucket_to_bucket(
    image: Image, models: Library, gcs: BucketServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bucket = gcs.bucket("image-control")
    store = tmp_path_factory.mktemp("store")
    release(store, "churn", models.path("churn"), runtime="compiled")
    for path in (path for path in store.rglob("*") if path.is_file()):
        upload(gcs, bucket, path.relative_to(store).as_posix(), path.read_bytes())
    upload(gcs, bucket, "in/day.csv", CUSTOMERS.encode())
    words = ["score", "churn@champion", "--input", f"{bucket}/in/", "--output", f"{bucket}/out/", "--store", bucket]
    done = subprocess.run(
        inside(image, [*image.entry, *words, "--json"], STORAGE_EMULATOR_HOST=gcs.url),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["rows"], counts["scored"]) == (2, 2)
    with urllib.request.urlopen(f"{gcs.url}/storage/v1/b/{bucket.removeprefix('gs://')}/o?prefix=out/") as answered:
        assert {one["name"] for one in json.load(answered)["items"]} == {"out/_SUCCESS", "out/day.parquet"}


def test_its_console_answers_to_its_own_address_alone(image: Image, gcs: BucketServer, tmp_path: Path) -> None:
    """As terraform/console.tf starts it."""
    port = processes.free_port()
    url, name = f"http://127.0.0.1:{port}", "modelserve-console-1.europe-west1.run.app"
    words = ["console", "--host", "0.0.0.0", "--port", str(port), "--origin", f"https://{name}"]
    command = inside(
        image, [*image.entry, *words, "--store", gcs.bucket("image-console")], STORAGE_EMULATOR_HOST=gcs.url
    )
    with processes.run_child("console", command, tmp_path / "log", processes.http_probe(url)) as child:
        asked = {host: httpx.get(url, headers={"host": host}, trust_env=False) for host in (name, "evil.example")}
        psutil.Process(child.pid).children()[0].terminate()  # unshare passes no signal on
    assert {host: answer.status_code for host, answer in asked.items()} == {name: 200, "evil.example": 421}


def test_it_runs_as_nobody_and_the_console_is_in_it(image: Image) -> None:
    assert image.user == ("10001", "10001")
    assert image.entry == ["modelserve"]
    packages = {path.name for path in (image.root / "opt/python/lib/python3.11/site-packages").iterdir()}
    assert {"dash", "mlflow", "modelserve", "modelserve_control", "scipy"} <= packages
    assert "pytest" not in packages
