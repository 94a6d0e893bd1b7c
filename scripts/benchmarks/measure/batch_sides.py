"""What `modelserve score` is compared with, each a process: `python -m benchmarks.measure.batch_sides SIDE IN OUT MODEL`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 10_000  # rows
GROUP = 100_000


def make_rows(frame: Any, model: Path, path: Path, rows: int) -> None:
    """The rows of the example that have no nulls, and as many others of their kind as it takes."""
    import mlflow.pyfunc
    import numpy as np
    import pandas as pd

    names = mlflow.pyfunc.load_model(str(model)).metadata.get_input_schema().input_names()
    frame = frame[names].dropna()
    random = np.random.default_rng(1)
    frames = [frame, *(vary_rows(frame, random) for _ in range(rows // len(frame)))]
    frame = pd.concat(frames, ignore_index=True)[:rows]
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=GROUP)


def vary_rows(frame: Any, random: Any) -> Any:
    """Each number up to a tenth smaller or greater, and about one other value a row from some other row: rows that repeat
    would be easier for the processor than those that users send."""
    varied = frame.copy()
    numbers = [name for name in frame if frame[name].dtype.kind in "iuf"]
    others = [name for name in frame if name not in numbers]
    for name in numbers:
        values = frame[name].to_numpy() * random.uniform(0.9, 1.1, len(frame))
        varied[name] = (values if frame[name].dtype.kind == "f" else values.round()).astype(frame[name].dtype)
    for name in others:
        taken = random.random(len(frame)) < 1 / len(others)
        varied[name] = frame[name].where(~taken, frame[name].sample(frac=1, random_state=random).to_numpy())
    return varied


def pyfunc(source: str, _output: str, model: str) -> float:
    """Only reads and predicts."""
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(model)
    began = time.perf_counter()
    rows = sum(len(loaded.predict(batch.to_pandas())) for batch in pq.ParquetFile(source).iter_batches(CHUNK))
    return rows / (time.perf_counter() - began)


def copy(source: str, output: str, _model: str) -> float:
    """Reads and writes the same columns, and has no model."""
    began = time.perf_counter()
    rows = repeat(source, output, 0)
    return rows / (time.perf_counter() - began)


def repeat(source: str, output: str, rows: int) -> int:
    """The rows of a file, at least once and until there are `rows`."""
    done = 0
    with pq.ParquetWriter(output, pq.read_schema(source)) as writer:
        while done < max(rows, 1):
            for batch in pq.ParquetFile(source).iter_batches(GROUP):
                writer.write_batch(batch)
                done += len(batch)
    return done


if __name__ == "__main__":
    side, *places = sys.argv[1:]
    if side == "repeat":
        repeat(places[0], places[1], int(places[2]))
    else:
        print({"pyfunc": pyfunc, "copy": copy}[side](places[0], places[1], places[2]))
