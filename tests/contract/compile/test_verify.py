"""The verification refuses a wrong graph and names the place of the error."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelserve.models.compiled.runtime import SMALLER
from modelserve.schema.batch import Batch
from modelserve_control.compile import CompiledModel, Report, compile, generate_batches, verify
from modelserve_control.compile.verify.rows import EXTREMES, GROUPS
from modelserve_control.compile.verify.verify import Comparison
from proving import Proof, customers, fit, prove, prove_family, signature_of, targets, with_encoder

TABLE = customers()
FOREST = fit(with_encoder(RandomForestClassifier(10, random_state=1)), TABLE, targets(TABLE)["two"])


def verify_graph(proof: Proof, model: onnx.ModelProto) -> Report:
    compiled = CompiledModel(model, proof.compiled.inputs, proof.compiled.outputs)
    batches = [("the sample", proof.batch), *generate_batches(proof.signature, compiled, proof.batch)]
    return verify(FOREST, proof.signature, compiled, batches)


def corrupt(model: onnx.ModelProto, attribute: str, place: int, change: float) -> onnx.ModelProto:
    """A copy with one changed number in one tree."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tree = next(node for node in copy.graph.node if node.op_type == "TreeEnsemble")
    held = next(found for found in tree.attribute if found.name == attribute)
    values = numpy_helper.to_array(held.t).copy()
    values[place] += change
    held.t.CopyFrom(numpy_helper.from_array(values))
    return copy


def test_a_changed_leaf_is_refused_with_row_and_both_values() -> None:
    proof = prove(FOREST, TABLE)
    report = verify_graph(proof, corrupt(proof.compiled.model, "leaf_weights", 3, 0.05))
    assert report.mismatch is not None
    assert "predict" in report.mismatch
    assert "compiled and" in report.mismatch
    assert report.mismatch


@pytest.mark.parametrize("scaled", [False, True])
def test_a_threshold_moved_by_a_step_of_float32_is_refused(scaled: bool) -> None:
    """Only rows at the thresholds reveal it; after a scaler, only rows that scale to the thresholds."""
    table = customers(nulls=False)[["monthly", "total"]]
    forest = RandomForestRegressor(3, max_depth=4, random_state=1)
    model = make_pipeline(StandardScaler(), forest) if scaled else forest
    proof = prove(model, table, targets(customers(nulls=False))["value"])
    splits = next(a.t for n in proof.compiled.model.graph.node for a in n.attribute if a.name == "nodes_splits")
    threshold = float(numpy_helper.to_array(splits)[0])
    step = float(np.nextafter(np.float32(threshold), np.float32(np.inf))) - threshold
    moved = CompiledModel(
        corrupt(proof.compiled.model, "nodes_splits", 0, step), proof.compiled.inputs, proof.compiled.outputs
    )
    # The rows come from the original graph, because the moved threshold has other neighbours.
    batches = generate_batches(proof.signature, proof.compiled, proof.batch, 10_000)
    assert verify(model, proof.signature, moved, batches).mismatch


def test_a_smaller_graph_with_different_answers_is_refused() -> None:
    """A call runs every node of a graph, so common methods have smaller graphs in the metadata."""
    model = fit(with_encoder(LogisticRegression()), TABLE, targets(TABLE)["two"])
    proof = prove(model, TABLE)
    assert proof.report.mismatch is None
    served = onnx.load_from_string(proof.compiled.packed_model)
    props = {prop.key: prop.value for prop in served.metadata_props}
    smaller = json.loads(props[SMALLER])
    assert [one["methods"] for one in smaller] == [["predict"], ["predict", "predict_proba"], ["predict_proba"]]
    graph = onnx.load_from_string(b64decode(smaller[0]["graph"]))
    assert len(graph.graph.node) < len(served.graph.node)
    next(node for node in graph.graph.node if node.op_type == "Greater").op_type = "Less"
    smaller[0]["graph"] = b64encode(graph.SerializeToString()).decode()
    helper.set_model_props(served, {**props, SMALLER: json.dumps(smaller)})
    wrong = CompiledModel(proof.compiled.model, proof.compiled.inputs, proof.compiled.outputs)
    wrong.__dict__["packed_model"] = served.SerializeToString()  # replaces the cached property
    report = verify(model, proof.signature, wrong, [("the sample", proof.batch)])
    assert report.mismatch == "The sample: the smaller graph for predict gives different answers."


def test_a_graph_that_does_not_load_is_refused() -> None:
    proof = prove_family(LogisticRegression(), "two")
    broken = onnx.ModelProto()
    broken.CopyFrom(proof.compiled.model)
    del broken.graph.node[0]
    report = verify(FOREST, proof.signature, replace(proof.compiled, model=broken), [("the sample", proof.batch)])
    assert report.mismatch is not None
    assert report.mismatch.startswith("ONNX Runtime does not load")


def test_a_compiled_form_that_does_not_raise_like_the_model_is_refused() -> None:
    proof = prove_family(LogisticRegression(), "two")
    strict = fit(with_encoder(LogisticRegression(), texts=OneHotEncoder()), TABLE, targets(TABLE)["two"])
    batches = generate_batches(proof.signature, proof.compiled, proof.batch)
    report = verify(strict, proof.signature, proof.compiled, batches)
    assert report.mismatch is not None
    assert "raises" in report.mismatch


def test_an_unknown_category_stops_both_forms_where_the_encoder_says_so() -> None:
    model = with_encoder(LogisticRegression(), texts=OneHotEncoder())
    proof = prove(model, TABLE, targets(TABLE)["two"])
    assert proof.report.refused > 0


def test_a_verification_without_rows_fails() -> None:
    compiled = compile(FOREST, signature_of(TABLE))
    assert verify(FOREST, signature_of(TABLE), compiled, []).mismatch


def test_a_different_label_is_refused_even_with_equal_scores() -> None:
    nobody: Any = None
    report = Report()
    comparison = Comparison(nobody, nobody, nobody, nobody, report, ["predict", "predict_proba"])
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    native = {"predict": np.array(["a", "b", "a"]), "predict_proba": scores}
    batch = Batch({"x": np.zeros(3)}, 3)
    comparison._compare_outputs(native, native | {"predict": np.array(["a", "b", "b"])}, batch, "the sample")
    assert (report.mismatch, report.ties) == (None, 1), "where both have the same score either label is right"
    comparison._compare_outputs(native, native | {"predict": np.array(["a", "a", "a"])}, batch, "the sample")
    assert report.flips == 1
    assert str(report.mismatch).startswith("The sample: predict of row 1 is ")


def test_the_report_counts_rows_and_differences() -> None:
    report = prove(FOREST, TABLE).report
    assert (report.flips, report.mismatch) == (0, None)
    assert report.rows > 10_000
    assert report.greatest_difference < 1e-12


@pytest.mark.parametrize("tolerance", [1e-6, 1e-18])
def test_the_tolerance_can_be_chosen(tolerance: float) -> None:
    proof = prove_family(LogisticRegression(), "three")
    model = fit(with_encoder(LogisticRegression()), TABLE, targets(TABLE)["three"])
    report = verify(model, proof.signature, proof.compiled, [("the sample", proof.batch)], tolerance)
    assert (report.mismatch is None) is (tolerance == 1e-6)


def test_many_columns_get_unusual_values_in_so_many_batches_that_the_time_grows_with_their_number() -> None:
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 300)), columns=[f"c{n}" for n in range(300)])
    table[table > 2] = np.nan
    table.iloc[0] = np.nan
    signature = signature_of(table)
    model = make_pipeline(SimpleImputer(), LinearRegression()).fit(table, np.arange(50))
    batches = dict(generate_batches(signature, compile(model, signature), None))
    assert len(batches) == 1 + 2 * GROUPS + 1
    for name in signature.names:
        nulls = [batch for what, batch in batches.items() if what.startswith("nulls in c")]
        extremes = [batch for what, batch in batches.items() if what.startswith("extremes in c")]
        assert sum(bool(np.isnan(batch.columns[name]).all()) for batch in nulls) == 1
        assert sum(set(EXTREMES) <= set(batch.columns[name]) for batch in extremes) == 1
