"""Every example of docs/http.md is sent as it stands there."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import httpx
import numpy
import pandas
import pytest

from modelserve_control.common.processes import SOURCES
from serving import JSON, Functions, Served

PAGE: Final = (SOURCES / "docs" / "http.md").read_text()
FORMS: Final = PAGE.partition("\n## Forms\n")[2].partition("\n## ")[0]
EXAMPLES: Final[list[tuple[str, str]]] = re.findall(r"```(http|python)\n(.*?)```", FORMS, re.DOTALL)
CUSTOMERS: Final = [
    {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85},
    {"contract": "two_year", "tenure": 2, "monthlycharges": 99.5},
]


@pytest.fixture(scope="module")
def served(functions: Functions) -> Served:
    return functions("churn")


def send(served: Served, example: str) -> httpx.Response:
    head, _, body = example.partition("\n\n")
    start, *lines = head.splitlines()
    method, _, path = start.partition(" ")
    headers = dict(line.split(": ") for line in lines) or (JSON if body else {})
    return served.client.request(method, path.strip(), content=body.encode(), headers=headers)


def run(served: Served, example: str) -> Any:
    names: dict[str, Any] = {"httpx": httpx, "json": json, "numpy": numpy, "pandas": pandas, "url": served.url}
    exec(example, names)
    return names["answer"]


def labels(answer: Any) -> list[Any]:
    if isinstance(answer, dict) and "outputs" in answer:
        return list(answer["outputs"][0]["data"])
    if isinstance(answer, dict) and "predictions" in answer:
        return list(answer["predictions"])
    return [result["prediction"] for result in (answer if isinstance(answer, list) else [answer])]


@pytest.mark.parametrize(("kind", "example"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_gets_the_predictions(served: Served, kind: str, example: str) -> None:
    answer = send(served, example) if kind == "http" else run(served, example)
    assert answer.status_code == 200, answer.text
    wanted = served.post("/invocations", {"dataframe_records": CUSTOMERS}).json()["predictions"]
    assert labels(answer.json()) == (wanted[:1] if example.startswith("GET") else wanted)


def test_every_form_has_an_example_and_a_table() -> None:
    forms = re.split(r"\n### ", FORMS)[1:]
    assert [form.partition("\n")[0] for form in forms if "```" not in form or "|---|---|" not in form] == [
        "Models without names"
    ]
