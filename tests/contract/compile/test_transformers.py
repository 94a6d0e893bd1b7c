"""Encoders, imputers, scalers and selectors, each before a model that depends on every column."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn import preprocessing as pp
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline, make_union

from proving import NUMBERS, TEXTS, customers, prove, prove_family, targets, with_encoder

ENCODERS = [
    pp.OneHotEncoder(),
    pp.OneHotEncoder(handle_unknown="ignore", drop="first"),
    pp.OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    pp.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=110),
    pp.OrdinalEncoder(encoded_missing_value=-2),
    pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    pp.TargetEncoder(random_state=1),
    make_pipeline(SimpleImputer(strategy="most_frequent"), pp.OneHotEncoder()),
    make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), pp.OneHotEncoder(handle_unknown="ignore")),
]
SCALERS = [
    pp.StandardScaler(with_mean=False),
    pp.MinMaxScaler(clip=True),
    pp.MaxAbsScaler(),
    pp.RobustScaler(),
    pp.Normalizer(norm="l1"),
    pp.Binarizer(threshold=20.0),
    pp.PowerTransformer(),
    pp.PolynomialFeatures(3, include_bias=False),
    pp.KBinsDiscretizer(4),
    pp.KBinsDiscretizer(4, encode="ordinal"),
    make_union(pp.StandardScaler(), pp.MinMaxScaler()),
]
IMPUTERS = [
    SimpleImputer(),
    SimpleImputer(strategy="constant", fill_value=-7.5),
    SimpleImputer(strategy="most_frequent", add_indicator=True),
]
CHOOSERS = [SelectKBest(k=4), VarianceThreshold(0.05), PCA(3, whiten=True), TruncatedSVD(3)]


def text(value: Any) -> str:
    return " ".join(str(value).split())


@pytest.mark.parametrize("encoder", ENCODERS, ids=text)
@pytest.mark.parametrize("target", ["two", "three"])
def test_encoders_compile(encoder: Any, target: str) -> None:
    table = customers()
    prove(with_encoder(LogisticRegression(), texts=encoder), table, targets(table)[target])


@pytest.mark.parametrize("scaler", SCALERS, ids=text)
def test_scalers_compile(scaler: Any) -> None:
    table = customers()
    numbers = make_pipeline(SimpleImputer(), scaler)
    prove(with_encoder(Ridge(), numbers=numbers), table, targets(table)["value"])


@pytest.mark.parametrize("imputer", IMPUTERS, ids=text)
def test_imputers_compile(imputer: Any) -> None:
    table = customers()
    prove(with_encoder(Ridge(), numbers=imputer), table, targets(table)["value"])


@pytest.mark.parametrize("chooser", CHOOSERS, ids=text)
def test_selectors_compile(chooser: Any) -> None:
    prove_family(make_pipeline(chooser, LogisticRegression()), "three")


def test_numbers_are_categories_too() -> None:
    table = customers()
    encode = make_column_transformer(
        (pp.OneHotEncoder(handle_unknown="ignore"), ["tenure", "contract", "paperless"]), remainder="drop"
    )
    prove(make_pipeline(encode, Ridge()), table, targets(table)["value"])


def test_columns_of_long_tables_keep_separate_lookups() -> None:
    """With many categories in several columns, a shared table would be too large."""
    table = customers(4_000, nulls=False)[["monthly", "total"]]
    table = table.assign(other=table["total"] + 1.0).astype(str).astype("str")
    encode = pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prove(make_pipeline(encode, Ridge()), table, targets(customers(4_000, nulls=False))["value"], rows=1_000)


@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
def test_the_remainder_and_places_find_their_columns(remainder: str) -> None:
    table = customers(nulls=False)
    encode = make_column_transformer((pp.OneHotEncoder(), [0]), (pp.StandardScaler(), slice(2, 4)), remainder=remainder)
    table = table.drop(columns="payment")
    prove(make_pipeline(encode, Ridge()), table, targets(customers(nulls=False))["value"])


def test_the_columns_of_the_usual_tables_are_named() -> None:
    proof = prove_family(LogisticRegression(), "two")
    kinds = {column.name: column.kind for column in proof.compiled.inputs}
    assert kinds == dict.fromkeys(TEXTS, "string") | dict.fromkeys([*NUMBERS, "paperless"], "double")
    assert [output.name for output in proof.compiled.outputs] == ["predict", "predict_proba", "predict_log_proba", "decision_function"]  # fmt: skip
