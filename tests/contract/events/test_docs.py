"""docs/events.md: its examples are sent as they stand, and each difference that it names is one."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from contract.events.topics import RIDE_EVENT, Topics, encoded, push_body
from serving import Served

PAGE: Final = (Path(__file__).parents[3] / "docs/events.md").read_text()
EXAMPLES: Final = re.findall(r"^```http\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
TABLE: Final = PAGE.partition("### Differences from CloudEvents and Pub/Sub")[2].partition("## Out")[0]
ROWS: Final = re.findall(r"^\| (.+?) \| .+ \|$", TABLE, re.MULTILINE)[1:]

PUBLISHED: Final = {"published": 1, "dead_lettered": 0}
KEPT: Final = {"published": 0, "dead_lettered": 1}
RIDE: Final = json.dumps(RIDE_EVENT)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.splitlines()[-1][:20] for example in EXAMPLES])
def test_an_example_is_taken_as_it_stands(rides: Served, topics: Topics, example: str) -> None:
    head, _, body = example.partition("\n\n")
    (method, path, _), *lines = [line.split() for line in head.splitlines()]
    headers = {name.rstrip(":"): " ".join(value) for name, *value in lines}
    answer = rides.client.request(method, path, headers=headers, content=body)
    assert (answer.status_code, answer.json()) == (200, PUBLISHED)
    (seen,) = topics.predictions(1)
    assert seen.event["prediction"]["ride_id"] == 156


def test_there_is_an_example_of_each_envelope() -> None:
    assert len(EXAMPLES) == 5


def send(served: Served, body: Any, *answers: Any, **headers: str) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = served.client.post("/", content=content, headers=sent)
    assert (answer.status_code, answer.json()) == (200, answers[0])


def structured(served: Served, answer: Any, **event: Any) -> None:
    send(served, event, answer, content_type="application/cloudevents+json")


def without_context(served: Served, topics: Topics) -> None:
    structured(served, PUBLISHED, id="1", data=RIDE_EVENT)
    topics.predictions(1)


def without_id(served: Served, topics: Topics) -> None:
    structured(served, PUBLISHED, specversion="1.0", source="/a", type="t", data=RIDE_EVENT)
    assert topics.predictions(1)[0].attributes["source_message_id"].startswith("sha256-")


def two_sources(served: Served, topics: Topics) -> None:
    for source in ("/a", "/b"):
        structured(served, PUBLISHED, id="the-same", source=source, type="t", data=RIDE_EVENT)
    assert len({seen.event["prediction_id"] for seen in topics.predictions(2)}) == 1


def another_type(served: Served, topics: Topics) -> None:
    event = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/a", "type": "t"}
    structured(served, KEPT, **event, datacontenttype="text/csv", data="a,b\n1,2")
    (dead,) = topics.dead_letters(1)
    assert dead.data == b"a,b\n1,2"
    assert dead.attributes.items() >= {"ce-source": "/a", "ce-type": "t", "ce-datacontenttype": "text/csv"}.items()
    structured(served, PUBLISHED, **event, datacontenttype="text/plain", data=RIDE)
    topics.predictions(1)


def older_encoding(served: Served, topics: Topics) -> None:
    structured(served, KEPT, specversion="0.3", id="1", datacontentencoding="base64", data=encoded(RIDE_EVENT))
    assert json.loads(topics.dead_letters(1)[0].data) == encoded(RIDE_EVENT)


def other_formats(served: Served, topics: Topics) -> None:
    send(served, "<event/>", KEPT, content_type="application/cloudevents+xml")
    (dead,) = topics.dead_letters(1)
    assert dead.data == b"<event/>"
    assert "application/cloudevents-batch+json" in dead.attributes["error_message"]


def quoted_headers(served: Served, topics: Topics) -> None:
    send(served, RIDE, PUBLISHED, ce_specversion="1.0", ce_id='"7a"', content_type="application/json")
    assert topics.predictions(1)[0].attributes["source_message_id"] == '"7a"'


def leave_to_deliver(served: Served, topics: Topics) -> None:
    answer = served.client.options("/", headers={"WebHook-Request-Origin": "example.com"})
    assert answer.status_code == 405


def inside_a_message(served: Served, topics: Topics) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": RIDE_EVENT}
    content_type = {"content-type": "application/cloudevents+json"}
    send(served, push_body(event, attributes=content_type), KEPT, content_type="application/json")
    assert json.loads(topics.dead_letters(1)[0].data) == event


def url_alphabet(served: Served, topics: Topics) -> None:
    data = base64.urlsafe_b64encode(json.dumps({"ride": "\u00fb\u00ff?>"}, ensure_ascii=False).encode()).decode()
    assert set(data) & set("-_")
    send(served, push_body(b"") | {"message": {"data": data, "messageId": "1"}}, KEPT, content_type="application/json")
    assert topics.dead_letters(1)[0].data == data.encode()


def headers_of_a_push(served: Served, topics: Topics) -> None:
    send(served, "poison", KEPT, x_goog_pubsub_message_id="1", team="rides")
    assert "team" not in topics.dead_letters(1)[0].attributes


def ordering_key(served: Served, topics: Topics) -> None:
    send(served, push_body(RIDE_EVENT, orderingKey="key"), PUBLISHED, content_type="application/json")
    assert topics.predictions(1)[0].ordering_key == ""


DIFFERENCES: Final[dict[str, Callable[[Served, Topics], None]]] = {
    "`specversion`, `source` and `type` are required": without_context,
    "`id` is required": without_id,
    "`source` and `id` together name an event": two_sources,
    "`datacontenttype` names the type of the data": another_type,
    "`datacontentencoding` of version 0.3": older_encoding,
    "formats besides JSON": other_formats,
    "header values in quotation marks": quoted_headers,
    "`OPTIONS` asks for leave to deliver (webhook binding)": leave_to_deliver,
    "a CloudEvent inside a Pub/Sub message (Pub/Sub binding)": inside_a_message,
    "protobuf's JSON takes base64 in its URL alphabet too": url_alphabet,
    "a push without wrapper carries attributes as headers": headers_of_a_push,
    "a message has an ordering key": ordering_key,
}


@pytest.mark.parametrize("row", DIFFERENCES)
def test_a_difference_is_one(rides: Served, topics: Topics, row: str) -> None:
    DIFFERENCES[row](rides, topics)


def test_every_difference_is_in_the_table_and_no_other() -> None:
    assert list(DIFFERENCES) == ROWS


def batch(served: Served, events: list[Any]) -> httpx.Response:
    headers = {"content-type": "Application/CloudEvents-Batch+JSON"}
    return served.client.post("/", content=json.dumps(events), headers=headers)


def test_each_event_of_a_batch_is_one_message(rides: Served, topics: Topics) -> None:
    tag = uuid.uuid4().hex
    event: dict[str, Any] = {"specversion": "1.0", "source": "/a", "type": "t"}
    events = [event | {"id": f"{tag}-{number}", "data": RIDE_EVENT} for number in range(3)]
    wrong = [event | {"id": f"{tag}-bad", "data": {"ride": {}}}, "no event"]
    for _ in range(2):
        assert batch(rides, [*events, *wrong]).json() == {"published": 3, "dead_lettered": 2}
    ids = [seen.attributes["source_message_id"] for seen in topics.predictions(6)]
    assert sorted(ids) == sorted(2 * [one["id"] for one in events])
    dead = topics.dead_letters(4)
    assert {json.dumps(json.loads(one.data)) for one in dead} == {json.dumps({"ride": {}}), '"no event"'}
    assert len({one.attributes["source_message_id"] for one in dead}) == 2


def test_a_batch_with_more_events_than_rows_is_kept_whole(rides: Served, topics: Topics) -> None:
    assert batch(rides, []).json() == {"published": 0, "dead_lettered": 0}
    events = [1] * 10_001
    assert batch(rides, events).json() == KEPT
    (dead,) = topics.dead_letters(1)
    assert (json.loads(dead.data), dead.attributes["error_code"]) == (events, "TOO_LARGE")
