"""What the child process of publishing makes of a model, without the process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from models.library import Library, room
from modelserve.core.errors import ServeError
from modelserve_control.common.errors import NotCompiled, ValidationFailed
from modelserve_control.publish import compiling
from modelserve_control.publish.validate import HAS_CATEGORIES, full_message, sample_error, validate

RIDES = [{"route": "1_2", "miles": 1.5}, {"route": "3_4", "miles": 4.0}, {"route": "1_2", "miles": 2.5}] * 4
MINUTES = [9.0, 21.0, 13.0] * 4


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "rides.json"
    path.write_text(json.dumps(RIDES))
    return path


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (make_pipeline(DictVectorizer(), LinearRegression()), "compiled"),
        (make_pipeline(FeatureHasher(8), LinearRegression()), "native"),
        (GridSearchCV(make_pipeline(DictVectorizer(), LinearRegression()), {}, cv=2), "compiled"),
    ],
)
def test_a_model_that_was_fitted_on_dicts_is_published_and_gets_dicts(
    tmp_path: Path, sample: Path, model: Any, kind: str
) -> None:
    saved = room("saving").save_sklearn(model.fit(RIDES, MINUTES), tmp_path / "m", None, "cloudpickle")
    result = validate(saved, sample, "pickle", "auto")
    assert [(column["name"], column["type"]) for column in result["signature"]["inputs"]] == [
        ("route", "string"),
        ("miles", "double"),
    ]
    assert result["runtime"]["kind"] == kind


@pytest.mark.parametrize("described", [None, {"zone": "long", "miles": "double"}])
def test_places_that_csv_has_as_numbers_are_texts_where_the_model_was_fitted_on_texts(
    tmp_path: Path, described: Any
) -> None:
    rides = [{"zone": str(row["route"])[0], "miles": row["miles"]} for row in RIDES]
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(rides, MINUTES)
    signature = room("saving").signature(described, {"minutes": "double"}) if described else None
    saved = room("saving").save_sklearn(model, tmp_path / "m", signature, "cloudpickle")
    rows = tmp_path / "rides.csv"
    pd.DataFrame(rides).assign(minutes=MINUTES).to_csv(rows, index=False)
    result = validate(saved, rows, "pickle")
    kinds = {column["name"]: column["type"] for column in result["signature"]["inputs"]}
    assert kinds == (described or {"zone": "string", "miles": "double"})
    unknown = "No value of zone in the sample is one that the model knows, such as '1'."
    assert (unknown in result["warnings"]) == (described is not None)


def test_a_step_that_takes_dicts_and_gets_a_table_is_refused_once_with_what_to_put_before_it(
    tmp_path: Path, sample: Path
) -> None:
    columns = pd.DataFrame(RIDES)
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(RIDES, MINUTES)
    encode = make_column_transformer(("passthrough", ["route", "miles"]))
    encode.set_output(transform="pandas").fit(columns)
    described = room("saving").signature({"route": "string", "miles": "double"}, {"minutes": "double"})
    saved = room("saving").save_sklearn(make_pipeline(encode, *model), tmp_path / "m", described, "cloudpickle")
    with pytest.raises(ValidationFailed) as raised:
        validate(saved, sample, "pickle")
    message = full_message(raised.value)
    assert message.count("AttributeError") == 1
    assert "Put FunctionTransformer(to_dict" in message


def test_an_error_of_categories_is_told_once_with_advice() -> None:
    error = sample_error(ValueError("DMatrix parameter `enable_categorical` must be set to `True`"))
    assert error.message.endswith("must be set to `True`. " + HAS_CATEGORIES)


def test_compiling_has_a_time_of_its_own_after_which_the_version_is_native(
    models: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "COMPILE_SECONDS", 0.001)
    copy = models.copy("churn", tmp_path / "m")
    result = validate(copy, None, "strict", "auto")
    assert (result["runtime"]["kind"], result["not_compiled"]) == (
        "native",
        "Compiling and verifying it did not end within 0.001 s.",
    )
    assert not (copy / "model.onnx").exists()
    with pytest.raises(NotCompiled, match=r"did not end within 0\.001 s"):
        validate(copy, None, "strict", "require")


def test_a_message_that_names_its_cause_is_not_said_twice() -> None:
    cause = ValueError("bad depth\nand more")
    for told in ("It raised ValueError: bad depth.", "It raised ValueError."):
        error = ServeError(told)
        error.__cause__ = cause
        assert full_message(error).count("ValueError: bad depth.") == 1
