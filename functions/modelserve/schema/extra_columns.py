"""The columns of a request that the model does not have: ignored, counted, and looked through when one of its own is missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

# Beyond these a name is not compared: whoever sends 100,000 columns is to be refused no more slowly for it.
MOST_NAMES: Final = 256
MOST_LETTERS: Final = 64
# Two names that have less than this in common are not alike: x1 and x2.
FEWEST_LETTERS: Final = 3


@dataclass(frozen=True)
class ExtraColumns:
    """Their names are the caller's own text, which no answer repeats."""

    names: frozenset[str] = frozenset()
    _told: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def like(self, name: str) -> bool:
        """Whether one of them may be `name` misspelt: other capitals or punctuation, or one letter missing, extra,
        wrong or moved."""
        if not 0 < len(self.names) <= MOST_NAMES:
            return False
        if name not in self._told:  # asked again for every row of a message
            self._told[name] = not self._spellings.isdisjoint(spellings(name))
        return self._told[name]

    @cached_property
    def _spellings(self) -> frozenset[str]:
        return frozenset().union(*map(spellings, self.names))


NO_EXTRA_COLUMNS: Final = ExtraColumns()


def extra_columns(given: Mapping[str, Any], known: Iterable[str]) -> ExtraColumns:
    unknown = frozenset(given).difference(known)
    return ExtraColumns(unknown) if unknown else NO_EXTRA_COLUMNS


def spellings(name: str) -> set[str]:
    """`name` in small letters and digits, and that with each of them left out: names that are one slip apart share one of these."""
    if len(name) > MOST_LETTERS:
        return set()
    plain = "".join(filter(str.isalnum, name.casefold()))
    shorter = {plain[:at] + plain[at + 1 :] for at in range(len(plain))} if len(plain) > FEWEST_LETTERS else set()
    return shorter | {plain} - {""}
