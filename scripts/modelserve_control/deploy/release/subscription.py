"""A Pub/Sub subscription to the topic of the shadows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from google.api_core.exceptions import GoogleAPICallError, RetryError, ServerError, TooManyRequests
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.pubsub_v1 import SubscriberClient

from modelserve_control.common.errors import SubscriptionUnusable

ACK_SECONDS: Final = 5.0
MAX_MESSAGES: Final = 1_000  # of one pull; Pub/Sub returns no more


class ShadowSubscription:
    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self._client = SubscriberClient()
        except GoogleAuthError as error:
            raise SubscriptionUnusable("There are no Google Cloud credentials to pull messages with.") from error
        self._unacked: list[list[str]] = []

    def __enter__(self) -> ShadowSubscription:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def pull(self, seconds: float) -> list[tuple[bytes, float]]:
        """What arrives within about `seconds`: the data, and when it was published, in seconds since 1970."""
        messages = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            response = self._call(self._client.pull, left, max_messages=MAX_MESSAGES)
            received = response.received_messages if response is not None else ()
            if received:
                self._unacked.append([one.ack_id for one in received])
            messages += [(one.message.data, one.message.publish_time.timestamp()) for one in received]
        return messages

    def ack(self) -> None:
        for ack_ids in self._unacked:
            self._call(self._client.acknowledge, ACK_SECONDS, ack_ids=ack_ids)
        self._unacked.clear()

    def _call(self, call: Callable[..., Any], seconds: float, **request: Any) -> Any:
        """None when Pub/Sub gives no answer in time. Then nothing is lost: what is not acked is delivered again."""
        retry = Retry(if_exception_type(ServerError, TooManyRequests), initial=0.1, maximum=1.0, timeout=seconds)
        try:
            return call(request={"subscription": self.name, **request}, retry=retry, timeout=seconds)
        except (RetryError, ServerError, TooManyRequests):
            return None
        except (GoogleAPICallError, GoogleAuthError) as error:
            raise SubscriptionUnusable(
                f"{self.name} cannot be pulled from: {type(error).__name__}. Once it can, the same command resumes."
            ) from error
