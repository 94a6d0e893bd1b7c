"""What a pickle of a tutorial becomes, and what is said of one that becomes nothing."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import mlflow
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from modelserve.core.errors import ServeError
from modelserve_control.cli.messages import format_import
from modelserve_control.common.options import ROW_FILES
from modelserve_control.common.output import texts_advice
from modelserve_control.common.progress import Lines
from modelserve_control.publish.environments import own_requirements
from modelserve_control.publish.pickles import convert, import_pickle, sklearn_version

ROOT: Final = Path(__file__).parents[4]
RANDOM: Final = np.random.default_rng(0)
RIDES: Final = pd.DataFrame(
    {"PULocationID": RANDOM.integers(1, 9, 100), "trip_distance": RANDOM.exponential(3, 100), "tip": 1.0}
)
MINUTES: Final = RIDES["trip_distance"] * 4 + RIDES["PULocationID"]
NUMBERS: Final = RIDES[["trip_distance", "tip"]]
DICTS: Final = RIDES[["PULocationID"]].astype(str).join(RIDES[["trip_distance"]]).to_dict("records")
VECTORIZER: Final = DictVectorizer().fit(DICTS)
TAXI: Final = (VECTORIZER, LinearRegression().fit(VECTORIZER.transform(DICTS), MINUTES))
SCALER: Final = StandardScaler().fit(NUMBERS)
SCALED: Final = LinearRegression().fit(SCALER.transform(NUMBERS), MINUTES)
PLACES: Final = RIDES[["PULocationID"]].astype(str)
ENCODED: Final = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearRegression()).fit(PLACES, MINUTES)
# How a program gets its answers, and the same model in the ways that programs leave it.
DIRECT: Final = {
    "vectorizer and model": (TAXI, TAXI[1].predict(VECTORIZER.transform(DICTS))),
    "pipeline on dicts": (make_pipeline(*TAXI), TAXI[1].predict(VECTORIZER.transform(DICTS))),
    "search of pipelines": (
        GridSearchCV(make_pipeline(DictVectorizer(), LinearRegression()), {}, cv=2).fit(DICTS, MINUTES),
        TAXI[1].predict(VECTORIZER.transform(DICTS)),
    ),
    "encoder and model": (ENCODED, ENCODED.predict(PLACES)),
    "by name": ({"scaler": SCALER, "model": SCALED}, SCALED.predict(SCALER.transform(NUMBERS))),
    "estimator": (LinearRegression().fit(NUMBERS, MINUTES), LinearRegression().fit(NUMBERS, MINUTES).predict(NUMBERS)),
}


def of_this_test(x: Any) -> Any:
    return x


def write_files(folder: Path, model: Any, rows: pd.DataFrame = RIDES) -> tuple[Path, Path, Path]:
    file, data = folder / "model.bin", folder / "rides.csv"
    file.write_bytes(pickle.dumps(model))
    rows.to_csv(data, index=False)
    return file, data, folder / "model"


@pytest.mark.parametrize("name", DIRECT)
def test_the_mlflow_model_takes_the_raw_columns_and_answers_as_the_program_did(name: str, tmp_path: Path) -> None:
    model, expected = DIRECT[name]
    file, data, out = write_files(tmp_path, model, NUMBERS if name in ("by name", "estimator") else RIDES)
    found = convert(file, data, out)
    assert found["form"] == "skops"
    rows = RIDES.astype({"PULocationID": str})[list(found["columns"])]
    assert mlflow.pyfunc.load_model(str(out)).predict(rows) == pytest.approx(expected)


@pytest.mark.parametrize("suffix", ROW_FILES)
@pytest.mark.parametrize("ids", [int, str])
def test_what_follows_an_import_takes_rows_that_fit(suffix: str, ids: type, tmp_path: Path) -> None:
    file, _, out = write_files(tmp_path, TAXI)
    data, rows = tmp_path / f"rides{suffix}", RIDES.astype({"PULocationID": ids})
    if suffix == ".csv":
        rows.to_csv(data, index=False)
    elif suffix in (".json", ".jsonl"):
        rows.to_json(data, orient="records", lines=suffix == ".jsonl")
    else:
        rows.to_parquet(data)
    found = convert(file, data, out)
    said = format_import({**found, "data": str(data)})
    numbers = ids is int and suffix != ".csv"  # the cells of CSV are texts
    assert found["texts_as_numbers"] == (["PULocationID"] if numbers else [])
    assert said.endswith(" --alias champion" if numbers else f" --alias champion --data {data}")
    assert ("has numbers there, which" in said) == numbers
    assert (f"refuse: {texts_advice(['PULocationID'])} Next:" in said) == numbers
    assert set(mlflow.pyfunc.load_model(str(out)).input_example["PULocationID"]) <= set(map(str, range(1, 9)))


def test_what_skops_cannot_hold_stays_a_pickle(tmp_path: Path) -> None:
    chain = Pipeline([("same", FunctionTransformer(of_this_test)), ("model", SCALED)])
    found = convert(*write_files(tmp_path, chain, NUMBERS))
    assert found["form"] == "pickle"


@pytest.mark.parametrize(
    ("model", "rows", "message"),
    [
        (TAXI, RIDES[["tip"]], "The model takes PULocationID, trip_distance, which rides.csv lacks; it has tip."),
        (
            TAXI,
            RIDES.assign(PULocationID="43.0"),
            "No value of PULocationID in rides.csv is one that the model knows, such as '1'.",
        ),
        (SCALED, RIDES, "The model takes 2 columns, and rides.csv has 3: PULocationID, trip_distance, tip."),
        (TAXI, RIDES[:0], "rides.csv has no rows."),
        ((SCALED, SCALED), RIDES, "model.bin holds LinearRegression, LinearRegression. It must hold one estimator"),
        ([1, 2], RIDES, "model.bin holds int, int."),
        (LinearRegression(), NUMBERS, "The model does not score these rows. NotFittedError: "),
    ],
)
def test_what_does_not_fit_is_named(model: Any, rows: pd.DataFrame, message: str, tmp_path: Path) -> None:
    with pytest.raises(ServeError) as caught:
        convert(*write_files(tmp_path, model, rows))
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"not a pickle",
            "model.bin is no pickle: name the file that your program wrote with pickle.dump or joblib.dump",
        ),
        (b"PULocationID,DOLocationID\n1,2\n2.5,3\n", "model.bin is no pickle: "),
        (b"xyz,miles\n1,2\n", "model.bin is no pickle: "),
        (b"", "model.bin is no pickle: "),
        (pickle.dumps([1, 2])[:-1], "model.bin cannot be opened as a pickle. EOFError"),
        (b"cbuiltins\nint\n(S'a'\ntR.", "model.bin cannot be opened as a pickle. "),
        (b"cno_such_module\nModel\n.", "model.bin needs the Python module no_such_module; install it"),
        (b"cmodelserve.core.errors\nGone\n.", "model.bin holds something of the program that made it: "),
    ],
)
def test_a_pickle_that_cannot_be_opened_is_told_why(content: bytes, message: str, tmp_path: Path) -> None:
    file, data, out = write_files(tmp_path, None)
    file.write_bytes(content)
    with pytest.raises(ServeError) as caught:
        convert(file, data, out)
    assert caught.value.message.startswith(message)


def test_nothing_is_opened_without_trust_and_nothing_is_overwritten(tmp_path: Path) -> None:
    file, data, out = write_files(tmp_path, None)
    file.write_bytes(b"cposix\nabort\n(tR.")
    with pytest.raises(ServeError, match="add --trust pickle"):
        import_pickle(file, data, out, "strict", Lines())
    out.mkdir()
    with pytest.raises(ServeError, match="exists already"):
        import_pickle(file, data, out, "pickle", Lines())


def test_a_pickle_of_an_older_scikit_learn_than_the_kit_takes_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file, data, out = write_files(tmp_path, {"_sklearn_version": "1.2.2"})
    with pytest.raises(ServeError) as caught:
        import_pickle(file, data, out, "pickle", Lines())
    minimum = next(line for line in own_requirements() if line.startswith("scikit-learn")).partition(">=")[2]
    assert f"scikit-learn {minimum} or later" in (ROOT / "docs" / "from-flask.md").read_text()
    assert caught.value.message == (
        "model.bin was made with scikit-learn 1.2.2, which cannot be installed here: this kit reads models of scikit-learn "
        f"{minimum} or later, so train the model again with one of them, such as {sklearn.__version__}, which is installed here."
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_version_is_read_from_the_bytes(protocol: int, tmp_path: Path) -> None:
    state: Mapping[str, Any] = {"coef_": np.arange(3.0), "_sklearn_version": "1.5.2"}
    file = tmp_path / "model.bin"
    file.write_bytes(pickle.dumps(state, protocol))
    assert sklearn_version(file) == "1.5.2"
    file.write_bytes(pickle.dumps({"_sklearn_version": None}, protocol))
    assert sklearn_version(file) is None
