"""Running functions as sides, and what stands in their way."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from contract.compare.planting import Planted
from http_server import Answer, answering
from serving import Functions

ROWS = [
    {"contract": ("one_year", "two_year")[row % 2], "tenure": row % 73, "monthlycharges": 20.0 + row}
    for row in range(90)
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    bad = [ROWS[0] | {"tenure": 1.5}, ROWS[0] | {"contract": None}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [*ROWS, *bad]))
    return path


def test_a_service_answers_as_the_version_it_serves(functions: Functions, rows: Path, tmp_path: Path) -> None:
    """It takes 40 rows a request, so that what is sent must be taken apart."""
    served = functions("churn", MAX_ROWS="40")
    store = next(found.parent.parent.parent for found in functions.directory.glob("store-*/models/churn/versions"))
    command = CommandLine(str(store), {"MODEL_TRUST": "pickle"})
    found = command.json("compare", "churn", "champion", served.url, "--data", rows, "--method", "predict_proba")
    assert (found["compared"], found["refused"]) == (90, {"only_a": 0, "only_b": 0, "both": 2})
    assert (
        found["a"]["named"]
        == found["b"]["named"]
        == [
            {"row": 90, "reason": "tenure: has a fraction, needs long"},
            {"row": 91, "reason": "contract: null in a required column"},
        ]
    )
    assert found["schema"] == []
    assert list(found["numbers"]) == ["prediction[0]", "prediction[1]"]
    assert max(one["greatest"]["size"] for one in found["numbers"].values()) < 1e-12
    assert found["latency"]["b"]["rows"] > 0


@dataclass
class Stand:
    """A service of one constant model, with faults as data: each is used once, in its order."""

    url: str = ""
    token: str = ""
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    version: list[str] = field(default_factory=lambda: ["1"])

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Answer:
        if self.token and headers["authorization"] != f"Bearer {self.token}":
            return encoded({"error": "who are you?"}, 401)
        if self.faults:
            status, more = self.faults.pop(0)
            return encoded({"error_code": "X", "message": "Not now.", "details": []}, status, more)
        made_by = {"x-model-version": self.version[-1]}
        if method == "POST":
            return encoded([{"prediction": row["x"]} for row in json.loads(body)], headers=made_by)
        signature = {"inputs": [{"name": "x", "type": "double"}], "outputs": None, "params": None}
        known = {"name": "planted", "version": self.version[0], "runtime": "native", "classes": None}
        return encoded(
            known | {"signature": signature, "presentation": {}, "predict_methods": ["predict"]}, headers=made_by
        )


def encoded(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return status, headers or {}, json.dumps(value).encode()


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    with answering(made.answer) as made.url:
        yield made


def test_a_service_that_is_busy_is_asked_again_and_one_that_needs_a_token_gets_it(
    planted: Planted, stand: Stand
) -> None:
    url = stand.url
    stand.token = "a.b.c"
    stand.faults += [(503, {"retry-after": "0"}), (429, {"retry-after": "0"})]
    words = (url, url, "--data", planted.rows(30))
    refused = planted.command.json("compare", *words, code=2)
    assert refused["error_code"] == "SERVICE_UNUSABLE"
    assert "--token-command" in refused["message"]
    token = f"{sys.executable} -c \"print('a.b.c')\""
    found = planted.command.json("compare", *words, "--token-command", token)
    assert found["numbers"]["prediction"]["equal"] == 30
    assert stand.faults == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": ["1", "2"]}, "activated another version meanwhile: 1 before, now 2"),
        ({"faults": [(404, {})]}, "answers /metadata with 404"),
    ],
)
def test_a_service_that_cannot_be_compared_is_told(
    planted: Planted, stand: Stand, change: dict[str, Any], message: str
) -> None:
    for name, value in change.items():
        setattr(stand, name, value)
    refused = planted.command.json("compare", stand.url, stand.url, "--data", planted.rows(30), code=2)
    assert refused["error_code"] == "SERVICE_UNUSABLE"
    assert message in refused["message"]


def test_nobody_at_an_address_is_told(planted: Planted) -> None:
    nobody = "http://127.0.0.1:9"
    said = planted.command("compare", nobody, nobody, "--data", planted.rows(3), code=2).err
    assert "gives no answer (ConnectError)" in said
    assert "Traceback" not in said
