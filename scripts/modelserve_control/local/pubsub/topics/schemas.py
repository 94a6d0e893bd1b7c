"""Schemas with their revisions, and whether a message fits one. Avro only, as in Google's emulator."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import fastavro

from modelserve_control.local.pubsub.avro import binary
from modelserve_control.local.pubsub.topics import names
from modelserve_control.local.pubsub.topics.errors import AlreadyExists, BadInput, NotFound, Unsupported

BINARY, JSON = "BINARY", "JSON"
DELETED_SCHEMA: Final = "_deleted-schema_"


@dataclass(frozen=True)
class Avro:
    """As `fastavro` has it; `named` are the schemas that have a name, by it."""

    schema: Any
    named: Mapping[str, Any]

    def fits(self, encoding: str, data: bytes) -> bool:
        if encoding == BINARY:
            return binary.Message(data, self.named).fits(self.schema)
        try:
            (value,) = fastavro.json_reader(io.StringIO(data.decode()), self.schema)
            return bool(fastavro.validate(value, self.schema, raise_errors=False))
        except Exception:  # `fastavro` raises whatever it stumbles over
            return False


@dataclass(frozen=True)
class Revision:
    """`created` in seconds since 1970."""

    name: str
    id: str
    definition: str
    created: float
    parsed: Avro


@dataclass(frozen=True)
class SchemaSettings:
    """Of a topic: messages must fit one of the revisions from `first` to `last`; empty for the oldest and the newest."""

    schema: str
    encoding: str
    first: str = ""
    last: str = ""


class Schemas:
    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._revisions: dict[str, list[Revision]] = {}

    def create(self, name: str, kind: str, definition: str) -> Revision:
        if names.check_schema(name) in self._revisions:
            raise AlreadyExists(f"The schema {name} already exists; commit a revision of it.")
        made = self._make(name, kind, definition)
        self._revisions[name] = [made]
        return made

    def commit(self, name: str, kind: str, definition: str) -> Revision:
        found = self.revisions(name)
        made = self._make(name, kind, definition)
        found.append(made)
        return made

    def roll_back(self, name: str, revision_id: str) -> Revision:
        """A new revision with the definition of an earlier one."""
        return self.commit(name, "AVRO", self.get(f"{name}@{revision_id}").definition)

    def revisions(self, name: str) -> list[Revision]:
        """The oldest first."""
        if name not in self._revisions:
            names.check_schema(name)
            raise NotFound(f"The schema {name} does not exist; create it first.")
        return self._revisions[name]

    def get(self, name: str) -> Revision:
        """The newest, or the one after an @."""
        name, at, revision_id = name.partition("@")
        found = [one for one in self.revisions(name) if not at or one.id == revision_id]
        if not found:
            raise NotFound(f"The schema {name} has no revision {revision_id}.")
        return found[-1]

    def list(self, project: str) -> Sequence[Revision]:
        """The newest of each."""
        names.check_project(project)
        return [found[-1] for name, found in sorted(self._revisions.items()) if name.startswith(f"{project}/schemas/")]

    def delete(self, name: str) -> None:
        self.revisions(name)
        del self._revisions[name]

    def delete_revision(self, name: str) -> Revision:
        """Returns the newest one that is left."""
        found = self.get(name)
        if "@" not in name or len(self.revisions(found.name)) == 1:
            raise BadInput("Name a revision as SCHEMA@REVISION; the only one of a schema goes with the schema.")
        self.revisions(found.name).remove(found)
        return self.get(found.name)

    def check_settings(self, settings: SchemaSettings) -> None:
        if settings.encoding not in (BINARY, JSON):
            raise BadInput("schema_settings.encoding must be BINARY or JSON.")
        self._allowed(settings)

    def attributes_of(self, settings: SchemaSettings, data: bytes) -> dict[str, str]:
        """The attributes of a message that fits. Raises BadInput."""
        for revision in reversed(self._allowed(settings)):
            if revision.parsed.fits(settings.encoding, data):
                return {
                    "googclient_schemaname": revision.name,
                    "googclient_schemaencoding": settings.encoding,
                    "googclient_schemarevisionid": revision.id,
                }
        raise BadInput(f"The message does not fit the schema {settings.schema} in the encoding {settings.encoding}.")

    def _allowed(self, settings: SchemaSettings) -> Sequence[Revision]:
        found = self.revisions(settings.schema)
        first = found.index(self.get(f"{settings.schema}@{settings.first}")) if settings.first else 0
        last = found.index(self.get(f"{settings.schema}@{settings.last}")) if settings.last else len(found) - 1
        return found[first : last + 1]

    def _make(self, name: str, kind: str, definition: str) -> Revision:
        return Revision(name, secrets.token_hex(4), definition, self._wall(), parse(kind, definition))


def parse(kind: str, definition: str) -> Avro:
    """Raises BadInput, and Unsupported for protobuf."""
    if kind == "PROTOCOL_BUFFER":
        raise Unsupported("Schemas of protobuf are not supported by this server, nor by Google's emulator: use Avro.")
    if kind != "AVRO":
        raise BadInput("A schema has the type AVRO.")
    try:
        named: dict[str, Any] = {}
        return Avro(fastavro.parse_schema(json.loads(definition, object_hook=without_default), named), named)
    except Exception as error:  # `fastavro` raises whatever it stumbles over
        raise BadInput("The definition is no Avro schema.") from error


def without_default(value: dict[str, Any]) -> dict[str, Any]:
    """In Avro a default is for readers: a message that leaves the field out does not fit."""
    return {key: item for key, item in value.items() if key != "default"}
