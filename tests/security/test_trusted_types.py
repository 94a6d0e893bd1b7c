"""R9 and the kit's list: usual models load under strict, a canary never runs, every trusted name is what it seems."""

from __future__ import annotations

import importlib
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
from pandas.core.methods.to_dict import to_dict  # type: ignore[import-not-found]  # pandas-stubs leaves it out
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier, TweedieRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from modelserve.core.errors import VersionRefused
from modelserve.store.trust.policy import check
from modelserve.store.trust.trusted_types import GROUPS, TRUSTED

# Importing and saving, MLflow warns about type hints, integer columns and the like; none of that is about these models.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

FRAME = pd.DataFrame({"a": np.linspace(-1, 1, 40), "b": ["u", "v"] * 20, "c": ["x", "y", "y", "x"] * 10})
LABELS = np.where(FRAME["a"] > 0, "yes", "no")


def table(model: Any) -> Any:
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), make_column_selector(dtype_include=float)),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), ["b"]),
        (OrdinalEncoder(), ["c"]),
    )
    return make_pipeline(columns, model).fit(FRAME, LABELS)


def numbers(model: Any) -> Any:
    return model.fit(FRAME[["a"]].to_numpy(), LABELS == "yes")


MODELS = {
    "logistic": lambda: table(LogisticRegression()),
    "forest": lambda: table(RandomForestClassifier(3)),
    "boosting": lambda: table(GradientBoostingClassifier(n_estimators=3)),
    "histogram boosting": lambda: table(HistGradientBoostingClassifier(max_iter=3)),
    "neighbours": lambda: table(KNeighborsClassifier(3)),
    "ball tree": lambda: numbers(KNeighborsClassifier(3, algorithm="ball_tree", metric="manhattan")),
    "kd tree": lambda: numbers(KNeighborsClassifier(3, algorithm="kd_tree")),
    "support vectors": lambda: table(SVC()),
    "naive Bayes": lambda: numbers(GaussianNB()),
    "gradient descent": lambda: table(SGDClassifier(loss="log_loss")),
    "network": lambda: numbers(MLPClassifier((2,), max_iter=2000, tol=1.0)),
    "calibrated": lambda: table(CalibratedClassifierCV(LogisticRegression())),
    "search": lambda: table(GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]})),
    "voting": lambda: table(VotingClassifier([("l", LogisticRegression()), ("f", RandomForestClassifier(3))])),
    "stacking": lambda: table(StackingClassifier([("l", LogisticRegression()), ("f", RandomForestClassifier(3))])),
    "selection": lambda: table(make_pipeline(SelectKBest(k=2), LogisticRegression())),
    "bins": lambda: numbers(
        make_pipeline(KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), LogisticRegression())
    ),
    "Tweedie": lambda: numbers(TweedieRegressor()),
    "dictionaries": lambda: make_pipeline(DictVectorizer(), LogisticRegression()).fit(
        FRAME[["a", "b"]].to_dict("records"), LABELS
    ),
    "records": lambda: make_pipeline(
        FunctionTransformer(to_dict, kw_args={"orient": "records"}), DictVectorizer(), LogisticRegression()
    ).fit(FRAME[["a", "b"]], LABELS),
    "texts": lambda: make_pipeline(TfidfVectorizer(token_pattern=r"\w"), LogisticRegression()).fit(FRAME["b"], LABELS),
}


def input_of(model: Any) -> Any:
    first = model.steps[0][1] if hasattr(model, "steps") else model
    if isinstance(first, DictVectorizer):
        return FRAME[["a", "b"]].to_dict("records")
    if isinstance(first, FunctionTransformer):
        return FRAME[["a", "b"]]
    if isinstance(first, TfidfVectorizer):
        return FRAME["b"]
    return FRAME if hasattr(model, "feature_names_in_") else FRAME[["a"]].to_numpy()


def save(model: Any, path: Path) -> Path:
    wanted = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    mlflow.sklearn.save_model(
        model, path, serialization_format="skops", skops_trusted_types=wanted, pip_requirements=["scikit-learn"]
    )
    return path


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_a_usual_model_passes_strict_and_answers_the_same(make: Any, tmp_path: Path) -> None:
    model = make()
    directory = save(model, tmp_path / "model")
    found = check(directory, "strict")
    assert found.flavors["sklearn"]["serialization_format"] == "skops"
    loaded = skops.io.load(directory / "model.skops", trusted=sorted(TRUSTED))
    data = input_of(model)
    assert list(loaded.predict(data)) == list(model.predict(data))


def test_a_model_answers_through_pyfunc_with_what_policy_allowed(tmp_path: Path) -> None:
    model = table(KNeighborsClassifier(3))
    directory = save(model, tmp_path / "model")
    check(directory, "strict")
    loaded = mlflow.pyfunc.load_model(str(directory))
    assert list(loaded.predict(FRAME)) == list(model.predict(FRAME))


@pytest.mark.parametrize("scikit", [True, False], ids=["classifier", "booster"])
def test_a_lightgbm_model_passes_strict_and_answers_the_same(scikit: bool, tmp_path: Path) -> None:
    data, labels = FRAME[["a"]].to_numpy(), (LABELS == "yes").astype(int)
    quiet: dict[str, Any] = {"verbose": -1, "min_data_in_leaf": 1}
    if scikit:
        model: Any = lightgbm.LGBMClassifier(n_estimators=2, **quiet).fit(data, labels)
    else:
        model = lightgbm.train(quiet, lightgbm.Dataset(data, labels), 2)
    mlflow.lightgbm.save_model(model, tmp_path / "model", serialization_format="skops", pip_requirements=["lightgbm"])
    check(tmp_path / "model", "strict")
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert list(loaded.predict(data)) == list(model.predict(data))


def test_a_function_in_a_pipeline_is_refused(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(np.mean), LogisticRegression())
    with pytest.raises(VersionRefused, match=r"trust .*numpy\.mean"):
        check(save(model, tmp_path / "model"), "strict")


def test_every_trusted_name_is_defined_where_it_says() -> None:
    for name in sorted(TRUSTED - set(GROUPS["scikit-learn 1.5 and 1.6"])):
        module, _, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute)
        assert found.__name__ == attribute
        assert module.split(".")[0] in {"sklearn", "numpy", "pandas", "lightgbm", "collections"}


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("where", ["model.pkl", "input_example.json", "inner/model.pkl"])
def test_a_canary_never_runs_under_strict(where: str, model: Path, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    (model / "inner").mkdir()
    (model / where).write_bytes(pickle.dumps(Canary(canary)))
    flavor = {"pickled_model": where, "serialization_format": "pickle"}
    raw = {"python_function": {"loader_module": "mlflow.sklearn", "model_path": where}, "sklearn": flavor}
    for directory in (model, model / "inner"):
        (directory / "MLmodel").write_text(json.dumps({"flavors": raw}))
    with pytest.raises(VersionRefused):
        check(model, "strict")
    assert not canary.exists()


@pytest.mark.parametrize("form", ["pickle", "skops"])
def test_a_pickle_that_calls_itself_skops_does_not_run(form: str, model: Path, tmp_path: Path) -> None:
    """Policy lets the name pass; the loader it leads to reads only skops archives of trusted types."""
    canary = tmp_path / "ran"
    data = io.BytesIO(pickle.dumps(Canary(canary)))
    if form == "skops":
        data = io.BytesIO()
        schema = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "protocol": 2}
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("schema.json", json.dumps(schema))
    (model / "model.skops").write_bytes(data.getvalue())
    flavor = {"pickled_model": "model.skops", "serialization_format": "skops"}
    raw = {"python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.skops"}, "sklearn": flavor}
    (model / "MLmodel").write_text(json.dumps({"flavors": raw}))
    check(model, "strict")
    with pytest.raises(Exception, match=r"not a zip file|Untrusted types found"):
        mlflow.pyfunc.load_model(str(model))
    assert not canary.exists()
