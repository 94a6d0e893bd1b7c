from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from modelserve.models.native import one_pass
from modelserve.models.native.runtime import METHODS

pytestmark = pytest.mark.filterwarnings("ignore")  # these fits are too short to converge

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 1.0]])
OPTIONS: dict[str, dict[str, Any]] = {
    "BaggingClassifier": {"n_estimators": 2, "random_state": 1},
    "SGDClassifier": {"loss": "log_loss", "random_state": 1},
    "MLPClassifier": {"hidden_layer_sizes": 2, "max_iter": 2, "random_state": 1},
}


def build(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    made = getattr(import_module(module), kind)
    from sklearn.linear_model import LogisticRegression

    if kind in ("StackingClassifier", "VotingClassifier"):
        return made([("a", LogisticRegression()), ("b", LogisticRegression(C=0.1))], **voting_options(kind))
    options = OPTIONS.get(kind, {})
    few = {"n_estimators": 2, "random_state": 1, "max_iter": 3, "cv": 2}
    return made(**({key: value for key, value in few.items() if key in made().get_params()} | options))


def voting_options(kind: str) -> dict[str, Any]:
    return {"voting": "soft"} if kind == "VotingClassifier" else {"cv": 2}


def assert_same(estimator: Any, rows: Any) -> None:
    methods = [method for method in METHODS if hasattr(estimator, method)]
    assert methods[:2] == ["predict", "predict_proba"]
    for order in (methods, methods[::-1]):
        together = one_pass.score(estimator, rows, order)
        assert list(together) == order
        for method, found in together.items():
            alone = getattr(estimator, method)(rows)
            assert (found.dtype, found.shape, found.tobytes()) == (alone.dtype, alone.shape, alone.tobytes()), method


@pytest.mark.parametrize("labels", [("no", "yes"), (3, 1, 2)], ids=["two", "three"])
@pytest.mark.parametrize("name", one_pass.STEPS)
def test_methods_together_are_each_what_the_method_gives_where_labels_tie_too(
    name: str, labels: tuple[Any, ...]
) -> None:
    rows = np.repeat(ROWS, len(labels), axis=0)  # each with every label, so that nothing decides between them
    answers = np.array([*labels * (len(ROWS) - 1), *labels[:1] * len(labels)])  # but of the last row
    estimator = build(name).fit(np.vstack([rows, rows]), np.hstack([answers, answers]))
    assert one_pass.is_known(estimator)
    assert_same(estimator, rows)


@pytest.mark.parametrize("name", one_pass.STEPS)
def test_the_step_runs_once(name: str) -> None:
    rows = np.vstack([ROWS, ROWS])
    estimator = build(name).fit(rows, [0, 0, 1, 1] * 2)
    step, calls = getattr(estimator, one_pass.STEPS[name]), []

    def run(*given: Any, **options: Any) -> Any:
        calls.append(given)
        return step(*given, **options)

    setattr(estimator, one_pass.STEPS[name], run)
    one_pass.score(estimator, ROWS, ("predict", "predict_proba"))
    assert len(calls) == 1


def test_the_best_pipeline_of_a_search_transforms_once() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=2))
    search = GridSearchCV(model, {"histgradientboostingclassifier__max_depth": [1]}, cv=2)
    search.fit(np.vstack([ROWS] * 4), [0, 0, 1, 1] * 4)
    assert one_pass.is_known(search)
    assert_same(search, ROWS)


def test_a_class_of_its_own_is_asked_for_each_method() -> None:
    from sklearn.ensemble import RandomForestClassifier

    own = type("Own", (RandomForestClassifier,), {})  # its labels need not be those of its probabilities
    assert not one_pass.is_known(own())
    assert not one_pass.is_known(None)
