"""Several processes label the blocks of a table, which come back in their order.

Processes, as words are cut and looked up in Python, of which a process runs one thread at a time. They are started by
spawn: JAX does not work in a forked process.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from distill_jax.errors import InputError
from distill_jax.labelling.inputs import Block
from distill_jax.labelling.labeller import Labelled, Labeller, Recipe

_WAITING = 2  # blocks for each worker that are read and not yet written
_THE_PARENT_S = tuple(getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name))
_here: dict[str, Labeller] = {}  # a worker's


def label_in_order(blocks: Iterable[Block], recipe: Recipe, labeller: Labeller, workers: int) -> Iterator[Labelled]:
    """Yield the blocks' labelled rows, in the blocks' order.

    Args:
        blocks: no more of them are taken than are needed to keep the workers busy.
        recipe: of the workers' labellers.
        labeller: this process's, which does the work where it is the only worker.
        workers: how many processes label.

    Raises:
        InputError: a block's; or a worker has died.
    """
    if workers == 1:
        yield from map(labeller.label, blocks)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start, (recipe,))
    others = set(multiprocessing.active_children())
    under_way: deque[Future[Labelled]] = deque()
    try:
        for block in blocks:
            if len(under_way) == _WAITING * workers:
                yield under_way.popleft().result()
            with _signals_blocked():  # a worker that starts now inherits that
                under_way.append(pool.submit(_label, block))
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


def _start(recipe: Recipe) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the processors are taken
    _here["labeller"] = recipe.labeller()


def _end_with_parent() -> None:
    """End the process when its parent has ended, even if that was killed: nobody would ask it for anything again."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _label(block: Block) -> Labelled:
    return _here["labeller"].label(block)
