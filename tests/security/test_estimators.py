"""Under strict a model reads no file that a caller names and keeps no pickles on disk, wherever in it that would happen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from modelserve.core.errors import VersionRefused
from modelserve.models.native.load import load_runtime
from modelserve.store.trust.policy import check

# Importing and saving, MLflow warns about type hints, integer columns and the like; none of that is about these models.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

TEXTS, LABELS = ["aa bb", "bb cc", "cc dd", "dd ee"], [0, 1, 0, 1]


def pipeline(first: Any, **options: Any) -> Any:
    return Pipeline([("first", first), ("last", LogisticRegression())], **options).fit(TEXTS, LABELS)


def reading(vectorizer: Any, how: Any = "filename") -> Any:
    """Fitted on texts and then told to read files, as only a file of a model can be."""
    vectorizer.fit(TEXTS)
    model = pipeline(vectorizer)
    vectorizer.input = how
    return model


def hidden_in_what_was_fitted() -> Any:
    """The parameters are clean; what predicts is not."""
    columns = ColumnTransformer([("t", CountVectorizer(), 0)])
    model = make_pipeline(columns, LogisticRegression()).fit(np.array(TEXTS, dtype=object).reshape(-1, 1), LABELS)
    columns.transformers_[0][1].input = "filename"
    return model


REFUSED = {
    "counts": lambda tmp: reading(CountVectorizer()),
    "tfidf": lambda tmp: reading(TfidfVectorizer()),
    "hashes": lambda tmp: reading(HashingVectorizer(n_features=8)),
    "a file object": lambda tmp: reading(CountVectorizer(), "file"),
    "a name in an array": lambda tmp: reading(CountVectorizer(), np.array("filename")),
    "nested": lambda tmp: nested(),
    "fitted": lambda tmp: hidden_in_what_was_fitted(),
    "a cache of pickles": lambda tmp: pipeline(CountVectorizer(), memory=str(tmp / "joblib")),
}


def nested() -> Any:
    inner = CountVectorizer()
    model = pipeline(FeatureUnion([("u", make_pipeline(inner))]))
    inner.input = "filename"
    return model


def load(model: Any, directory: Path, trust: str) -> Any:
    wanted = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    options = {"skops_trusted_types": wanted, "pip_requirements": ["scikit-learn"]}
    mlflow.sklearn.save_model(model, directory, serialization_format="skops", **options)
    return load_runtime(directory, check(directory, trust), None)


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_a_model_that_uses_files_is_refused_under_strict_and_left_alone_under_pickle(make: Any, tmp_path: Path) -> None:
    model = make(tmp_path)
    with pytest.raises(VersionRefused, match=r"^MODEL_TRUST=strict refuses this version: its \w+ (reads|keeps) "):
        load(model, tmp_path / "strict", "strict")
    assert load(model, tmp_path / "pickle", "pickle").kind == "native"


def test_a_model_of_texts_passes(tmp_path: Path) -> None:
    assert load(pipeline(TfidfVectorizer()), tmp_path / "model", "strict").methods[0] == "predict"


def test_publishing_refuses_it_too(tmp_path: Path) -> None:
    from modelserve_control.publish.validation import validate

    with pytest.raises(VersionRefused):
        load(reading(CountVectorizer()), tmp_path / "model", "strict")
    data = tmp_path / "rows.json"
    data.write_text('[{"text": "a b"}]')
    with pytest.raises(VersionRefused, match="reads files"):
        validate(with_signature(tmp_path), data, "strict", {})


def with_signature(tmp_path: Path) -> Path:
    import pandas as pd

    example = pd.Series(TEXTS, name="text")
    model = reading(CountVectorizer())
    signature = mlflow.models.infer_signature(example.to_frame(), np.array(LABELS))
    mlflow.sklearn.save_model(
        model,
        tmp_path / "signed",
        serialization_format="skops",
        skops_trusted_types=skops.io.get_untrusted_types(data=skops.io.dumps(model)),
        signature=signature,
        pip_requirements=["scikit-learn"],
    )
    return tmp_path / "signed"
