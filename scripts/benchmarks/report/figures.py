"""The figures of all rounds, and their medians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.measure.forms import FormFigures
from benchmarks.servers.table import LIMIT, NAIVE, NATIVE, RELAY, Server

Figures = Mapping[str, float]


@dataclass
class Results:
    """The results for one model. `rounds` by server name; `missing` says why a server has no figures."""

    model: str
    servers: Sequence[Server]
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    activations: dict[str, Figures] = field(default_factory=dict)
    bodies: dict[str, Figures] = field(default_factory=dict)
    events: dict[str, dict[str, Figures]] = field(default_factory=dict)
    """By the title of the server, then by the title of the mode."""
    forms: list[FormFigures] = field(default_factory=list)
    waking: dict[str, Figures] = field(default_factory=dict)
    """By the title of the case."""
    unfinished: dict[str, str] = field(default_factory=dict)
    """Why a server failed in a measurement after its rounds."""

    def figures(self) -> dict[str, Figures]:
        """The median of each figure, for the servers that finished all rounds."""
        finished = {name: rounds for name, rounds in self.rounds.items() if rounds and name not in self.missing}
        return {name: medians(rounds) for name, rounds in finished.items()}

    def title(self, name: str) -> str:
        return next(server.title for server in (*self.servers, RELAY) if server.name == name)

    def as_json(self) -> dict[str, Any]:
        return {
            "servers": {server.name: {"title": server.title, "version": server.version} for server in self.servers},
            "rounds": self.rounds,
            "medians": self.figures(),
            "activations": self.activations,
            "bodies": self.bodies,
            "events": self.events,
            "forms": [asdict(one) for one in self.forms],
            "waking": self.waking,
            "missing": self.missing,
            "unfinished": self.unfinished,
        }

    @property
    def is_complete(self) -> bool:
        """Whether the servers that the targets refer to have figures."""
        return {LIMIT, NAIVE, NATIVE} <= self.figures().keys()


def medians(rounds: Sequence[Figures]) -> Figures:
    return {key: median(one[key] for one in rounds) for key in rounds[0]}


@dataclass
class Run:
    """The results of every model, in the requested order.

    `load_limit`: requests per second of the load generator against a constant answer.
    """

    models: list[Results]
    load_limit: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {"models": {one.model: one.as_json() for one in self.models}, "load_limit": self.load_limit}

    @property
    def is_complete(self) -> bool:
        return all(one.is_complete for one in self.models)
