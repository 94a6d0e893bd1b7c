"""Where our server and Google's emulator are known to differ: the table of docs/pubsub.md, and nothing else may tell them apart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[3] / "docs/pubsub.md").read_text()
ROW = re.compile(r"^\| (.+?) \| `(.+?)` \| `(.+?)` \| .+ \|$", re.MULTILINE)


@dataclass(frozen=True)
class Difference:
    ours: Any
    google: Any


RULES = {rule: Difference(json.loads(ours), json.loads(google)) for rule, ours, google in ROW.findall(PAGE)}


def expected_value(backend: str, rule: str) -> Any:
    """What `ours` or `google` does."""
    return getattr(RULES[rule], backend)
