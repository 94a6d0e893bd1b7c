"""The page of one's own model: its Python saves models, and its commands publish and serve them, in its order."""

from __future__ import annotations

import json
import pickle
import re
import shlex
import shutil
import signal
import warnings
from pathlib import Path
from typing import Any

import httpx
import pytest

from command_line import CommandLine, finish

PAGE = (Path(__file__).parents[2] / "docs" / "own-model.md").read_text()
# Keras is not installed beside the kit, and packaging asks PyPI: tests/contract has both elsewhere.
LEFT_OUT = re.compile(r"network|modelserve package")


# What a reader has: rows, their truth and a model of them.
BEFORE = """
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier

random = np.random.default_rng(1)
X = pd.DataFrame({"charges": random.uniform(20, 120, 200), "tenure": random.uniform(1, 72, 200)})
y = (X["charges"] > X["tenure"]).astype(int)
model = pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
"""


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With all that the page's Python saves, and a pickle as tutorials leave one."""
    room = tmp_path_factory.mktemp("own")
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(BEFORE, names)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what packages of others deprecate is not the page's
        (room / "saved").mkdir()
        patch.chdir(room / "saved")
        for block in blocks("python"):
            if not LEFT_OUT.search(block):
                exec(block, names)
    vectorizer = names["DictVectorizer"]()
    rows = names["X"].to_dict("records")
    estimator = names["LinearRegression"]().fit(vectorizer.fit_transform(rows), names["y"])
    (room / "model.bin").write_bytes(pickle.dumps((vectorizer, estimator)))
    names["X"].to_csv(room / "rows.csv", index=False)
    return room


def test_every_model_of_the_page_is_saved(directory: Path) -> None:
    assert {path.name for path in (directory / "saved").iterdir()} == {"churn", "duration", "risk", "margin"}


def test_the_commands_of_the_page_end_well(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)
    for name in ("churn", "margin"):
        shutil.copytree(directory / "saved" / name, directory / name)
    command = CommandLine(str(directory / "store"))
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    run = [shlex.split(line) for line in lines if not LEFT_OUT.search(line)]
    assert len(run) == 7
    for program, *words in run:
        assert program == "modelserve"
        if words[0] == "serve":
            serve(command, *words)
        else:
            command(*words)
    runtimes = {name: command.json("show", f"{name}/1")["manifest"]["runtime"]["kind"] for name in ("churn", "margin")}
    assert runtimes == {"churn": "compiled", "margin": "native"}


def serve(command: CommandLine, *words: str) -> None:
    with command.started(*words, "--port", "0", "--json") as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        answer = httpx.post(f"{url}/predict", json={"charges": 50.0, "tenure": 3.0}, trust_env=False)
        assert answer.status_code == 200
        process.send_signal(signal.SIGINT)
        finish(process, 130)
