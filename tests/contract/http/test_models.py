"""Every kind of model that MLflow saves, through a real function."""

from __future__ import annotations

from typing import Any

import pytest

from contract.twins import native_alone
from serving import Functions

CUSTOMER = {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}
CHURN = {"positive_class": "yes", "threshold": 0.5, "label": "churn"}
RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def test_ten_numbers_in_a_query(functions: Functions) -> None:
    query = {f"G{number}": float(number == 3) for number in range(1, 11)}
    answer = functions("linear10").client.get("/", params=query)
    assert answer.json() == {"prediction": pytest.approx(3.5)}


@pytest.mark.parametrize("model", ["churn", "churn_cloudpickle", "churn_pickle"])
def test_each_form_of_serialization_answers_alike(functions: Functions, model: str) -> None:
    result = functions(model).post("/predict", CUSTOMER).json()
    assert result == functions("churn").post("/predict", CUSTOMER).json()


def test_the_presentation_names_the_answer(functions: Functions) -> None:
    result = functions("churn", presentation=CHURN).post("/predict", CUSTOMER).json()
    assert result["churn_probability"] == result["probabilities"]["yes"]
    assert result["churn"] is (result["churn_probability"] >= 0.5) is (result["prediction"] == "yes")
    cautious = functions("churn", presentation=CHURN | {"threshold": 0.0}).post("/predict", CUSTOMER).json()
    assert cautious["churn"] is True


def test_a_regressor_answers_under_its_label(functions: Functions) -> None:
    labelled = functions("ride_duration", presentation={"label": "ride_duration"}).post("/predict", RIDE).json()
    plain = functions("ride_duration").post("/predict", RIDE).json()
    assert list(labelled) == ["ride_duration"]
    assert list(plain) == ["prediction"]
    assert labelled["ride_duration"] == plain["prediction"] > 0


@pytest.mark.parametrize(
    ("model", "classes"), [("string_labels", ["setosa", "versicolor", "virginica"]), ("integer_labels", [10, 20, 30])]
)
def test_labels_keep_their_type(functions: Functions, model: str, classes: list[Any]) -> None:
    served = functions(model)
    result = served.post("/predict", {"length": 1.0, "width": 0.2}).json()
    assert result["prediction"] == classes[0]
    assert list(result["probabilities"]) == [str(label) for label in classes]
    assert served.client.get("/metadata").json()["classes"] == classes


@native_alone
def test_params_of_a_param_schema(functions: Functions) -> None:
    served = functions("params")
    body: dict[str, Any] = {"dataframe_records": [{"x": 3.0}, {"x": 4}]}
    assert served.post("/invocations", body).json() == {"predictions": [6.0, 8.0]}
    given = served.post("/invocations", body | {"params": {"factor": 10, "offset": 1}})
    assert given.json() == {"predictions": [31.0, 41.0]}
    unknown = served.post("/invocations", body | {"params": {"faktor": 10}})
    assert (unknown.status_code, unknown.json()["error_code"]) == (400, "INVALID_PARAMS")
    assert "factor, offset" in unknown.json()["message"]
    wrong = served.post("/invocations", body | {"params": {"offset": 1.5}})
    assert wrong.status_code == 400


def test_a_model_without_a_signature_takes_what_comes(functions: Functions) -> None:
    served = functions("no_signature")
    assert served.post("/predict", CUSTOMER).json() == functions("churn").post("/predict", CUSTOMER).json()


@native_alone
def test_optional_columns_take_null_and_datetimes_take_offsets(functions: Functions) -> None:
    served = functions("optional")
    full = {"when": "2024-05-01T12:00:00+02:00", "until": "2024-05-02", "amount": 1, "note": "x", "flag": True}
    utc = full | {"when": "2024-05-01T10:00:00Z"}
    assert served.post("/predict", full).json() == served.post("/predict", utc).json()
    nulls = dict.fromkeys(["until", "amount", "note", "flag"])
    assert served.post("/predict", {"when": full["when"], **nulls}).status_code == 200
    assert (
        served.post("/predict", {"when": full["when"]}).json()
        == served.post("/predict", {"when": full["when"], **nulls}).json()
    )
    assert served.post("/predict", full | {"when": "yesterday"}).status_code == 400
    assert served.post("/predict", full | {"when": None}).status_code == 400


def test_a_tensor_signature(functions: Functions) -> None:
    served = functions("tensor")
    rows = [[1.0, 0.2], [6.5, 2.4]]
    wanted = {"predictions": [0, 2]}
    assert served.post("/invocations", {"inputs": rows}).json() == wanted
    assert served.post("/invocations", {"instances": rows}).json() == wanted
    tensor = {"name": "input-0", "shape": [2, 2], "datatype": "FP64", "data": [1.0, 0.2, 6.5, 2.4]}
    assert served.post("/v2/models/tensor/infer", {"inputs": [tensor]}).json()["outputs"][0]["data"] == [0, 2]
    wrong = served.post("/invocations", {"inputs": [[1.0]]})
    assert (wrong.status_code, wrong.json()["details"][0]["reason"]) == (400, "shape [1], needs [2]")


def test_lightgbm_through_its_own_flavor(functions: Functions) -> None:
    predictions = functions("boosted").post("/invocations", {"inputs": {"length": [1.0, 6.5], "width": [0.2, 2.4]}})
    low, high = predictions.json()["predictions"]
    assert low < 0.5 < high


@native_alone
def test_a_model_that_answers_a_dataframe(functions: Functions) -> None:
    answer = functions("framed").post("/invocations", {"instances": [{"x": 3.0}]})
    assert answer.json() == {"predictions": [{"x": 3.0, "square": 9.0}]}


def test_two_outputs_per_row(functions: Functions) -> None:
    assert functions("two_outputs").post("/predict", {"x": 2.0}).json()["prediction"] == pytest.approx([2.0, -2.0])


@native_alone
def test_a_model_that_raises_is_a_500_that_says_so_and_nothing_more(functions: Functions) -> None:
    served = functions("raising")
    good, bad = {"x": 1.0, "marked": False}, {"x": 1.0, "marked": True}
    assert served.post("/predict", good).status_code == 200
    answer = served.post("/predict", bad)
    assert (answer.status_code, answer.json()["error_code"]) == (500, "MODEL_FAILED")
    assert served.post("/predict", good).status_code == 200
