"""A rollout of real processes against a fake cloud and a real store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bucket_server import Held
from command_line import CommandLine, Done, finish
from contract.rollout.cloud import Cloud, Fault, fake_cloud
from contract.rollout.revisions import GOLDEN, Revision
from contract.rollout.services import FakeService
from http_server import WAIT_SECONDS
from modelserve.store.buckets.objects import Objects
from modelserve_control.common.processes import with_sources
from modelserve_control.registry.catalog import open_store

OLD, NEW = "churn-predict-00001-abc", "churn-predict-00002-abc"
DEPLOY = "import sys, urllib.request as u; [u.urlopen(u.Request(url, method='POST')) for url in sys.argv[1:]]"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Every fault must have happened."""
    with fake_cloud() as made:
        yield made
        assert not [fault for fault in made.faults if not fault.happened]


@dataclass(frozen=True)
class Rollout:
    """The real command, with one service, `predict`, unless others are named."""

    cloud: Cloud
    command: CommandLine
    golden: Path
    services: tuple[str, ...] = ("churn-predict",)

    @property
    def words(self) -> list[str]:
        options = {"predict": "--predict", "events": "--predict-event"}
        named = [word for service in self.services for word in (options[service.rpartition("-")[2]], service)]
        token = ("--token-command", "echo token-for-{audience}")
        # Answers take as long as this machine is busy; a test of slowness names its own factor.
        return ["rollout", *named, "--golden", str(self.golden), "--watch", "0", "--max-latency-factor", "1000", *token]

    @property
    def deploying(self) -> list[str]:
        """A command that deploys, in a process of its own."""
        urls = [f"{self.cloud.base}/deploy/{service}" for service in self.services]
        return ["--", sys.executable, "-S", "-c", DEPLOY, *urls]

    def __call__(self, *words: object, code: int = 0) -> Done:
        return self.command(*self.words, *words, *self.deploying, code=code)

    def started(self, *words: object) -> AbstractContextManager[subprocess.Popen[str]]:
        return self.command.started(*self.words, *words, *self.deploying)

    def json(self, *words: object, code: int = 0) -> Any:
        return json.loads(self("--json", *words, code=code).out)

    @property
    def predict(self) -> FakeService:
        return self.cloud.services["churn-predict"]

    def of(self, *services: str) -> Rollout:
        return replace(self, services=services)

    def refused(self, code: str, *words: object) -> str:
        """The message of a refusal with this code."""
        found = self.json(*words, code=1)
        assert found["error_code"] == code, found
        return str(found["message"])


@pytest.fixture
def rollout(cloud: Cloud, tmp_path: Path) -> Rollout:
    """`churn-predict` serves its first revision; what is deployed next is a good one. The store is a directory."""
    (tmp_path / "store").mkdir()
    golden = tmp_path / "golden.jsonl"
    golden.write_text(GOLDEN)
    cloud.service("churn-predict")
    cloud.next["churn-predict"] = Revision()
    return Rollout(cloud, CommandLine(str(tmp_path / "store"), environment(cloud)), golden)


def environment(cloud: Cloud) -> dict[str, str]:
    return {
        "PYTHONPATH": with_sources({})["PYTHONPATH"],
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": cloud.base,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING": cloud.base,
        "GOOGLE_CLOUD_PROJECT": "p",
        "CLOUDSDK_RUN_REGION": "r",
        "CLOUDSDK_CORE_ACCOUNT": "ann@example.com",
    }


def records(store: str) -> list[dict[str, Any]]:
    """Every record of the store, oldest first."""
    with open_store(store) as objects:
        return [document(objects, info.name) for info in objects.list("releases/") if info.name.count("/") == 1]


@contextmanager
def asleep(process: subprocess.Popen[str], fault: Fault) -> Iterator[None]:
    """Once the fault holds its answer, which it finds when the block ends. Only held back, a question is asked again after
    twenty seconds, and another process may take longer."""
    assert fault.arrived.wait(WAIT_SECONDS)
    process.send_signal(signal.SIGSTOP)
    fault.release.set()
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def kill(process: subprocess.Popen[str], fault: Fault | Held) -> None:
    """Once the fault holds its request, which is then done."""
    assert fault.arrived.wait(WAIT_SECONDS)
    process.send_signal(signal.SIGKILL)
    process.wait()
    fault.release.set()  # the deploy command of a killed rollout lives on, and has its pipes
    finish(process, code=-signal.SIGKILL)


def locks(store: str) -> list[str]:
    with open_store(store) as objects:
        return [info.name for info in objects.list("releases/") if info.name.endswith("/current.json")]


def document(objects: Objects, name: str) -> dict[str, Any]:
    found = objects.read(name, 1 << 20)
    assert isinstance(found, tuple)
    content: dict[str, Any] = json.loads(found[0])
    return content


def steps(record: dict[str, Any]) -> list[str]:
    return [entry["step"] for entry in record["steps"]]
