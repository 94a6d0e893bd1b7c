"""The image of Dataflow's workers: it has Beam's entry point, the packages of the tests of Beam and the command that submits."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from kubernetes.image import DOCKERFILE, REQUIREMENTS, Image, built, default, inside

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
    if not request.config.getoption("--native", default=False):
        pytest.skip("the image of Dataflow's workers takes minutes: --native builds it too")
    with built("beam") as made:
        yield made


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
