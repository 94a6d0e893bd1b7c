"""Paging of list answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from modelserve_control.local.pubsub.api.wire import Proto
from modelserve_control.local.pubsub.topics.errors import BadInput

T = TypeVar("T")

PAGE = 100


def cut(items: Sequence[T], request: Proto) -> tuple[Sequence[T], str]:
    """The page that `request.page_size` and `request.page_token` ask for, and the token of the next one or nothing."""
    token = request.page_token
    if request.page_size < 0 or not (token == "" or token.isdecimal()):
        raise BadInput("page_size must not be negative, and page_token must come from the answer before.")
    start = int(token or 0)
    end = start + (request.page_size or PAGE)
    return items[start:end], str(end) if end < len(items) else ""
