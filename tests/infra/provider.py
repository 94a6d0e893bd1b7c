"""The calls by which Terraform uses a provider: it plans by the schema, and the model of Google does the rest.

The numbers of the fields are those of tfplugin5.proto, as in wire.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from infra import values, wire
from infra.google import formats
from infra.google.cloud import Cloud, Refusal
from infra.possible_values import Possible
from infra.schema import Block, Schema
from infra.values import UNKNOWN, Values

# What a resource gets that does not say it: the provider's own settings.
DEFAULTS: Final = {"project": "project", "region": "region", "location": "region"}


def read(message: dict[int, bytes], number: int) -> Any:
    """The value in a field."""
    return values.decode(wire.fields(message.get(number, b"")).get(1, b"\xc0"))


def write(number: int, value: Any) -> bytes:
    return wire.data(number, wire.data(1, values.encode(value)))


@dataclass(slots=True)
class Provider:
    schema: Schema
    cloud: Cloud
    possible: Possible
    settings: dict[str, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def calls(self) -> dict[str, Callable[[bytes], bytes]]:
        return {
            "ValidateResourceTypeConfig": self.validate,
            "Configure": self.configure,
            "UpgradeResourceState": self.upgrade,
            "ReadResource": self.read,
            "PlanResourceChange": self.plan,
            "ApplyResourceChange": self.apply,
            "ReadDataSource": self.look_up,
        }

    def configure(self, request: bytes) -> bytes:
        said = read(wire.fields(request), 2)
        self.settings |= {name: said[name] for name in ("project", "region") if values.is_set(said.get(name))}
        return b""

    def validate(self, request: bytes) -> bytes:
        asked = wire.fields(request)
        found = list(formats.refusals(asked[1].decode(), read(asked, 2), self.possible))
        self.cloud.refused += found
        return b"".join(wire.error(1, text) for text in found if self.cloud.strict)

    def upgrade(self, request: bytes) -> bytes:
        """The state is as this schema has it: its JSON goes back."""
        state = wire.fields(wire.fields(request)[3])[1]
        return wire.data(1, wire.data(2, state))

    def read(self, request: bytes) -> bytes:
        asked = wire.fields(request)
        with self.lock:
            try:
                return write(1, self.cloud.read(asked[1].decode(), read(asked, 2)))
            except Refusal as refusal:
                return wire.error(2, str(refusal))

    def plan(self, request: bytes) -> bytes:
        asked = wire.fields(request)
        kind, prior, proposed = asked[1].decode(), read(asked, 2), read(asked, 3)
        if proposed is None or prior == proposed:
            return write(1, proposed) + wire.number(5, 1)
        block = self.schema.resources[kind]
        if prior is None:
            return write(1, self.create(block, proposed)) + wire.number(5, 1)
        paths = [wire.path(2, name) for name in values.forced(kind, prior, proposed)]
        return b"".join([write(1, proposed), *paths, wire.number(5, 1)])

    def create(self, block: Block, proposed: Values) -> Values:
        planned = values.create(block, proposed)
        for name, setting in DEFAULTS.items():
            if planned.get(name) is UNKNOWN and setting in self.settings:
                planned[name] = self.settings[setting]
        return planned

    def apply(self, request: bytes) -> bytes:
        asked = wire.fields(request)
        kind, prior, planned = asked[1].decode(), read(asked, 2), read(asked, 3)
        with self.lock:
            try:
                made = None
                if planned is None:
                    self.cloud.delete(kind, prior)
                elif prior is None:
                    made = self.cloud.create(kind, planned)
                else:
                    made = self.cloud.update(kind, planned)
            except Refusal as refusal:
                return write(1, prior) + wire.error(3, str(refusal)) + wire.number(4, 1)
        return write(1, made) + wire.number(4, 1)

    def look_up(self, request: bytes) -> bytes:
        asked = wire.fields(request)
        with self.lock:
            try:
                return write(1, self.cloud.look_up(asked[1].decode(), read(asked, 2)))
            except Refusal as refusal:
                return wire.error(2, str(refusal))
