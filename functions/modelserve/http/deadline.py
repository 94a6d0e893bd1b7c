"""The time that a request may take, and the version that answers it meanwhile."""

import asyncio

from modelserve.core.errors import DeadlineExceeded
from modelserve.models.active import ActiveModel
from modelserve.models.version import Loaded


class Deadline:
    """Like `asyncio.timeout`, with our own error, and without asking for the running loop three times in every
    request."""

    __slots__ = ("_cancelling", "_expired", "_task", "_timer", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a deadline needs a task to cancel")
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._timer = loop.call_later(self.seconds, self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def stop(self, raised: type[BaseException] | None) -> None:
        """Raises DeadlineExceeded if the timer ended the block. Any other cancellation is passed on."""
        self._timer.cancel()
        if self._expired and self._task.uncancel() <= self._cancelling and raised is asyncio.CancelledError:
            raise DeadlineExceeded(f"The request took longer than its limit of {self.seconds:g} s.") from None

    async def __aenter__(self) -> None:
        self.start(asyncio.get_running_loop())

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop(kind)


class ModelLease:
    """`async with` gives the active version, which stays until the block ends, and gives the block its deadline."""

    __slots__ = ("_active", "_deadline", "_loaded", "_loop")

    def __init__(self, active: ActiveModel, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self._active = active
        self._deadline = Deadline(seconds)
        self._loop = loop

    async def __aenter__(self) -> Loaded:
        self._loaded = self._active.try_lease() or await self._active.lease()
        self._deadline.start(self._loop)
        return self._loaded

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._loaded.leases.leave()
        self._deadline.stop(kind)
