"""Signatures of other forms: one tensor, columns without names, boolean labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from modelserve.schema.batch import Batch
from modelserve_control.compile import compile, generate_batches, verify
from proving import fit, prove
from signatures import nameless, signature_of, tensor

X = np.random.default_rng(1).normal(size=(200, 3))
FOREST = RandomForestRegressor(5, random_state=1).fit(X, X[:, 0])


def test_a_tensor_is_one_input_of_several_columns() -> None:
    signature = signature_of([tensor("float64", -1, 3)])
    batch = Batch({"0": X}, len(X))
    compiled = compile(FOREST, signature)
    assert [(column.name, column.width) for column in compiled.inputs] == [("0", 3)]
    assert (
        verify(
            FOREST, signature, compiled, [("the sample", batch), *generate_batches(signature, compiled, batch)]
        ).mismatch
        is None
    )


def test_columns_without_names_are_taken_in_order() -> None:
    signature = nameless("double", "double", "double")
    batch = Batch({str(place): X[:, place] for place in range(3)}, len(X))
    compiled = compile(FOREST, signature)
    assert (
        verify(
            FOREST, signature, compiled, [("the sample", batch), *generate_batches(signature, compiled, batch)]
        ).mismatch
        is None
    )


def test_labels_keep_their_type() -> None:
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    for labels, kind in (
        (X[:, 0] > 0, "bool"),
        (np.where(X[:, 0] > 0, 1.5, 0.5) * 2, "double"),
        (np.arange(200) % 2, "int64"),
    ):
        target = labels.astype(int) if kind == "int64" else labels
        proof = prove(fit(LogisticRegression(), table, target), table)
        assert proof.compiled.outputs[0].kind == kind
