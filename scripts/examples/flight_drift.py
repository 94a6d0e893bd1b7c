"""January against July: a model of flight times is trained on January of 2013, and July is compared with its profile.

`PYTHONPATH=scripts python -m examples.flight_drift DIRECTORY` keeps the model, its store, the months and the report there. The report of
these months is docs/drift_flights.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from examples.flight_duration import TRUSTED, flights, pipeline
from modelserve_control.common.mlflow_logging import mlflow
from modelserve_control.common.progress import progress
from modelserve_control.local import tracking
from modelserve_control.monitor import sections
from modelserve_control.monitor.drift import DriftOptions, measure_drift
from modelserve_control.monitor.reports import create_reports
from modelserve_control.publish.publish import PublishOptions, publish
from modelserve_control.registry.catalog import open_store

NAME = "flight_duration"
FEATURES = ["origin_dest", "distance", "carrier", "hour", "dep_delay"]


def month(number: int) -> pd.DataFrame:
    """The flights of a month that arrived: FEATURES, `air_time` (minutes), and the time of departure."""
    table = flights()
    numbers = ["hour", "dep_delay"]
    table[numbers] = table[numbers].astype(float)
    return table.loc[table["month"] == number, [*FEATURES, "air_time", "time_hour"]]


def run(directory: Path) -> dict[str, Any]:
    """The drift of July."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {number: directory / f"month-{number:02}.parquet" for number in (1, 7)}
    for number, path in paths.items():
        month(number).to_parquet(path, index=False)
    january = month(1)
    model = pipeline().fit(january[FEATURES], january["air_time"])
    signature = mlflow.models.infer_signature(january[FEATURES].head(1000), model.predict(january[FEATURES].head(1000)))
    mlflow.sklearn.save_model(
        model,
        str(directory / "model"),
        signature=signature,
        serialization_format="skops",
        skops_trusted_types=TRUSTED,
        pip_requirements=tracking.requirements(),
    )
    with open_store(str(directory / "store"), new=True) as objects:
        publish(objects, PublishOptions(str(directory / "model"), NAME, "champion", data=paths[1]), progress())
        options = DriftOptions(NAME, (str(paths[7]),), str(directory / "store"))
        files = (str(directory / "drift.md"), str(directory / "drift.html"))
        with create_reports(*files, overwrite=True, progress=progress()) as write_reports:
            found = measure_drift(objects, options, progress())
            write_reports(sections.drift_title(found), sections.drift_sections(found))
    return found


if __name__ == "__main__":
    print(*run(Path(sys.argv[1]))["windows"][0]["drifted"], sep="\n")
