"""Paging of list answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from modelserve_control.local.pubsub.api.wire import Proto
from modelserve_control.local.pubsub.topics.errors import BadInput

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 100


def page(items: Sequence[T], request: Proto) -> tuple[Sequence[T], str]:
    """The page that `request.page_size` and `request.page_token` ask for, and the token of the next page or an empty one."""
    token = request.page_token
    if request.page_size < 0 or not (token == "" or token.isdecimal()):
        raise BadInput("page_size must not be negative, and page_token must come from the previous answer.")
    start = int(token or 0)
    end = start + (request.page_size or DEFAULT_PAGE_SIZE)
    return items[start:end], str(end) if end < len(items) else ""
