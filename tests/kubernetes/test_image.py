"""The built image: what is in it, and that its entry points answer as the functions do, as it would run on GKE."""

from __future__ import annotations

import json
import os
import stat
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from bucket_server import BucketServer
from contract.events.topics import push_body
from hosting import pulled
from kubernetes.image import FUNCTIONS, Image, built, inside, output
from modelserve_control.common import processes
from modelserve_control.common.processes import Child
from serving import Served, release, serving

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

CUSTOMERS = [
    {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85},
    {"contract": "month-to-month", "tenure": 2, "monthlycharges": 99.5},
]
REQUESTS: dict[str, Any] = {
    "a record": CUSTOMERS[0],
    "MLflow's protocol": {"dataframe_records": CUSTOMERS},
    "a bad cell": CUSTOMERS[0] | {"tenure": 1.5},
}
TOOLS = {"gcc", "cc", "g++", "c++", "ld", "as", "make", "cmake", "pip", "pip3", "uv", "curl", "wget", "git"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "variant" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--native", default=False)
        metafunc.parametrize("variant", ["compiled", "native"] if asked else ["compiled"], scope="module")


@pytest.fixture(scope="module")
def image(variant: str) -> Iterator[Image]:
    with built(variant) as made:
        yield made


def files(image: Image) -> Iterator[tuple[Path, os.stat_result]]:
    for directory, _, names in os.walk(image.root):
        for name in names:
            path = Path(directory, name)
            yield path, path.lstat()


# --- what is in it ---


def test_its_size(image: Image, variant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, because it is what every new node fetches."""
    size = sum(found.st_size for _, found in files(image))
    with capsys.disabled():
        base = "on Debian's Python" if image.stands_in else "on the registry's base"
        print(f"\nthe {variant} image has {size / 1e6:,.0f} MB {base}; --native builds the one with mlflow too")
    packages = {path.name for path in (image.root / "opt/python/lib/python3.11/site-packages").iterdir()}
    assert {"onnxruntime", "google", "starlette"} <= packages
    assert ({"mlflow", "sklearn", "pandas"} & packages == set()) == (variant == "compiled")


def test_the_functions_are_in_it_as_they_stand(image: Image) -> None:
    def contents(root: Path) -> dict[str, bytes]:
        kept = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(root)): path.read_bytes() for path in kept}

    assert contents(image.root / image.config["WorkingDir"].strip("/")) == contents(FUNCTIONS)


def test_it_is_nobody_and_says_so_with_a_number(image: Image) -> None:
    asked = "import os; print(os.getuid(), os.getgid(), os.getgroups())"
    assert image.user == ("10001", "10001")
    assert output(image, "python", "-c", asked).stdout == "10001 10001 []\n"


def test_nothing_in_it_builds_or_installs(image: Image) -> None:
    found = {path.name for path, status in files(image) if status.st_mode & 0o111 and not stat.S_ISLNK(status.st_mode)}
    assert found & TOOLS == set()
    for module in ("pip", "ensurepip", "setuptools"):
        for python in ("/opt/python/bin/python", "python3"):
            assert output(image, python, "-c", f"import {module}").stderr.endswith(f"No module named '{module}'\n")


def test_nobody_may_change_it_or_become_root(image: Image) -> None:
    assert [path for path, status in files(image) if status.st_mode & (stat.S_ISUID | stat.S_ISGID)] == []
    assert [path for path, status in files(image) if stat.S_ISREG(status.st_mode) and status.st_mode & 0o002] == []
    owned = image.root / image.config["WorkingDir"].strip("/"), image.root / "opt/python"
    assert {path.lstat().st_uid for root in owned for path in [root, *root.rglob("*")]} == {0}


def test_only_tmp_can_be_written_to(image: Image) -> None:
    write = "import sys; open(sys.argv[1], 'w').write('x')"
    assert output(image, "python", "-c", write, "/tmp/file").returncode == 0
    for place in ("/app/file", "/opt/python/file", "/var/tmp/file", "/etc/file"):
        assert "Read-only file system" in output(image, "python", "-c", write, place).stderr, place


def test_nothing_is_compiled_when_it_starts(image: Image) -> None:
    """Python takes such a file without looking at its source: PEP 552, unchecked."""
    unchecked = (1).to_bytes(4, "little")
    stdlib = next(path for path in (image.root / "usr").glob("**/lib/python3.11/json") if path.is_dir())
    for root in (image.root / "app", image.root / "opt/python/lib/python3.11/site-packages/google", stdlib):
        sources = [path for path in root.rglob("*.py") if path.stat().st_size]
        assert len(sources) >= 4
        for source in sources:
            code = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
            assert code.read_bytes()[4:8] == unchecked, source


def test_it_says_what_it_is(image: Image) -> None:
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.title"] == "modelserve"
    assert labels["org.opencontainers.image.revision"] == "0123abc"
    assert set(image.config["ExposedPorts"]) == {"8080/tcp"}
    assert output(image, *image.entry).stderr.startswith("usage: python -m modelserve http|events|worker")


# --- what it does ---


@pytest.fixture(scope="module")
def model(variant: str, models: Library, gcs: BucketServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a published model in a bucket of Google's protocol."""
    store = tmp_path_factory.mktemp("store")
    release(store, "churn", models.path("churn"), runtime=variant)
    bucket = gcs.bucket(f"image-{variant}")
    for path in (path for path in store.rglob("*") if path.is_file()):
        name = urllib.parse.quote(str(path.relative_to(store)), safe="")
        address = f"{gcs.url}/upload/storage/v1/b/{bucket.removeprefix('gs://')}/o?uploadType=media&name={name}"
        with urllib.request.urlopen(urllib.request.Request(address, path.read_bytes()), timeout=30):
            pass
    return {"MODEL_URI": f"{bucket}/models/churn@champion", "STORAGE_EMULATOR_HOST": gcs.url}


@contextmanager
def run(image: Image, kind: str, log: Path, settings: dict[str, str]) -> Iterator[Served]:
    """One server of the image, on a loopback address, once it is ready."""
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    given = {"HOST": "127.0.0.1", "PORT": str(port), "NO_GCE_CHECK": "true", **settings}
    command = inside(image, [*image.entry, kind], **given)
    with (
        processes.run_child(kind, command, log, processes.http_probe(f"{url}/health/ready")) as child,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as client,
    ):
        yield Served(url, client, child)
        if child.returncode is None:
            first(child).terminate()  # unshare passes no signal on


def first(child: Child) -> psutil.Process:
    """The server itself, as this machine sees it."""
    return psutil.Process(child.pid).children()[0]


def test_it_answers_what_the_function_answers(image: Image, model: dict[str, str], tmp_path: Path) -> None:
    with run(image, "http", tmp_path / "image", model) as here, serving(tmp_path / "function", model) as there:
        for name, value in REQUESTS.items():
            answers = [served.post("/predict", value, headers={"x-request-id": "7"}) for served in (here, there)]
            assert answers[0].status_code == answers[1].status_code == (400 if name == "a bad cell" else 200)
            assert answers[0].content == answers[1].content, name


def test_it_takes_events_as_the_function_does(image: Image, model: dict[str, str], tmp_path: Path) -> None:
    settings = {**model, "DRY_RUN": "true"}
    body = push_body(CUSTOMERS, "1")
    with (
        run(image, "events", tmp_path / "image", settings) as here,
        serving(tmp_path / "function", settings, "predict_event", "/health/ready") as there,
    ):
        answers = [served.post("/", body, headers={"x-request-id": "7"}) for served in (here, there)]
    assert answers[0].status_code == 200
    assert len(answers[0].json()["predictions"]) == 2
    assert answers[0].content == answers[1].content


def test_it_pulls(image: Image, model: dict[str, str], tmp_path: Path) -> None:
    with pulled("image") as pulls, run(image, "worker", tmp_path / "log", {**model, **pulls.settings}):
        (message_id,) = pulls.publish(json.dumps(CUSTOMERS).encode())
        seen = pulls.predictions(2)
    assert {one.attributes["source_message_id"] for one in seen} == {message_id}
    assert {one.event["model"] for one in seen} == {"churn"}


def test_sigterm_ends_it_as_the_first_process(image: Image, model: dict[str, str], tmp_path: Path) -> None:
    """Process 1 has no default for a signal: without a handler it would be killed after the grace period."""
    with run(image, "http", tmp_path / "log", model) as served:
        server = first(served.child)
        numbers = next(line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if "NSpid" in line)
        assert numbers.split()[-1] == "1"
        server.terminate()
        assert served.child.wait(processes.GRACE)
        assert served.child.returncode == 0
