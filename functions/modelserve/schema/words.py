"""A column of texts that holds each text once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modelserve.schema.types import Array, objects


class Words(Sequence[str]):
    """`places` are (rows,) whole numbers: where the text of each row stands among the words."""

    __slots__ = ("places", "words")

    def __init__(self, words: list[str], places: Array) -> None:
        self.words = words
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: Any) -> Any:
        return self.words[self.places[row]]

    def __iter__(self) -> Iterator[str]:
        return map(self.words.__getitem__, self.places.tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array: Array = objects(self.words)[self.places]
        return array
