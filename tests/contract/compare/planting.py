"""Two versions of a model that differ in exactly the rows that a test chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from command_line import CommandLine
from models.library import room
from serving import release

PLACES = ("north", "south", "east")


@dataclass(frozen=True)
class Planted:
    """A store whose model `planted` has a version per call of `version`, and rows whose x is their place."""

    directory: Path

    @property
    def command(self) -> CommandLine:
        return CommandLine(str(self.directory / "store"), {"MODEL_TRUST": "pickle"})

    def version(self, usual: Any, planted: Mapping[float, Any], **signed: Any) -> str:
        number = len(list(self.directory.glob("model-*")))
        model = room("python").lookup(self.directory / f"model-{number}", usual, dict(planted), **signed)
        return release(self.directory / "store", "planted", model)

    def compiled(self, flipped: Sequence[float], rows: int) -> str:
        """A version that is compiled: a tree that says `yes` to `flipped` and `no` to every other of so many rows."""
        number = len(list(self.directory.glob("model-*")))
        model = room("classifying").flipping(self.directory / f"model-{number}", flipped, rows)
        return release(self.directory / "store", "planted", model, runtime="compiled")

    def rows(self, count: int, **columns: list[Any]) -> Path:
        places = pa.array([PLACES[row % 3] for row in range(count)])
        found = {
            "x": [float(row) for row in range(count)],
            "place": places.dictionary_encode(),
        }  # Categorical, in pandas
        path = self.directory / "rows.parquet"
        pq.write_table(pa.table(found | columns), path)
        return path

    def thresholds(self, **limits: Any) -> Path:
        path = self.directory / "thresholds.yaml"
        path.write_text(yaml.safe_dump(limits))
        return path

    def compare(self, *words: object, code: int = 0) -> Any:
        """The JSON of `modelserve compare planted`."""
        return self.command.json("compare", "planted", *words, code=code)
