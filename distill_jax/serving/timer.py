"""A call that comes later, unless it is stopped."""

import asyncio
from collections.abc import Callable


class Timer:
    """Calls once, some time after it was begun, unless it is stopped.

    Args:
        loop: the loop it calls in.
        seconds: how long it waits.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop, self._seconds = loop, seconds
        self._handle: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        """Whether it waits."""
        return self._handle is not None

    def begin(self, call: Callable[..., object], *arguments: object) -> None:
        """Wait from now on."""
        self.stop()
        self._handle = self._loop.call_later(self._seconds, self._end, call, arguments)

    def stop(self) -> None:
        """Wait for nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _end(self, call: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self._handle = None
        call(*arguments)
