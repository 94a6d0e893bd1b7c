"""`modelserve import` of a pickle as the courses leave one, until it is served."""

from __future__ import annotations

import pickle
from pathlib import Path

import pandas as pd
import pytest
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression

from command_line import CommandLine

RIDES = [{"PU_DO": f"{start}_{end}", "trip_distance": 1.5 * start} for start in range(1, 5) for end in range(1, 5)]


def test_a_vectorizer_and_its_model_are_published_compiled(tmp_path: Path) -> None:
    vectorizer = DictVectorizer()
    model = LinearRegression().fit(vectorizer.fit_transform(RIDES), range(len(RIDES)))
    file, data, out = tmp_path / "lin_reg.bin", tmp_path / "rides.csv", tmp_path / "taxi"
    file.write_bytes(pickle.dumps((vectorizer, model)))
    data.write_text("ride_id,PU_DO,trip_distance\n" + "".join(f"7,{r['PU_DO']},{r['trip_distance']}\n" for r in RIDES))
    command = CommandLine(str(tmp_path / "store"))
    assert "modelserve import" in command.json("publish", file, "--name", "taxi", code=1)["message"]
    said = command("import", file, "--data", data, "--out", out, "--trust", "pickle").out
    assert "in quotes: PU_DO. Next:" in said
    assert said.splitlines()[-1] == f"modelserve publish {out} --name NAME --alias champion --data {data}"
    assert command.json("publish", out, "--name", "taxi", "--alias", "champion")["runtime"] == "compiled"
    command("score", "taxi", data, tmp_path / "scored.parquet")
    found = pd.read_parquet(tmp_path / "scored.parquet")["prediction"]
    assert found.tolist() == pytest.approx(model.predict(vectorizer.transform(RIDES)))
