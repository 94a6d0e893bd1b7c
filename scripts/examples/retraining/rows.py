"""The rows of an example: `python -m examples.retraining.rows flights DIRECTORY`.

`training.parquet` and `held_out.parquet` are for `modelserve retrain`; of the flights `year.parquet` is for its simulation, and July
for the second screen of the README: what callers ask, the truth that comes later, and rows to train on then. Here a table of the
past stands for what a query of your warehouse would give: replace this file by it.
"""

import json
import sys
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from examples import flight_duration
from examples.telco_churn import customers

ASKED = 500  # a longer request would be too long for the log


def flights() -> pd.DataFrame:
    """The flights of 2013 that arrived, with the hour of departure."""
    table = flight_duration.flights()
    table["departed"] = pd.to_datetime(table[["year", "month", "day", "hour"]])
    return table[["origin_dest", "distance", "air_time", "departed"]]


def write(example: str, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if example == "churn":
        split(customers(), directory, "")
        return
    table = flights()
    table.to_parquet(directory / "year.parquet", index=False)
    split(table[table["departed"] >= "2013-12-01"], directory, "")
    july = table[table["departed"].dt.month == 7].sample(frac=1, random_state=1)
    asked = july.head(ASKED)
    records = asked[["origin_dest", "distance"]].to_dict("records")
    (directory / "july.json").write_text(json.dumps({"dataframe_records": records}))
    # The log names the rows of a request with an id like this.
    truth = asked.assign(flight=[f"july/{row}" for row in range(ASKED)])[["flight", "air_time"]]
    truth.to_csv(directory / "july.csv", index=False)
    split(july.iloc[ASKED:], directory, "july_")


def split(table: pd.DataFrame, directory: Path, prefix: str) -> None:
    training, held_out = train_test_split(table, test_size=0.2, random_state=1)
    training.to_parquet(directory / f"{prefix}training.parquet", index=False)
    held_out.to_parquet(directory / f"{prefix}held_out.parquet", index=False)


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
