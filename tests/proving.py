"""Compile a model, and compare both forms on 10,000 random valid rows and on hostile ones."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature, from_mlmodel
from modelserve_control.compile import CompiledModel, Report, compile, generate_batches, verify

TEXTS = ["contract", "payment"]
NUMBERS = ["tenure", "monthly", "total"]
ROWS = 10_000


@dataclass(frozen=True)
class Proof:
    compiled: CompiledModel
    report: Report
    signature: Signature
    batch: Batch


def customers(rows: int = 400, nulls: bool = True) -> pd.DataFrame:
    """Two texts, a long, two doubles, a boolean. With `nulls`, a text and a double have nulls."""
    random = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "contract": random.choice(["monthly", "one_year", "two_year", "Größe"], rows),
            "payment": random.choice(["check", "card", "bank transfer"], rows),
            "tenure": random.integers(0, 72, rows),
            "monthly": random.normal(65, 30, rows).round(2),
            "total": random.gamma(2, 900, rows).round(2),
            "paperless": random.random(rows) < 0.5,
        }
    )
    if nulls:
        table.loc[::17, "total"] = np.nan
        table.loc[::23, "contract"] = None
    return table


def targets(table: pd.DataFrame) -> dict[str, Any]:
    """two and three: text labels; numbers: integer labels; value: of a regressor."""
    random = np.random.default_rng(4)
    score = (
        table["monthly"] / 30 - table["tenure"] / 24 + (table["payment"] == "check") + random.normal(size=len(table))
    )
    three = np.digitize(score, np.quantile(score, [0.3, 0.7]))
    return {
        "two": np.where(score > score.median(), "yes", "no"),
        "three": np.array(["low", "mid", "high"])[three],
        "numbers": three * 5 - 3,
        "value": score.to_numpy(),
        "positive": np.exp(score.to_numpy()),
    }


def with_encoder(model: Any, texts: Any = None, numbers: Any = None) -> Any:
    """The model after one-hot encoding of texts, and imputation and scaling of numbers."""
    texts = OneHotEncoder(handle_unknown="ignore") if texts is None else texts
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()) if numbers is None else numbers
    return make_pipeline(
        make_column_transformer((texts, TEXTS), (numbers, NUMBERS), ("passthrough", ["paperless"])), model
    )


def fit(model: Any, table: pd.DataFrame, target: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # small tables do not converge
        return model.fit(table, target)


def signature_of(table: pd.DataFrame) -> Signature:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlflow warns that integer columns cannot have nulls
        made = from_mlmodel(infer_signature(table).to_dict())
    assert made is not None
    return made


def batch_of(signature: Signature, table: pd.DataFrame) -> Batch:
    def cells(name: str) -> list[Any]:
        return [None if pd.isna(value) else value for value in table[name].tolist()]

    def refuse(row: int, reason: str) -> None:
        raise AssertionError(f"row {row}: {reason}")

    columns = {c.name: c.kind.check(cells(c.name), c.required, refuse) for c in signature.columns}
    return Batch(columns, len(table))


def prove(model: Any, table: pd.DataFrame, target: Any = None, rows: int = ROWS) -> Proof:
    """Assert that both forms agree on the table and on generated rows."""
    if target is not None:
        fit(model, table, target)
    signature = signature_of(table)
    compiled = compile(model, signature)
    batch = batch_of(signature, table)
    report = verify(
        model, signature, compiled, [("the sample", batch), *generate_batches(signature, compiled, batch, rows)]
    )
    assert report.mismatch is None, report.mismatch
    assert report.flips == 0
    assert report.rows >= rows
    return Proof(compiled, report, signature, batch)


def prove_family(model: Any, target: str, least: float = 1e-10) -> Proof:
    """After the usual encoders, to ten digits."""
    table = customers()
    proof = prove(with_encoder(model), table, targets(table)[target])
    assert proof.report.greatest_difference <= least
    return proof
