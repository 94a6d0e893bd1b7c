"""The messages of one subscription: ready, leased to a subscriber, or waiting for their next attempt."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modelserve_control.local.pubsub.timers import Timers
from modelserve_control.local.pubsub.topics import filters
from modelserve_control.local.pubsub.topics.messages import Delivery, Message
from modelserve_control.local.pubsub.topics.policies import SubscriptionConfig

Clock = Callable[[], float]
ForwardDeadLetter = Callable[[Message, int], bool]


class Entry:
    """A message with the number of its failures: nacks and expired ack deadlines. Entries are numbered as they are added."""

    __slots__ = ("added", "failures", "message", "number")

    def __init__(self, message: Message, added: float, number: int) -> None:
        self.message = message
        self.added = added
        self.number = number
        self.failures = 0


class Flow:
    """Flow control of one subscriber: the most that it may have leased at a time. 0 is no limit."""

    def __init__(self, max_messages: int = 0, max_bytes: int = 0) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.messages = 0
        self.bytes = 0

    def has_room(self) -> bool:
        """The last message may exceed the bytes: otherwise a message larger than the limit would never be delivered."""
        return not (0 < self.max_messages <= self.messages or 0 < self.max_bytes <= self.bytes)

    def take(self, size: int) -> None:
        self.messages += 1
        self.bytes += size

    def release(self, size: int) -> None:
        self.messages -= 1
        self.bytes -= size


@dataclass(slots=True)
class Lease:
    entry: Entry
    flow: Flow


class Backlog:
    """`clock` returns seconds that never go back. `forward_dead_letter` sends a message to the dead letter topic after that
    many attempts, and returns whether it could. `on_change` is called after every change that may let a waiting
    subscriber continue.

    With ordering, one message of a key is delivered at a time, which is stricter than Google's service promises for pull:
    the next one follows the ack of the one before, so a redelivered message is always followed by the rest of its key.
    """

    def __init__(self, config: SubscriptionConfig, clock: Clock, forward_dead_letter: ForwardDeadLetter) -> None:
        self.config = config
        self.on_change: Callable[[], None] = lambda: None
        self.bytes = 0
        self._matches = filters.parse(config.filter)
        self._unacked: dict[int, Entry] = {}
        self._acked: deque[Entry] = deque()  # kept for `seek`, with `retain_acked`
        self._clock = clock
        self._forward_dead_letter = forward_dead_letter
        self._ready: deque[Entry] = deque()
        self._lanes: dict[str, deque[Entry]] = {}
        self._leases: dict[str, Lease] = {}
        self._deadlines: Timers[str] = Timers()
        self._delays: Timers[Entry] = Timers()
        self._prefix = secrets.token_hex(4)
        self._count = 0
        self._added = 0

    @property
    def ready(self) -> bool:
        return bool(self._ready)

    def next_due(self) -> float | None:
        """The time of the next `tick` that has an effect, in seconds of the clock."""
        times = [time for time in (self._deadlines.next(), self._delays.next()) if time is not None]
        return min(times, default=None)

    def add(self, messages: Iterable[Message]) -> None:
        now = self._clock()
        self._drop_expired(now)
        for message in messages:
            if self._matches is None or self._matches(message.attributes):
                self._added += 1
                self.bytes += message.size
                self._enqueue(Entry(message, now, self._added))
        self.on_change()

    def lease(self, limit: int, deadline: float | None = None, flow: Flow | None = None) -> list[Delivery]:
        """Up to `limit` messages, each to be acked within `deadline` seconds (default: the subscription's)."""
        now = self._clock()
        self._handle_due(now)
        self._drop_expired(now)
        flow = flow or Flow()
        due = now + (self.config.ack_deadline if deadline is None else deadline)
        deliveries: list[Delivery] = []
        while self._ready and len(deliveries) < limit and flow.has_room():
            deliveries.append(self._deliver(self._ready.popleft(), due, flow))
        if deliveries:
            self.on_change()
        return deliveries

    def ack(self, ack_ids: Iterable[str]) -> list[str]:
        """The ack ids that are unknown or too late: their messages are delivered again."""
        late: list[str] = []
        for ack_id in ack_ids:
            if lease := self._end_lease(ack_id):
                self._ack(lease.entry)
            else:
                late.append(ack_id)
        self.on_change()
        return late

    def seek(self, time: float) -> None:
        """What was published before `time`, in seconds since 1970, is acked; what is kept of the rest is delivered again."""
        self._deal(sorted(self._held(), key=lambda entry: entry.number), lambda message: message.published >= time)

    def restore(self, messages: Iterable[Message]) -> None:
        """These messages of its topic are unacked, and no others."""
        now = self._clock()
        wanted = {one.message_id: one for one in messages if self._matches is None or self._matches(one.attributes)}
        held = {entry.message.message_id: entry for entry in self._held()}
        for message_id in wanted.keys() - held.keys():
            held[message_id] = Entry(wanted[message_id], now, 0)
            self.bytes += wanted[message_id].size
        in_order = sorted(held.values(), key=lambda entry: int(entry.message.message_id))
        self._deal(in_order, lambda message: message.message_id in wanted)

    @property
    def unacked(self) -> list[Message]:
        """In the order in which they were published."""
        return [entry.message for entry in self._unacked.values()]

    def _held(self) -> list[Entry]:
        return [*self._acked, *self._unacked.values()]

    def _deal(self, entries: Iterable[Entry], is_unacked: Callable[[Message], bool]) -> None:
        """Everything anew: leases end, and failures count from the beginning."""
        for ack_id in list(self._leases):
            self._end_lease(ack_id)
        for structure in (self._acked, self._unacked, self._ready, self._lanes, self._delays):
            structure.clear()
        for entry in entries:
            self._added += 1
            entry.number = self._added
            entry.failures = 0
            if is_unacked(entry.message):
                self._enqueue(entry)
            else:
                self._keep_or_forget(entry)
        self.on_change()

    def configure(self, config: SubscriptionConfig) -> None:
        self.config = config
        while self._acked and not config.retain_acked:
            self.bytes -= self._acked.popleft().message.size

    def modify(self, ack_ids: Iterable[str], seconds: float) -> list[str]:
        """Move the ack deadline to `seconds` from now; 0 is a nack. Returns the ack ids that are unknown or too late."""
        now = self._clock()
        late: list[str] = []
        for ack_id in ack_ids:
            if ack_id not in self._leases:
                late.append(ack_id)
            elif seconds > 0:
                self._deadlines.set(ack_id, now + seconds)
            elif lease := self._end_lease(ack_id):
                self._fail(lease.entry, now)
        self.on_change()
        return late

    def tick(self) -> None:
        """Expired ack deadlines become failures, and messages whose delay is over become ready."""
        self._handle_due(self._clock())
        self.on_change()

    def _handle_due(self, now: float) -> None:
        for ack_id in self._deadlines.pop(now):
            if lease := self._end_lease(ack_id):
                self._fail(lease.entry, now)
        self._ready.extend(self._delays.pop(now))

    def _deliver(self, entry: Entry, due: float, flow: Flow) -> Delivery:
        self._count += 1
        ack_id = f"{self._prefix}-{self._count}"
        self._leases[ack_id] = Lease(entry, flow)
        self._deadlines.set(ack_id, due)
        flow.take(entry.message.size)
        return Delivery(ack_id, entry.message, entry.failures + 1 if self.config.dead_letter else None)

    def _end_lease(self, ack_id: str) -> Lease | None:
        lease = self._leases.pop(ack_id, None)
        if lease:
            self._deadlines.cancel(ack_id)
            lease.flow.release(lease.entry.message.size)
        return lease

    def _fail(self, entry: Entry, now: float) -> None:
        entry.failures += 1
        policy = self.config.dead_letter
        if (
            policy
            and entry.failures >= policy.max_delivery_attempts
            and self._forward_dead_letter(entry.message, entry.failures)
        ):
            self._remove(entry)
            return
        delay = self.config.backoff.delay(entry.failures)
        if delay > 0:
            self._delays.set(entry, now + delay)
        else:
            self._ready.append(entry)

    def _enqueue(self, entry: Entry) -> None:
        self._unacked[entry.number] = entry
        key = entry.message.ordering_key
        if not (self.config.ordered and key):
            self._ready.append(entry)
        elif key in self._lanes:
            self._lanes[key].append(entry)
        else:
            self._lanes[key] = deque()
            self._ready.append(entry)

    def _ack(self, entry: Entry) -> None:
        self._release(entry)
        self._keep_or_forget(entry)

    def _keep_or_forget(self, entry: Entry) -> None:
        if self.config.retain_acked:
            self._acked.append(entry)
        else:
            self.bytes -= entry.message.size

    def _remove(self, entry: Entry) -> None:
        self._release(entry)
        self.bytes -= entry.message.size

    def _release(self, entry: Entry) -> None:
        """The next message of the same ordering key, if any, becomes ready."""
        del self._unacked[entry.number]
        lane = self._lanes.get(entry.message.ordering_key)
        if lane:
            self._ready.append(lane.popleft())
        elif lane is not None:
            del self._lanes[entry.message.ordering_key]

    def _drop_expired(self, now: float) -> None:
        while self._acked and now - self._acked[0].added > self.config.retention:
            self.bytes -= self._acked.popleft().message.size
        while self._ready and now - self._ready[0].added > self.config.retention:
            self._remove(self._ready.popleft())
