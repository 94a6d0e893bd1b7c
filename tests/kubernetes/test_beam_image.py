"""The image of Dataflow's workers: it has Beam's entry point, the packages of the tests of Beam and the command that submits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batches import GOOD
from bucket_server import BucketServer
from contract.beam.dataflow import beam_python, upload
from contract.beam.prism import skip_without_prism, worker_options
from kubernetes.image import DOCKERFILE, REQUIREMENTS, Image, build_on_request, default, inside
from modelserve_control.common import processes
from serving import release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)", REQUIREMENTS["beam"].read_text(), re.MULTILINE))


def test_the_entry_point_has_the_version_of_the_package() -> None:
    assert default("BEAM").rpartition(":")[2] == PINNED["apache-beam"]
    assert f"python{default('BASE').rpartition(':')[2][:4]}_sdk:" in default("BEAM")


def test_what_the_entry_point_asks_for_is_there() -> None:
    """https://cloud.google.com/dataflow/docs/guides/build-container-image"""
    stage = DOCKERFILE.read_text().partition("FROM clean AS beam\n")[2].partition("\nFROM ")[0]
    assert stage.splitlines()[0] == "COPY --from=beam-sdk /opt/apache/beam /opt/apache/beam"
    assert 'ENTRYPOINT ["/opt/apache/beam/boot"]' in stage
    assert "ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in stage
    assert "USER" not in stage, "Dataflow's directories are those of root"
    assert {"pip", "google-auth-httplib2", "google-cloud-dataflow-client", "onnxruntime"} <= PINNED.keys()


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest) -> Iterator[Image]:
    yield from build_on_request(request, "beam")


def test_as_the_worker_of_a_portable_runner_it_gives_the_bytes_of_the_local_form(
    image: Image, models: Library, gcs: BucketServer, tmp_path: Path
) -> None:
    """The workers of Dataflow are started so. They share nothing with who submits but what Beam carries and the buckets."""
    skip_without_prism()
    bucket = gcs.bucket("image-beam")
    release(tmp_path / "store", "churn", models.path("churn"), runtime="compiled")
    for path in (one for one in (tmp_path / "store").rglob("*") if one.is_file()):
        upload(gcs, f"{bucket}/{path.relative_to(tmp_path / 'store')}", path.read_bytes())
    for name in ("a", "b"):
        pq.write_table(pa.Table.from_pylist([GOOD, GOOD | {"tenure": None}]), tmp_path / name)
        upload(gcs, f"{bucket}/in/{name}.parquet", (tmp_path / name).read_bytes())
    settings = {"STORAGE_EMULATOR_HOST": gcs.url}
    beam = worker_options(inside(image, image.entry, **settings), tmp_path, {"PATH": os.environ["PATH"]}, "/tmp")
    batch = ["score", "churn", "--input", f"{bucket}/in/*.parquet", "--store", bucket, "--output"]
    runner = ["--runner", "PrismRunner", *(word for option in beam for word in ("--beam", option))]
    for words in ([*batch, f"{bucket}/local/", "--processes", "1"], [*batch, f"{bucket}/beam/", *runner]):
        done = subprocess.run(
            [beam_python(), "-m", "modelserve_control.cli.entry", *words],
            cwd=tmp_path,
            env=processes.with_sources(os.environ) | settings,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    local = objects(gcs, "image-beam", "local/")
    assert local.keys() == {"_SUCCESS", "a.parquet", "b.parquet"}
    assert objects(gcs, "image-beam", "beam/") == local


def objects(gcs: BucketServer, bucket: str, prefix: str) -> dict[str, bytes]:
    address = f"{gcs.url}/storage/v1/b/{bucket}/o"
    with urllib.request.urlopen(f"{address}?prefix={prefix}") as answer:
        names = [one["name"] for one in json.load(answer)["items"]]
    found = {}
    for name in names:
        with urllib.request.urlopen(f"{address}/{urllib.parse.quote(name, safe='')}?alt=media") as answer:
            found[name.removeprefix(prefix)] = answer.read()
    return found


def run(image: Image, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(inside(image, words), capture_output=True, text=True, timeout=120)


def test_it_starts_as_a_worker_and_as_the_command(image: Image) -> None:
    assert image.entry == ["/opt/apache/beam/boot"]
    assert "No id provided" in run(image, *image.entry).stderr
    assert "--runner" in run(image, "modelserve", "score", "--help").stdout
    done = run(
        image, "python", "-c", "import apache_beam.runners.worker.sdk_worker_main, modelserve_control.batch.parts.beam"
    )
    assert done.returncode == 0, done.stderr
