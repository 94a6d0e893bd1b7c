"""Snapshots: what a subscription had not acked when one was made, and what its topic has had since."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from modelserve_control.local.pubsub.topics import names
from modelserve_control.local.pubsub.topics.errors import AlreadyExists, BacklogFull, NotFound
from modelserve_control.local.pubsub.topics.messages import Message
from modelserve_control.local.pubsub.topics.policies import DAY

LIFE = 7 * DAY


@dataclass
class Snapshot:
    """`expires` in seconds since 1970."""

    name: str
    topic: str
    expires: float
    labels: Mapping[str, str]
    messages: list[Message] = field(default_factory=list)
    bytes: int = 0

    def add(self, messages: Sequence[Message]) -> None:
        self.messages += messages
        self.bytes += sum(message.size for message in messages)


class Snapshots:
    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._snapshots: dict[str, Snapshot] = {}

    def create(self, name: str, topic: str, labels: Mapping[str, str], messages: Sequence[Message]) -> Snapshot:
        self._drop_expired()
        if names.check_snapshot(name) in self._snapshots:
            raise AlreadyExists(f"The snapshot {name} already exists.")
        made = Snapshot(name, topic, self._wall() + LIFE, labels)
        made.add(messages)
        self._snapshots[name] = made
        return made

    def get(self, name: str) -> Snapshot:
        self._drop_expired()
        if name not in self._snapshots:
            names.check_snapshot(name)
            raise NotFound(f"The snapshot {name} does not exist; create it first.")
        return self._snapshots[name]

    def list(self, project: str) -> list[Snapshot]:
        names.check_project(project)
        self._drop_expired()
        return [found for name, found in sorted(self._snapshots.items()) if name.startswith(f"{project}/snapshots/")]

    def of_topic(self, topic: str) -> Sequence[Snapshot]:
        self._drop_expired()
        return [found for _, found in sorted(self._snapshots.items()) if found.topic == topic]

    def delete(self, name: str) -> None:
        self.get(name)
        del self._snapshots[name]

    def check_room(self, topic: str, size: int, limit: int) -> None:
        for found in self.of_topic(topic):
            if found.bytes + size > limit:
                raise BacklogFull(f"The snapshot {found.name} holds {found.bytes >> 20} MiB; delete it.")

    def add(self, topic: str, messages: Sequence[Message]) -> None:
        for found in self.of_topic(topic):
            found.add(messages)

    def _drop_expired(self) -> None:
        now = self._wall()
        for name in [name for name, found in self._snapshots.items() if found.expires < now]:
            del self._snapshots[name]
