"""The outlet of each subscription, and a pusher for each push endpoint."""

from __future__ import annotations

from modelserve_control.local.pubsub.push.push import Pusher
from modelserve_control.local.pubsub.push.tokens import Tokens
from modelserve_control.local.pubsub.topics import names
from modelserve_control.local.pubsub.topics.backlog import Backlog
from modelserve_control.local.pubsub.topics.errors import NotFound
from modelserve_control.local.pubsub.topics.outlet import Outlet


class Deliveries:
    """A `broker.Watcher` that lives on the running event loop."""

    def __init__(self) -> None:
        self._outlets: dict[str, Outlet] = {}
        self._pushers: dict[str, Pusher] = {}
        self._tokens = Tokens()

    def outlet(self, name: str) -> Outlet:
        if name not in self._outlets:
            names.check_subscription(name)
            raise NotFound(f"The subscription {name} does not exist; create it first.")
        return self._outlets[name]

    def on_created(self, backlog: Backlog) -> None:
        self._outlets[backlog.config.name] = Outlet(backlog)
        self._start_push(backlog)

    def on_changed(self, backlog: Backlog) -> None:
        """Pulling subscribers stay connected. A push in flight is cancelled and fails at its ack deadline."""
        self._stop_push(backlog.config.name)
        self._start_push(backlog)

    def on_deleted(self, backlog: Backlog) -> None:
        self._stop_push(backlog.config.name)
        self._outlets.pop(backlog.config.name).close()

    def close(self) -> None:
        for outlet in list(self._outlets.values()):
            self.on_deleted(outlet.backlog)

    def _start_push(self, backlog: Backlog) -> None:
        if backlog.config.push:
            name = backlog.config.name
            self._pushers[name] = Pusher(self._outlets[name], backlog.config.push, self._tokens)

    def _stop_push(self, name: str) -> None:
        if pusher := self._pushers.pop(name, None):
            pusher.close()
