"""`modelserve package`: what Cloud Functions gets, as a real process, and a function that runs on nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, ZipFile

import httpx
import pytest

from command_line import CommandLine
from http_server import WAIT_SECONDS
from modelserve_control.common import processes
from modelserve_control.common.processes import SOURCES
from serving import release

if TYPE_CHECKING:
    from models.library import Library

UV = str(Path(sys.executable).with_name("uv"))
NATIVE_ONLY = {"mlflow-skinny", "scikit-learn", "pandas", "skops", "scipy", "joblib", "cloudpickle"}
CUSTOMER = {"contract": "one_year", "tenure": 20, "monthlycharges": 60.0}


def checkout(root: Path) -> CommandLine:
    """The command of the checkout at `root`, which packages its own functions."""
    path = os.pathsep.join([str(root / "scripts"), str(root / "functions")])
    return CommandLine("", {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"})


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Another checkout of the same files, made by a person with another umask at another time."""
    root = tmp_path / "other"
    before = os.umask(0o077)
    try:
        for name in ("functions", "scripts/modelserve_control"):
            shutil.copytree(SOURCES / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(SOURCES / ".python-version", root)
    finally:
        os.umask(before)
    for number, path in enumerate(sorted((root / "functions").rglob("*"))):
        os.utime(path, (1_000_000_000 + number, 1_100_000_000 + number))
        path.chmod(0o700)
    return root


def git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.com", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("runtime", ["compiled", "native"])
def test_the_same_files_give_the_same_bytes_in_every_checkout(runtime: str, copy: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    here = checkout(SOURCES).json("package", "--runtime", runtime, "--out", first)
    for litter in ("main.py~", ".env", "modelserve/.main.py.swp", "modelserve/__pycache__/main.pyc"):
        (copy / "functions" / litter).parent.mkdir(exist_ok=True)
        (copy / "functions" / litter).write_text("left behind")
    (copy / "functions/.#main.py").symlink_to("nobody@nowhere")  # an editor's lock
    there = checkout(copy).json("package", "--runtime", runtime, "--out", second)

    data = Path(here["path"]).read_bytes()
    assert Path(there["path"]).read_bytes() == data
    assert Path(here["path"]).name == f"modelserve-{sha256(data).hexdigest()[:16]}.zip"
    assert (here["sha256"], here["size"]) == (sha256(data).hexdigest(), len(data))
    assert (here["runtime"], here["python"], there["commit"]) == (runtime, "3.11", None)
    again = checkout(SOURCES)("package", "--runtime", runtime, "--out", first)
    assert again.out == f"{here['path']}\n"
    assert os.listdir(first) == [Path(here["path"]).name]


def test_an_archive_has_sorted_plain_files_and_nothing_of_where_it_was_made(tmp_path: Path) -> None:
    made = checkout(SOURCES).json("package", "--runtime", "compiled", "--out", tmp_path)
    with ZipFile(made["path"]) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        everything = archive.read("main.py")
    found = (path for pattern in ("*.py", "*.html") for path in (SOURCES / "functions").rglob(pattern))
    sources = {str(path.relative_to(SOURCES / "functions")) for path in found}
    assert names == sorted(sources | {"requirements.txt"})
    assert made["files"] == len(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {stat.S_IFREG | 0o644}
    assert {entry.compress_type for entry in entries} == {ZIP_STORED}
    assert everything == (SOURCES / "functions/main.py").read_bytes()


def test_a_version_gets_functions_with_the_packages_that_it_was_made_with(models: Library, tmp_path: Path) -> None:
    model = models.copy("linear10", tmp_path / "model")
    (model / "requirements.txt").write_text("mlflow==3.1.0\nscikit-learn==1.5.2\nhumanize==4.9.0\n")
    store = tmp_path / "store"
    release(store, "linear", model)
    release(store, "linear", models.path("linear10"), runtime="compiled")
    uv = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_"))}
    command = CommandLine(str(store), uv)
    locked = pins((SOURCES / "functions/requirements.txt").read_text())
    found = {}
    for version in ("1", "2"):
        made = command.json("package", "--for", f"linear/{version}", "--out", tmp_path)
        with ZipFile(made["path"]) as archive:
            text = archive.read("requirements.txt").decode()
        assert text.count("--hash=sha256:") > len(pins(text)) > 10
        assert str(tmp_path) not in text
        found[made["runtime"]] = pins(text)
    native, compiled = found["native"], found["compiled"]
    own = {"scikit-learn": "1.5.2", "humanize": "4.9.0"}
    assert native.items() <= (locked | own).items()  # all others are those that are locked
    assert own.items() <= native.items()
    assert compiled == pins((SOURCES / "functions/requirements-compiled.txt").read_text())
    for words in ((), ("--for", "linear", "--runtime", "native")):
        assert "either --runtime or --for" in command("package", *words, "--out", tmp_path, code=2).err


def test_the_requirements_keep_their_hashes_and_compiled_leaves_out_what_native_models_need(tmp_path: Path) -> None:
    found = {}
    for runtime in ("compiled", "native"):
        made = checkout(SOURCES).json("package", "--runtime", runtime, "--out", tmp_path)
        with ZipFile(made["path"]) as archive:
            text = archive.read("requirements.txt").decode()
        found[runtime] = pins(text)
        assert len(found[runtime]) == len(re.findall(r"^[a-z].*?\n(?= +--hash=sha256:)", text, re.MULTILINE))
        assert "index-url" not in text
    assert NATIVE_ONLY & found["compiled"].keys() == set()
    assert found["native"].keys() >= NATIVE_ONLY
    assert found["compiled"].items() <= found["native"].items(), "both serve with the same versions"


def test_files_that_differ_from_the_commit_are_told_and_packaged(copy: Path, tmp_path: Path) -> None:
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "all")
    words = ("package", "--runtime", "native", "--out", tmp_path)
    clean = checkout(copy)(*words, "--json")
    assert (json.loads(clean.out)["changed"], clean.err) == (0, "")
    (copy / "functions/main.py").write_text("changed = True\n")
    (copy / "functions/modelserve/more.py").write_text("added = True\n")
    (copy / "scripts/notes.txt").write_text("not a part of it\n")
    done = checkout(copy)(*words, "--json")
    result = json.loads(done.out)
    assert "warning: 2 files of functions/ are not as in the commit" in done.err
    assert (result["changed"], result["commit"]) == (2, git(copy, "rev-parse", "HEAD"))
    assert result["commit"].encode() not in Path(result["path"]).read_bytes()
    with ZipFile(result["path"]) as archive:
        assert archive.read("main.py") == b"changed = True\n"
        assert "modelserve/more.py" in archive.namelist()


@pytest.mark.parametrize("missing", ["main.py", "requirements-compiled.txt"])
def test_functions_that_cannot_be_built_are_refused(missing: str, copy: Path, tmp_path: Path) -> None:
    (copy / "functions" / missing).unlink()
    refused = checkout(copy)("package", "--runtime", "compiled", "--out", tmp_path, code=1)
    assert refused.err.startswith(f"modelserve: functions/ has no {missing}, ")
    assert list(tmp_path.glob("*.zip")) == []


@pytest.mark.parametrize("linked", ["modelserve/http/app.py", "modelserve/store", "requirements-compiled.txt"])
def test_a_link_is_refused(linked: str, copy: Path, tmp_path: Path) -> None:
    path = copy / "functions" / linked
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refused = checkout(copy).json("package", "--runtime", "compiled", "--out", tmp_path, code=1)
    assert refused["error_code"] == "NOT_PACKAGED"
    assert refused["message"].startswith(f"functions/{linked} is a link or a device;")


@pytest.mark.parametrize("out", ["nothing", "file"])
def test_the_archive_goes_into_a_directory_that_is_there(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = checkout(SOURCES)("package", "--runtime", "native", "--out", tmp_path / out, code=1)
    assert refused.err == f"modelserve: --out {tmp_path / out} is not a directory; make it first.\n"


# --- what runs from it ---


@dataclass(frozen=True)
class Unpacked:
    """The archive in an empty directory, and an environment that has its requirements and nothing else."""

    directory: Path
    python: Path

    @contextmanager
    def serving(self, target: str, log: Path, ready: str, **settings: str) -> Iterator[httpx.Client]:
        port = processes.free_port()
        url = f"http://127.0.0.1:{port}"
        environ = {"PATH": os.environ["PATH"], "FUNCTION_TARGET": target, "FUNCTION_USE_ASGI": "true"} | settings
        environ |= {"FUNCTION_SOURCE": str(self.directory / "main.py"), "HOST": "127.0.0.1", "PORT": str(port)}
        command = [str(self.python), "-m", "functions_framework"]
        with (
            processes.run_child(target, command, log, processes.http_probe(url + ready), environ),
            httpx.Client(base_url=url, timeout=WAIT_SECONDS, trust_env=False) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    root = tmp_path_factory.mktemp("unpacked")
    made = checkout(SOURCES).json("package", "--runtime", "compiled", "--out", root)
    with ZipFile(made["path"]) as archive:
        archive.extractall(root / "source")
    environment = root / "environment"
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, str(environment)], check=True, timeout=WAIT_SECONDS)
    python = environment / "bin/python"
    install = [UV, "pip", "install", "-q", "--require-hashes", "-r", "requirements.txt", "--python", str(python)]
    subprocess.run(install, cwd=root / "source", check=True, timeout=600)
    return Unpacked(root / "source", python)


@pytest.mark.parametrize("name", ["mlflow", "sklearn", "pandas", "skops", "scipy", "joblib", "cloudpickle"])
def test_what_only_native_models_need_is_not_there(name: str, unpacked: Unpacked) -> None:
    script = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is not None)"
    assert subprocess.run([str(unpacked.python), "-c", script]).returncode == 0


def test_both_functions_serve_a_compiled_model_from_the_archive_alone(
    unpacked: Unpacked, models: Library, tmp_path: Path
) -> None:
    release(tmp_path, "churn", models.path("churn"), {"positive_class": "yes"}, runtime="compiled")
    uri = f"{tmp_path}/models/churn@champion"
    with unpacked.serving("predict", tmp_path / "log", "/health", MODEL_URI=uri) as client:
        answer = client.post("/predict", json=CUSTOMER)
        assert (answer.status_code, client.get("/metadata").json()["runtime"]) == (200, "compiled")
        assert client.post("/predict", json={"contract": 1}).json()["error_code"] == "SIGNATURE_MISMATCH"
        assert client.post("/predict", content=parquet(), headers=PARQUET).json() == {"predictions": ["no"]}
    with unpacked.serving("predict_event", tmp_path / "log", "/health/ready", MODEL_URI=uri, DRY_RUN="true") as client:
        (scored,) = client.post("/", json=CUSTOMER).json()["predictions"]
    assert scored["prediction"] == answer.json()


PARQUET = {"content-type": "application/vnd.apache.parquet"}


def parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([CUSTOMER]), sink)
    return bytes(sink.getvalue())


def test_a_native_version_is_refused_with_what_is_missing(unpacked: Unpacked, models: Library, tmp_path: Path) -> None:
    release(tmp_path, "churn", models.path("churn"))
    uri = f"{tmp_path}/models/churn@champion"
    with unpacked.serving("predict", tmp_path / "log", "/health/live", MODEL_URI=uri) as client:
        refused = client.post("/predict", json=CUSTOMER)
        assert (refused.status_code, refused.json()["error_code"]) == (503, "MODEL_NOT_READY")
    assert re.search(r"made with scikit-learn \S+, this server has none", (tmp_path / "log").read_text())
