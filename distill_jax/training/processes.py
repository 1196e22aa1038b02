"""Several processes that train one student: they join, agree where to begin and when to stop, and one of them writes.

Process 0 prints, and writes the run folder; the others compute their share of every batch, and read from the run folder
what a training is gone on with.
"""

import contextlib
import os
from collections.abc import Callable, Iterator

import jax
import numpy as np

from distill_jax.errors import InputError, one_line
from distill_jax.options import require_host_and_port
from distill_jax.runs.checkpoints import Snapshot

_VARIABLE = "JAX_COORDINATOR_ADDRESS"
_REFUSED, _NOTHING_TO_DO, _BEGIN = -3, -2, -1


def join(coordinator: str, processes: int, process: int) -> None:
    """Make this process one of several; to be called before JAX computes anything.

    Args:
        coordinator: process 0's address, ``host:port``; empty = as the environment says (``JAX_COORDINATOR_ADDRESS``,
            Slurm, Open MPI, Kubernetes).
        processes: how many there are; 0 = as the environment says.
        process: which of them this is, from 0; below 0 = as the environment says.

    Raises:
        InputError: they do not find each other, or nothing says how many there are.
    """
    found = coordinator or os.environ.get(_VARIABLE, "")
    if found:  # the library takes anything for one, and may end the process
        require_host_and_port("--coordinator" if coordinator else _VARIABLE, found)
    where = f"--coordinator {coordinator}" if coordinator else f"--processes {processes}"
    try:
        jax.distributed.initialize(coordinator or None, processes or None, process if process >= 0 else None)
    except (ValueError, RuntimeError, TypeError) as error:
        reason = one_line(str(error))[:300]
        raise InputError(
            f"{where}: expected {processes or 'several'} processes that find each other, and that "
            f"did not come about ({reason}); give each --coordinator HOST:PORT --processes N --process I"
        ) from None


def leads() -> bool:
    """Whether this process prints and writes."""
    return bool(jax.process_index() == 0)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let a process that does not lead write nothing to standard output."""
    if leads():
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        yield


@contextlib.contextmanager
def leading() -> Iterator[Callable[[Snapshot | None], None]]:
    """Yield what tells the other processes from where the training begins; an error before that tells them too."""
    told = False

    def tell(snapshot: Snapshot | None) -> None:
        nonlocal told
        told = True
        _say(_BEGIN if snapshot is None else snapshot.epoch, 0 if snapshot is None else snapshot.step)

    try:
        yield tell
    except BaseException:
        if not told:
            _say(_REFUSED)
        raise
    if not told:
        _say(_NOTHING_TO_DO)


def told_beginning(load: Callable[[], Snapshot]) -> tuple[bool, Snapshot | None]:
    """Wait for process 0; return whether there is something to do, and from where.

    Args:
        load: reads the snapshot that process 0 has read.

    Raises:
        InputError: process 0 refuses; or what this process reads is not what that one has.
    """
    epoch, step = _heard()
    if epoch == _REFUSED:
        raise InputError("process 0 does not train; what it says, says why")
    if epoch in (_NOTHING_TO_DO, _BEGIN):
        return epoch == _BEGIN, None
    snapshot = load()
    if (snapshot.epoch, snapshot.step) != (epoch, step):
        raise InputError(
            f"--workdir: process 0 goes on from epoch {epoch + 1}, step {step + 1}, and process {jax.process_index()} "
            f"from epoch {snapshot.epoch + 1}, step {snapshot.step + 1}; give all of them one run folder"
        )
    return True, snapshot


def agreed(should_stop: Callable[[], bool]) -> Callable[[], bool]:
    """Return what says the same in all processes: whether one of them is to stop."""
    if jax.process_count() == 1:
        return should_stop
    from jax.experimental.multihost_utils import process_allgather

    return lambda: bool(np.any(process_allgather(np.array(should_stop()))))


def _say(epoch: int, step: int = 0) -> None:
    if jax.process_count() > 1:
        _broadcast(epoch, step)


def _heard() -> tuple[int, int]:
    return _broadcast(0, 0)


def _broadcast(epoch: int, step: int) -> tuple[int, int]:
    from jax.experimental.multihost_utils import broadcast_one_to_all

    found = broadcast_one_to_all(np.array([epoch, step], np.int32))
    return int(found[0]), int(found[1])
