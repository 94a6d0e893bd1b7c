"""An order of many rows in which those that take the same ways through the trees are neighbours.

A row takes a branch at each node of its way through a tree, and the processor guesses it from those before: of rows in any
order it guesses about a quarter wrong, which takes more time than all the rest. A tree answers a row the same at any place; what
comes after the trees may differ in the last bit where it is computed in vectors, as between batches of other sizes.
`modelserve_control.compile.onnx.row_order` finds the splits.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from modelserve.models.compiled.packing import CODES, NUMBERS, Split
from modelserve.schema.types import Array

CHUNK: Final = 4_096  # rows, so that what is compared fits into a processor cache
BITS: Final = 64  # of a key
SHIFTS: Final = (1, 2, 4, 8, 16, 32)


class RowOrder:
    def __init__(self, splits: Sequence[Split]) -> None:
        """The first splits count most."""
        splits = splits[:BITS]
        self.parts = []
        found: list[int] = []
        for tensor, compare in (NUMBERS, np.less_equal), (CODES, np.equal):
            places = [place for place, split in enumerate(splits) if split.tensor == tensor]
            columns, values = [splits[place].column for place in places], [splits[place].value for place in places]
            self.parts.append((tensor, compare, np.array(columns, np.intp), np.array(values)))
            found += places
        self.by_weight = np.argsort(found)

    def places(self, feeds: Mapping[str, Array], rows: int) -> Array | None:
        """(rows,) the place of each row in `feeds`, in the order. None without splits."""
        if not len(self.by_weight):
            return None
        keys = np.zeros((rows, BITS // 8), np.uint8)
        for start in range(0, rows, CHUNK):
            found = self._sides(feeds, slice(start, start + CHUNK))
            keys[start : start + len(found), : found.shape[1]] = found
        numbers = keys.view(">u8")[:, 0].astype(np.uint64)
        for shift in SHIFTS:  # as a Gray code: rows whose first splits differ agree in the next ones
            numbers ^= numbers >> np.uint64(shift)
        # The last bits become the place, which is faster than to sort places by their keys.
        last = np.uint64((1 << rows.bit_length()) - 1)
        numbers = numbers & ~last | np.arange(rows, dtype=np.uint64)
        numbers.sort()
        places: Array = (numbers & last).astype(np.intp)
        return places

    def _sides(self, feeds: Mapping[str, Array], rows: slice) -> Array:
        """(rows, splits / 8) the side of each split, a bit each."""
        sides = [
            compare(feeds[tensor][rows].take(columns, axis=1), values.astype(feeds[tensor].dtype, copy=False))
            for tensor, compare, columns, values in self.parts
            if len(columns)
        ]
        together = sides[0] if len(sides) == 1 else np.concatenate(sides, axis=1).take(self.by_weight, axis=1)
        return np.packbits(together, axis=1)
