"""The processes of the service: one socket, one worker for each processor, an end without a lost request."""

import asyncio
import contextlib
import functools
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import cast

import uvicorn

from distill_jax.errors import InputError
from distill_jax.serving.app import App
from distill_jax.serving.connection import Connection
from distill_jax.serving.limits import Ending
from distill_jax.serving.logs import log, take_over_logging

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WAITING = 2_048  # connections that wait to be accepted
_RESTART_AFTER = 1.0  # seconds


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 = any that is free.

    Raises:
        InputError: the address is not this machine's, or taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        found = socket.create_server((host, port), family=family, backlog=_WAITING)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--host {host} --port {port}: cannot listen there ({reason}); name another") from None
    found.set_inheritable(True)
    return found


def serve(app: App, listening: socket.socket, workers: int, ending: Ending) -> None:
    """Answer until SIGTERM, Ctrl-C or SIGHUP comes, and requests under way are answered.

    Args:
        app: the application; workers share its memory.
        listening: where.
        workers: processes; with one, this process is it.
        ending: how it ends.
    """
    take_over_logging()
    if workers == 1:
        _run_worker(app, listening, ending)
        return
    gc.freeze()  # what is loaded stays where it is, in pages that the workers share

    def work(number: int, life: int) -> None:
        app.use_row(number)
        _run_worker(app, listening, ending, life)

    _Supervisor(work, workers).run()
    listening.close()


def _run_worker(app: App, listening: socket.socket, ending: Ending, life: int | None = None) -> None:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_Worker(app, listening, ending, life).run())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's where it is installed (not on Windows); asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class _Server(uvicorn.Server):
    """Leaves the signals to the worker."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


class _Worker:
    """Answers until a signal comes, or until its supervisor has died.

    Args:
        app: the application.
        listening: where.
        ending: how it ends.
        life: a pipe that ends with the supervisor.
    """

    def __init__(self, app: App, listening: socket.socket, ending: Ending, life: int | None) -> None:
        self._app, self._listening, self._ending, self._life = app, listening, ending, life
        self._server = _Server(
            uvicorn.Config(
                app,
                http=cast("type[asyncio.Protocol]", functools.partial(Connection, limits=app.limits)),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=max(1, round(ending.finish_seconds)),
            )
        )
        self._draining: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answer until the end comes."""
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self._drain, number)
        if self._life is not None:
            loop.add_reader(self._life, self._outlive, self._life)
        await self._server.serve(sockets=[self._listening])
        log("ended")

    def _drain(self, number: int) -> None:
        """Say that no new clients are wanted, and end; a further signal skips what is waited for."""
        if self._server.should_exit:
            self._server.force_exit = True
        seconds = 0.0 if self._draining or number == signal.SIGINT else self._ending.drain_seconds
        log("draining", signal=signal.Signals(number).name)
        self._app.draining = True
        self._draining = asyncio.create_task(self._end_after(seconds))

    def _outlive(self, life: int) -> None:
        """End: nobody would replace this worker or hand on a signal, and it would hold the port."""
        asyncio.get_running_loop().remove_reader(life)
        log("supervisor died", "error")
        self._app.draining = self._server.should_exit = True

    async def _end_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._server.should_exit = True


class _Supervisor:
    """Keeps so many workers alive, and hands on the signal that ends them.

    Args:
        work: does a worker's work, of its number and of a pipe that ends with this process, even if that is killed.
        workers: how many.
    """

    def __init__(self, work: Callable[[int, int], None], workers: int) -> None:
        self._work = work
        self._life, self._alive = os.pipe()
        self._numbers: dict[int, int] = {}  # by process
        self._workers, self._is_ending = workers, False

    def run(self) -> None:
        """Return when all workers have ended after a signal."""
        before = {number: signal.signal(number, self._end) for number in _ENDING}
        try:
            for number in range(self._workers):
                self._start(number)
            while self._numbers:
                self._replace(*os.wait())
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._life)
            os.close(self._alive)

    def _start(self, number: int) -> None:
        """Fork a worker, unless a signal has come to end them all."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # a signal comes before the fork or after it is known
        try:
            if self._is_ending:
                return
            process = os.fork()
            if process == 0:
                self._be_worker(number)
            self._numbers[process] = number
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

    def _be_worker(self, number: int) -> None:
        status = 1
        try:
            for each in _ENDING:
                signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            os.close(self._alive)
            self._work(number, self._life)
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _replace(self, process: int, status: int) -> None:
        number = self._numbers.pop(process)
        if self._is_ending:
            return
        log("worker died", "error", worker=number, died=process, status=os.waitstatus_to_exitcode(status))
        time.sleep(_RESTART_AFTER)
        self._start(number)

    def _end(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._is_ending = True
        for process in self._numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
