"""Publish a file to the topic `events` of the local stack, and print what becomes of it: a prediction or a dead letter."""

import sys
from pathlib import Path
from queue import Queue

from google.cloud.pubsub import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.subscriber.message import Message

PROJECT = "projects/modelserve-local"


def send(data: bytes) -> Message:
    """The first answer to `data`. The clients find the stack by PUBSUB_EMULATOR_HOST."""
    answers: Queue[Message] = Queue()
    subscriber = SubscriberClient()
    names = ("predictions-pull", "dead-letter-pull")
    pulls = [subscriber.subscribe(f"{PROJECT}/subscriptions/{name}", callback=answers.put) for name in names]
    sent = PublisherClient().publish(f"{PROJECT}/topics/events", data).result(60)
    answer = answers.get(timeout=120)
    answer.ack()
    while answer.attributes["source_message_id"] != sent:  # of an event before
        answer = answers.get(timeout=120)
        answer.ack()
    for pull in pulls:
        pull.cancel()
        pull.result(60)
    return answer


if __name__ == "__main__":
    answer = send(Path(sys.argv[1]).read_bytes())
    if "error_code" in answer.attributes:
        print("dead letter:", answer.attributes["error_code"], answer.attributes["error_message"])
    print(answer.data.decode().strip())
