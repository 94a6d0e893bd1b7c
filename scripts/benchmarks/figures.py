"""From rounds to one figure each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.forms import FormFigures
from benchmarks.servers import LIMIT, NAIVE, NATIVE, PASSING, Server

Figures = Mapping[str, float]


@dataclass
class Results:
    """What a run found for one model. `rounds` by server name; `missing` says why a server has no figures."""

    model: str
    servers: Sequence[Server]
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    activations: dict[str, Figures] = field(default_factory=dict)
    bodies: dict[str, Figures] = field(default_factory=dict)
    events: dict[str, dict[str, Figures]] = field(default_factory=dict)
    """By the title of what scored them, then by that of the way that they took."""
    forms: list[FormFigures] = field(default_factory=list)
    unfinished: dict[str, str] = field(default_factory=dict)
    """What else than its figures a server failed at, and why."""

    def figures(self) -> dict[str, Figures]:
        """The median of every figure over the rounds, of the servers that finished all of them."""
        finished = {name: rounds for name, rounds in self.rounds.items() if rounds and name not in self.missing}
        return {name: medians(rounds) for name, rounds in finished.items()}

    def title(self, name: str) -> str:
        return next(server.title for server in (*self.servers, PASSING) if server.name == name)

    def as_json(self) -> dict[str, Any]:
        return {
            "servers": {server.name: {"title": server.title, "version": server.version} for server in self.servers},
            "rounds": self.rounds,
            "medians": self.figures(),
            "activations": self.activations,
            "bodies": self.bodies,
            "events": self.events,
            "forms": [asdict(one) for one in self.forms],
            "missing": self.missing,
            "unfinished": self.unfinished,
        }

    @property
    def complete(self) -> bool:
        """Whether the servers that everything is compared with have figures."""
        return {LIMIT, NAIVE, NATIVE} <= self.figures().keys()


def medians(rounds: Sequence[Figures]) -> Figures:
    return {key: median(one[key] for one in rounds) for key in rounds[0]}


@dataclass
class Run:
    """The results of every model, in the order they were asked for.

    `load_limit`: requests per second that the load drives where the server costs next to nothing.
    """

    models: list[Results]
    load_limit: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {"models": {one.model: one.as_json() for one in self.models}, "load_limit": self.load_limit}

    @property
    def complete(self) -> bool:
        return all(one.complete for one in self.models)
