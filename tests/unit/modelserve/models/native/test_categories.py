"""LightGBM and XGBoost fitted on pandas categories: requests have texts and numbers, the models get categories."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost

from models.library import room
from modelserve.core.errors import VersionUnusable
from modelserve.models.native.categories import find_categories, lightgbm_categories, xgboost_categories
from modelserve.models.native.load import load_runtime
from modelserve.schema.batch import Table
from modelserve.schema.signature import from_mlmodel
from modelserve.store.trust.policy import check

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "color": pd.Categorical(RANDOM.choice(["red", "green", "blue"], 200)),
        "size": RANDOM.normal(size=200),
        "grade": pd.Categorical(RANDOM.choice([10, 20, 30], 200)),
    }
)
LABELS = ((FRAME["color"] == "red") ^ (FRAME["grade"] == 20)).astype(int).to_numpy()
BOOSTED: dict[str, Any] = {"n_estimators": 5, "random_state": 0}


def models() -> dict[str, Any]:
    classifier = lightgbm.LGBMClassifier(**BOOSTED, min_child_samples=1, verbose=-1).fit(FRAME, LABELS)
    return {
        "lightgbm": classifier,
        "lightgbm booster": classifier.booster_,
        "lightgbm regressor": lightgbm.LGBMRegressor(**BOOSTED, min_child_samples=1, verbose=-1).fit(FRAME, LABELS),
        "xgboost": xgboost.XGBClassifier(**BOOSTED, enable_categorical=True).fit(FRAME, LABELS),
    }


MODELS = models()


def save(model: Any, path: Path) -> Path:
    room("saving")
    import mlflow.lightgbm
    import mlflow.xgboost

    described = room("saving").signature(
        {"color": "string", "size": "double", "grade": "long"}, {"y": "double"}, ["color"]
    )
    flavor = mlflow.xgboost if isinstance(model, xgboost.XGBModel) else mlflow.lightgbm
    flavor.save_model(model, path, signature=described, pip_requirements=["mlflow"])
    return path


@pytest.mark.parametrize("name", MODELS)
def test_texts_and_numbers_of_a_request_become_the_categories_of_the_model(name: str, tmp_path: Path) -> None:
    config = check(save(MODELS[name], tmp_path / "m"), "pickle")
    known = from_mlmodel(config.signature)
    assert known is not None
    runtime = load_runtime(tmp_path / "m", config, known)
    columns = {name: FRAME[name].tolist() for name in known.names}
    found = runtime.score(known.check(Table(columns, 200)), ["predict"], {})["predict"]
    expected = MODELS[name].predict(FRAME)
    assert len(set(np.round(expected, 6))) > 1
    assert np.allclose(found, expected)
    odd = known.check(Table({"color": ["mauve", None], "size": [0.0, 0.0], "grade": [10, 10]}, 2))
    first, second = runtime.score(odd, ["predict"], {})["predict"]
    assert first == second


def test_categories_that_the_file_does_not_have_are_refused_with_advice() -> None:
    older = SimpleNamespace(feature_names=["color"], feature_types=["c"])  # of XGBoost before 3.1
    with pytest.raises(VersionUnusable, match="that are not in its file"):
        xgboost_categories(older)
    numbers = pd.DataFrame({"x": RANDOM.normal(size=50)})
    booster = lightgbm.train({"verbose": -1, "min_data_in_leaf": 1}, lightgbm.Dataset(numbers, numbers["x"]), 2)
    assert find_categories(booster) == {}
    booster.pandas_categorical = [["a"], ["b"]]
    with pytest.raises(VersionUnusable, match="behind an OrdinalEncoder in the same pipeline"):
        lightgbm_categories(booster)
