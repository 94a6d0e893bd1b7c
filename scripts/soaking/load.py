"""The clients and their observations: every wire form, bad input, large bodies, slow clients, and clients that disconnect."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from modelserve_control.local import resources
from modelserve_control.registry import catalog
from modelserve_control.registry.promote import promote
from soaking import forms
from soaking.forms import Sample
from soaking.models import FACTORS, NAME, expected_predictions
from soaking.site import FEATURES, ID, Service, Site

HOST: Final = "127.0.0.1"
CLIENTS: Final = 3  # of each HTTP service
PAUSE_SECONDS: Final = 0.1  # between two requests of one client, which limits the rate
REQUESTS_PER_CONNECTION: Final = 20
TIMEOUT_SECONDS: Final = 60.0
FLIP_SECONDS: Final = 3.0
MAX_EXAMPLES: Final = 5  # of wrong answers


@dataclass
class Observations:
    """Of all clients. `wrong` counts answers; `failed` counts requests by cause."""

    requests: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    examples: list[str] = field(default_factory=list)
    flips: int = 0
    published: int = 0
    """Prediction events, as reported by the event function."""
    events: set[str] = field(default_factory=set)
    """Ids of the prediction events that arrived."""
    dead_letters: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add_answer(self, kind: str, version: str, right: bool, shown: object) -> None:
        with self.lock:
            self.requests[kind] += 1
            self.versions[version] += 1
            if not right:
                self.wrong += 1
                self.examples.append(f"{kind}, version {version}: {shown!s:.200}")
                del self.examples[MAX_EXAMPLES:]

    def add_failure(self, kind: str, cause: str) -> None:
        with self.lock:
            self.requests[kind] += 1
            self.failed[f"{kind}: {cause}"] += 1

    def add_request(self, kind: str) -> None:
        with self.lock:
            self.requests[kind] += 1


@dataclass
class Load:
    site: Site
    seen: Observations
    over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> list[threading.Thread]:
        tasks: list[Callable[[], None]] = [self.flip, self.send_events, self.read_predictions]
        for number, service in enumerate(self.site.http.values()):
            tasks += [self.make_client(service, number * CLIENTS + one) for one in range(CLIENTS)]
            tasks += [lambda service=service: self.be_slow(service), lambda service=service: self.go_away(service)]  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        threads = [threading.Thread(target=self.guard, args=(task,), daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        return threads

    def guard(self, task: Callable[[], None]) -> None:
        """Records the failure of a client; otherwise its early end would go unnoticed."""
        try:
            task()
        except Exception as error:
            self.seen.add_failure("client", repr(error)[:200])

    # --- good clients and bad input ---

    def make_client(self, service: Service, seed: int) -> Callable[[], None]:
        def ask() -> None:
            dice = random.Random(seed)  # noqa: S311 - no security purpose
            while not self.over.is_set():
                # Before it connects: a file takes seconds on a busy machine, and an idle connection is closed.
                samples = [forms.choose(dice) for _ in range(REQUESTS_PER_CONNECTION)]
                with closing(http.client.HTTPConnection(HOST, service.port, timeout=TIMEOUT_SECONDS)) as connection:
                    for sample in samples:
                        if self.over.wait(PAUSE_SECONDS) or not self.ask(connection, sample):
                            break

        return ask

    def ask(self, connection: http.client.HTTPConnection, sample: Sample) -> bool:
        """Whether the connection can be used again."""
        try:
            connection.request(sample.method, sample.path, sample.body, {"content-type": sample.content_type})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.seen.add_failure(sample.form, type(error).__name__)
            return False
        version = answer.headers["x-model-version"]
        if answer.status != sample.status:
            self.seen.add_failure(sample.form, f"status {answer.status}")
        else:
            self.seen.add_answer(sample.form, version, sample.is_right(version, body), body)
        return not answer.will_close

    # --- clients that do not finish their requests ---

    def be_slow(self, service: Service) -> None:
        halves = (b"GET /heal", b"GET / HTTP/1.1\r\nhost: a\r\n", post(100) + b'{"x": 1')
        number = 0
        while not self.over.wait(0.5):
            number += 1
            with suppress(OSError), socket.create_connection((HOST, service.port), 10) as connection:
                connection.sendall(halves[number % len(halves)])
                for _ in range(4):
                    if self.over.wait(0.5):
                        break
                    connection.sendall(b" ")
            self.seen.add_request("slow client")

    def go_away(self, service: Service) -> None:
        body = forms.encode([{"x": 1.0}] * forms.MANY)
        sent = post(len(body)) + body
        while not self.over.wait(0.5):
            with suppress(OSError), socket.create_connection((HOST, service.port), 10) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
                connection.sendall(sent[: random.randrange(len(sent))] if random.random() < 0.5 else sent)  # noqa: S311 - no security purpose
            self.seen.add_request("client that goes away")

    # --- the alias ---

    def flip(self) -> None:
        os.environ["STORAGE_EMULATOR_HOST"] = self.site.storage
        versions = tuple(FACTORS)
        with catalog.open_store(self.site.store) as objects:
            while not self.over.wait(FLIP_SECONDS):
                promote(objects, NAME, versions[self.seen.flips % len(versions)], "champion")
                self.seen.flips += 1

    # --- events ---

    def send_events(self) -> None:
        """The id of a record is its number, from which the expected prediction follows."""
        dice = random.Random(0)  # noqa: S311 - no security purpose
        number = 0
        with closing(http.client.HTTPConnection(HOST, self.site.events.port, timeout=TIMEOUT_SECONDS)) as connection:
            while not self.over.wait(2 * PAUSE_SECONDS):
                number += 1
                bad = number % 10 == 0
                count = dice.randint(1, 5)
                first = number * 10
                records = [{FEATURES: {"x": float(x)}, ID: str(x)} for x in range(first, first + count)]
                data = forms.encode(records if not bad else [{FEATURES: {"x": "one"}, ID: "1"}])
                message = {"data": base64.b64encode(data).decode(), "messageId": str(number)}
                wanted = {"published": 0 if bad else count, "dead_lettered": int(bad)}
                try:
                    connection.request("POST", "/", forms.encode({"message": message, "subscription": "s"}))
                    answer = connection.getresponse()
                    value = json.loads(answer.read())
                except (OSError, http.client.HTTPException) as error:
                    self.seen.add_failure("event", type(error).__name__)
                    connection.close()
                    continue
                if answer.status != 200:
                    self.seen.add_failure("event", f"status {answer.status}")
                    continue
                self.seen.add_answer("event", answer.headers["x-model-version"], value == wanted, value)
                self.seen.published += value["published"]

    def read_predictions(self) -> None:
        """Read until the load is over and three consecutive pulls are empty."""
        with resources.subscriber(self.site.pubsub) as subscriber:
            quiet = 0
            while quiet < 3:
                quiet += self.over.is_set()
                for message in pull(subscriber, self.site.names.predictions_pull):
                    quiet = 0
                    self.check_prediction(message)
                self.seen.dead_letters += len(pull(subscriber, self.site.names.dead_letter_pull))
                time.sleep(0.2)

    def check_prediction(self, message: Any) -> None:
        version = message.attributes["model_version"]
        result = json.loads(message.data)["prediction"]
        right = forms.are_equal([result["prediction"]], expected_predictions(version, [float(result[ID])]))
        self.seen.add_answer("prediction event", version, right, result)
        self.seen.events.add(message.attributes["prediction_id"])


def pull(subscriber: Any, subscription: str) -> list[Any]:
    request = {"subscription": subscription, "max_messages": 1_000, "return_immediately": True}
    received = subscriber.pull(request=request, timeout=30).received_messages
    if received:
        subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
    return [one.message for one in received]


def post(length: int) -> bytes:
    head = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % length
