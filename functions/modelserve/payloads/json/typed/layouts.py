"""In which order callers have the columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import islice
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from modelserve.payloads.json.typed.cells import Unusual

MAX_LAYOUTS: Final = 8  # of one form: those that were seen last


class Layout(Protocol):
    @property
    def decoder(self) -> msgspec.json.Decoder[Any]: ...


K = TypeVar("K", bound=Hashable)
L = TypeVar("L", bound=Layout)


class Layouts(Generic[K, L]):
    """The layouts of one form. `read_key` raises what msgspec raises, `make` Unusual."""

    def __init__(self, read_key: Callable[[bytes], K], make: Callable[[K], L], first: K | None = None) -> None:
        self._read_key = read_key
        self._make = make
        self.known: dict[K, L] = {}
        self._last = None if first is None else self._find(first)

    def decode(self, data: bytes) -> tuple[Any, L]:
        """By the layout of the body before, or by its own. Raises Unusual, or what msgspec raises."""
        last = self._last
        if last is not None:
            try:
                return last.decoder.decode(data), last
            except msgspec.ValidationError:
                pass
        layout = self._find(self._read_key(data))
        if layout is last:
            raise Unusual
        self._last = layout
        return layout.decoder.decode(data), layout

    def _find(self, key: K) -> L:
        layout = self.known.get(key)
        if layout is None:
            layout = self._make(key)
            self.known = {key: layout, **dict(islice(self.known.items(), MAX_LAYOUTS - 1))}
        return layout
