"""The texts of this repository that must fit together, and Terraform's blocks in them.

Read once; a mutation replaces one text in memory, so that a policy costs milliseconds and no run of Terraform.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
PATTERNS: Final = (
    "cloudbuild.yaml",
    "cloudbuild/*",
    "functions/main.py",
    "functions/modelserve/**/*.py",
    "kubernetes/base/*.yaml",
    "scripts/modelserve_control/deploy/**/*.py",
    "terraform/**/*.tf",
)
# Formatted, so that a block begins and ends at the first column.
BLOCK: Final = re.compile(r'^(\w+)((?: "[^"]*")*) \{(?: \}|\n(.*?)^\})', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Such as resource "google_pubsub_topic" "this", with the text between its braces."""

    kind: str
    labels: tuple[str, ...]
    body: str

    def value(self, name: str) -> str:
        """The expression of an attribute, empty where there is none."""
        found = re.search(rf"^ *{name} += (.*)$", self.body, re.MULTILINE)
        return found[1] if found else ""


@cache
def blocks_of(text: str) -> tuple[Block, ...]:
    return tuple(
        Block(match[1], tuple(re.findall(r'"([^"]*)"', match[2])), match[3] or "") for match in BLOCK.finditer(text)
    )


@dataclass(frozen=True)
class Sources:
    texts: Mapping[str, str]

    @classmethod
    def read(cls) -> Sources:
        paths = {path for pattern in PATTERNS for path in ROOT.glob(pattern) if path.is_file()}
        return cls({path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(paths)})

    def __getitem__(self, path: str) -> str:
        return self.texts[path]

    def mutate(self, old: str, new: str, path: str) -> Sources:
        """The first `old` in the one file whose path contains `path`, or which alone has it, becomes `new`."""
        found = [name for name, text in self.texts.items() if path in name and old in text]
        assert len(found) == 1, f"{old!r} is in {found or 'no file'}: correct the mutation"
        return Sources({**self.texts, found[0]: self.texts[found[0]].replace(old, new, 1)})

    def terraform(self) -> str:
        """Everything but bootstrap/."""
        return "".join(text for path, text in self.texts.items() if is_root(path))

    def blocks(self, *labels: str) -> Iterator[Block]:
        """Those of resources, outside of bootstrap/, whose labels begin so."""
        for path, text in self.texts.items():
            if is_root(path):
                yield from (one for one in blocks_of(text) if one.labels[: len(labels)] == labels)

    def block(self, *labels: str) -> Block:
        (one,) = self.blocks(*labels)
        return one

    def table(self, name: str) -> str:
        """The text of a map of Terraform, NAME = {...} or NAME = merge({...})."""
        match = re.search(rf"^  {name} += [^\n]*[{{(]\n(.*?)^  [}})]", self.terraform(), re.MULTILINE | re.DOTALL)
        assert match, name
        return match[1]


def is_root(path: str) -> bool:
    return path.endswith(".tf") and not path.startswith("terraform/bootstrap/")


def words(text: str) -> list[str]:
    """What is quoted in it, as it stands."""
    return [one for one in re.findall(r'"([^"]*)"', text) if "$" not in one]
