"""Several methods of a scikit-learn model over one pass of its rows: a label and its probabilities begin with the same step.

The step runs once. The methods remain scikit-learn's own and find what the step gives, so a tie is decided as they decide it.
"""

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from typing import Any, Final

PIPELINE: Final = "sklearn.pipeline.Pipeline"
SEARCH: Final = "sklearn.model_selection._search"
HALVING: Final = "sklearn.model_selection._search_successive_halving"
SEARCHES: Final = (
    f"{SEARCH}.GridSearchCV",
    f"{SEARCH}.RandomizedSearchCV",
    f"{HALVING}.HalvingGridSearchCV",
    f"{HALVING}.HalvingRandomSearchCV",
)
# The method that `predict` and the others call for the rows they are given, in scikit-learn 1.9.
STEPS: Final = {
    "sklearn.calibration.CalibratedClassifierCV": "predict_proba",
    "sklearn.ensemble._bagging.BaggingClassifier": "predict_proba",
    "sklearn.ensemble._forest.ExtraTreesClassifier": "predict_proba",
    "sklearn.ensemble._forest.RandomForestClassifier": "predict_proba",
    "sklearn.ensemble._gb.GradientBoostingClassifier": "_raw_predict",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier": "_raw_predict",
    "sklearn.ensemble._stacking.StackingClassifier": "transform",
    "sklearn.ensemble._voting.VotingClassifier": "predict_proba",
    "sklearn.ensemble._weight_boosting.AdaBoostClassifier": "decision_function",
    "sklearn.linear_model._logistic.LogisticRegression": "decision_function",
    "sklearn.linear_model._logistic.LogisticRegressionCV": "decision_function",
    "sklearn.linear_model._stochastic_gradient.SGDClassifier": "decision_function",
    "sklearn.naive_bayes.BernoulliNB": "_joint_log_likelihood",
    "sklearn.naive_bayes.CategoricalNB": "_joint_log_likelihood",
    "sklearn.naive_bayes.ComplementNB": "_joint_log_likelihood",
    "sklearn.naive_bayes.GaussianNB": "_joint_log_likelihood",
    "sklearn.naive_bayes.MultinomialNB": "_joint_log_likelihood",
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier": "_forward_pass_fast",
}


def type_name(estimator: Any) -> str:
    kind = type(estimator)
    return f"{kind.__module__}.{kind.__qualname__}"


def is_known(estimator: Any) -> bool:
    name = type_name(estimator)
    return name == PIPELINE or name in SEARCHES or name in STEPS


def score(estimator: Any, data: Any, methods: Sequence[str]) -> dict[str, Any]:
    """What each method gives, to the last bit."""
    name = type_name(estimator)
    if name in SEARCHES:
        return score(estimator.best_estimator_, data, methods)
    if name == PIPELINE:  # what each of its methods does first
        for _, _, step in estimator._iter(with_final=False):
            data = step.transform(data)
        return score(estimator.steps[-1][1], data, methods)
    if name in STEPS:
        estimator = with_step_once(estimator, STEPS[name])
    return {method: getattr(estimator, method)(data) for method in methods}


def with_step_once(estimator: Any, step: str) -> Any:
    """A copy for one call, since others may score at the same time."""
    made = copy(estimator)
    setattr(made, step, run_once(getattr(estimator, step)))
    return made


def run_once(step: Callable[..., Any]) -> Callable[..., Any]:
    found: list[Any] = []

    def run(*rows: Any, **options: Any) -> Any:
        if not found:
            found.append(step(*rows, **options))
        return deepcopy(found[0])  # some methods compute in place

    return run
