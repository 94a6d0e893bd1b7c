"""The signature of a model that has none, from a sample and what the model itself knows of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelserve.schema.batch import Batch, Table
from modelserve.schema.signature import Column, Signature, infer
from modelserve.schema.types import SCALARS
from modelserve.store.names.locations import MLMODEL
from modelserve_control.batch.rows.inputs import Inputs, find_inputs, steps_of
from modelserve_control.common.errors import SourceUnusable
from modelserve_control.common.options import CSV
from modelserve_control.publish import sample


def read_columns(data: Path, estimator: Any) -> Batch:
    """The columns of the sample that the model takes: texts where it was fitted on texts. Raises ServeError."""
    inputs = find_inputs(estimator)
    table = sample.read(data, None).table
    columns = {name: table.columns[name] for name in inputs.choose(table.columns, data.name)}
    if inputs.texts:
        columns |= read_texts(data, inputs)
    batch = infer(Table(columns, table.rows))
    check_hashed(data, estimator, batch)
    if unknown := inputs.find_unknown(batch.columns, data.name):
        raise SourceUnusable(" ".join(unknown))
    return batch


def read_texts(data: Path, inputs: Inputs) -> Mapping[str, Any]:
    """The cells of CSV as they stand. Raises SignatureMismatch for a number in a file that has types."""
    signature = Signature(tuple(Column(name, SCALARS["string"], required=False) for name in inputs.texts))
    return sample.check(sample.read(data, signature).table, signature).columns


def check_hashed(data: Path, estimator: Any, batch: Batch) -> None:
    """Raises SourceUnusable."""
    numbers = [name for name, array in batch.columns.items() if array.dtype.kind in "if"]
    if data.suffix.lower() == CSV and numbers and type(steps_of(estimator)[0]).__name__ == "FeatureHasher":
        raise SourceUnusable(
            f"The model's FeatureHasher takes a number and the text of its digits for two features, and CSV does not say which of "
            f"them {', '.join(numbers[:20])} are: give a .parquet, .json or .jsonl file, in which they are what the training had."
        )


def write_signature(directory: Path, batch: Batch, predicted: Any) -> Mapping[str, Any]:
    from modelserve_control.common.mlflow_logging import silence

    with silence():
        import pandas as pd
        from mlflow.models import Model
        from mlflow.models import infer_signature as mlflow_infers

        model = Model.load(str(directory))
        model.signature = mlflow_infers(pd.DataFrame(batch.columns), predicted)
        model.save(str(directory / MLMODEL))
        return dict(model.signature.to_dict())
