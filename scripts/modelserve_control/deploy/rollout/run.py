"""Start, resume or abort a rollout."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from typing import Any

from modelserve.core.errors import BadSetting, PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import provenance
from modelserve_control.common.errors import RolledBack
from modelserve_control.common.identity import Identity, chosen, of_account_only
from modelserve_control.common.progress import Progress
from modelserve_control.deploy.rollout import record as records
from modelserve_control.deploy.rollout.cloud.monitoring import Monitoring
from modelserve_control.deploy.rollout.cloud.service import Clients, Service
from modelserve_control.deploy.rollout.cloud.traffic import told
from modelserve_control.deploy.rollout.errors import NothingToPin
from modelserve_control.deploy.rollout.machine import ABORTED, PROMOTED, Machine
from modelserve_control.deploy.rollout.order import Order
from modelserve_control.deploy.rollout.record import Record
from modelserve_control.deploy.rollout.watch import Watch, permitted

Services = dict[str, Service]
Make = Callable[[Record], Machine]


def start(objects: Objects, order: Order, progress: Progress) -> dict[str, Any]:
    """Raises NoIdentity, RolloutUnderWay, NothingToPin, RolledBack, TakenOver, CloudFailed."""
    with opened(order, progress) as (services, watch, make):
        for name in services:
            records.free(objects, name)
        found = {name: service.read() for name, service in services.items()}
        pinned = {}
        for name, now in found.items():
            if list(now.split.values()) != [100] or not all(now.split):
                raise NothingToPin(
                    f"The traffic of {name} goes {told(now.split)}: give one revision all of it first, "
                    "with gcloud run services update-traffic."
                )
            pinned[name] = {
                "name": services[name].name,
                "function": order.function(name),
                "pinned": next(iter(now.split)),
                "newest": now.latest_created,
                "candidate": None,
            }
            watch.identity(now.url).headers()
        permitted(watch.monitoring, {name: service.name for name, service in services.items()})
        record = records.create(objects, order, pinned)
        try:
            lock(objects, record, order)
        except PreconditionFailed:
            records.unlock(objects, record, order.services)
            record.delete()
            raise
        return finish(objects, record, make)


def resume(objects: Objects, order: Order, progress: Progress) -> dict[str, Any]:
    """Goes on from the first step that is not in the record. Raises NoRollout, and what `start` raises."""
    with opened(order, progress) as (_, watch, make):
        record = held(objects, order)
        if record.outcome is None:
            permitted(watch.monitoring, {name: order.full_name(name) for name in order.services})
            record.add("resumed", {})
            lock(objects, record, order)
        return finish(objects, record, make)


def abort(objects: Objects, order: Order, progress: Progress) -> dict[str, Any]:
    """Puts the traffic back. Raises NoRollout, TrafficMoved, TakenOver, CloudFailed."""
    with opened(order, progress) as (_, _, make):
        record = held(objects, order)
        if record.outcome is None:
            record.add("aborting", {"reason": order.reason})
            why = f"It was aborted by {provenance.who()}{': ' + order.reason if order.reason else ''}."
            machine = make(record)
            failure = machine.returned() or machine.back(ABORTED, why)
            records.unlock(objects, record, order.services)
            if not isinstance(failure, RolledBack):
                raise failure
        records.unlock(objects, record, order.services)
        return result(record)


def finish(objects: Objects, record: Record, make: Make) -> dict[str, Any]:
    """To the end, unless it has ended already; then the locks go."""
    try:
        if record.outcome is None:
            make(record).run()
    finally:
        if record.outcome is not None:
            records.unlock(objects, record, record.document["services"])
    if record.outcome != PROMOTED:
        raise RolledBack(f"It has ended already, {record.outcome}: {record.document['why']}")
    return result(record)


def lock(objects: Objects, record: Record, order: Order) -> None:
    for service in order.services:
        records.lock(objects, record, service)


def held(objects: Objects, order: Order) -> Record:
    record = records.held(objects, order.services)
    known = {name: one["name"] for name, one in record.document["services"].items()}
    if known != {name: order.full_name(name) for name in order.services}:
        raise BadSetting(f"The rollout {record.id} is of {' and '.join(known.values())}: name exactly these.")
    return record


@contextmanager
def opened(order: Order, progress: Progress) -> Iterator[tuple[Services, Watch, Make]]:
    """The services, and what makes a machine that moves them. SIGTERM goes back as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with closing(Clients()) as clients, closing(Monitoring()) as monitoring:
            services = {name: Service(clients, order.full_name(name)) for name in order.services}
            fetch = chosen(order.token_command, of_account_only)
            watch = Watch(order, monitoring, cache(partial(Identity, fetch)))
            yield services, watch, lambda record: Machine(order, record, services, watch, progress)
    finally:
        signal.signal(signal.SIGTERM, before)


def result(record: Record) -> dict[str, Any]:
    services = record.document["services"]
    serving = "candidate" if record.outcome == PROMOTED else "pinned"
    return {
        "id": record.id,
        "outcome": record.outcome,
        "why": record.document["why"],
        "record": record.name,
        "services": {
            name: {"serves": one[serving] or one["pinned"], "before": one["pinned"]} for name, one in services.items()
        },
    }
