"""Several processes do pieces of work, whose results come back in the pieces' order.

Processes, as words are cut and looked up in Python, of which a process runs one thread at a time. They are started by
spawn: JAX does not work in a forked process.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from distill_jax.errors import InputError

_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")

_WAITING = 2  # pieces for each worker that are taken and whose results are not
_THE_PARENT_S = tuple(getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name))
_here: dict[str, Callable[..., Any]] = {}  # a worker's


def in_order(
    pieces: Iterable[_Piece], make: Callable[[], Callable[[_Piece], _Result]], workers: int
) -> Iterator[_Result]:
    """Yield the results of pieces of work, in the pieces' order.

    Args:
        pieces: no more of them are taken than are needed to keep the workers busy.
        make: makes what does a piece; it is pickled, and called once in each process, which is given a piece then.
        workers: how many processes work; 1 = this one.

    Raises:
        InputError: a piece's; or a worker has died.
    """
    if workers == 1:
        yield from map(make(), pieces)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start, (make,))
    others = set(multiprocessing.active_children())
    under_way: deque[Future[_Result]] = deque()
    try:
        for piece in pieces:
            if len(under_way) == _WAITING * workers:
                yield under_way.popleft().result()
            with _signals_blocked():  # a worker that starts now inherits that
                under_way.append(pool.submit(_do, piece))
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool:
        raise InputError(
            f"one of {workers} worker processes has ended before its work was done (was there memory for it?); give "
            "fewer --workers"
        ) from None
    except BaseException:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()  # what it is doing is not asked for any more
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Hold back the signals that a terminal sends to all processes of a command: the parent ends its workers."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _THE_PARENT_S)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(make: Callable[[], Callable[[Any], Any]]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the processors are taken
    _here["make"] = make


def _end_with_parent() -> None:
    """End the process when its parent has ended, even if that was killed: nobody would ask it for anything again."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(piece: Any) -> Any:
    if "does" not in _here:  # not in the beginning, so that what is wrong is an answer and not a death
        _here["does"] = _here["make"]()
    return _here["does"](piece)
