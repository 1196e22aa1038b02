"""Where a training stands: what a checkpoint holds, and what going on needs."""

import contextlib
import dataclasses
import errno
import hashlib
import logging
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.console import signals_held
from distill_jax.errors import InputError, refusing
from distill_jax.extras import require_packages
from distill_jax.files import require_no_links
from distill_jax.jax_setup import require_own_jax
from distill_jax.runs.folder import UNFINISHED
from distill_jax.students.params import Params, flat_params, nested_params


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Where a training stands, between two steps; everything that going on needs, as NumPy arrays.

    Attributes:
        params: the parameters over the whole vocabulary.
        opt_state: the leaves of the optimiser's state, over the tokens that occur.
        epoch: the epoch under way, counted from 0.
        step: steps done in it.
        losses: their losses, [step].
        predictions: their rows' predicted classes, [rows].
        history: the finished epochs' numbers, [epochs, 7], or [epochs, 10] with a validation split.
        seconds: wall-clock time spent training, evaluation excluded.
        best: with a validation split, the parameters of the epoch that scored best on it.
    """

    params: Params
    opt_state: list[np.ndarray]
    epoch: int
    step: int
    losses: np.ndarray
    predictions: np.ndarray
    history: np.ndarray
    seconds: float
    best: Params | None = None


KEPT = 2  # the latest, and the one before it
_BESIDE_ARRAYS = 1 << 19  # bytes that a checkpoint's other files take, with room to spare
_LITTLE_BYTES, _MOST_TIMES = 1 << 28, 16  # so many bytes of arrays, and so many times those of the files, at most
_DIGESTS = "digests"  # of the arrays, in a checkpoint's own metadata
_SCALARS = ("epoch", "step", "seconds")
_ARRAYS = ("losses", "predictions", "history")


def _quieten() -> None:
    """Keep Orbax's log off the terminal: what is wrong is raised too, and a full disk fills a thousand lines."""
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").addFilter(_is_no_echo)  # a second time adds nothing


def _is_no_echo(record: logging.LogRecord) -> bool:
    """Whether a line of asyncio's log is about something else than a checkpoint's reads or writes that failed."""
    error = record.exc_info[1] if record.exc_info else None
    return error is None or not (_full_disk(error) is not None or "tensorstore_spec" in str(error))


@contextlib.contextmanager
def _checkpointer(folder: Path) -> Iterator[Any]:
    from orbax.checkpoint import v1 as ocp

    _quieten()
    policies = ocp.training
    with policies.Checkpointer(
        Path(folder).absolute(),
        save_decision_policy=policies.save_decision_policies.FixedIntervalPolicy(1),
        preservation_policy=policies.preservation_policies.PreserveAll(),  # deleting them is ours: see below
        cleanup_tmp_directories=True,
    ) as checkpointer:
        yield checkpointer


def save_checkpoint(folder: Path, snapshot: Snapshot) -> None:
    """Save a snapshot as the latest checkpoint, one number above those that are there; all but a few are deleted.

    The number says no more than the order: steps are counted differently where the rows trained on are (unlabelled
    ones count no longer), so a number made of them may be below one that is there.

    Of several processes that train, all call this at once, with the same arrays; process 0 alone writes and deletes.

    Raises:
        InputError: the folder is a link.
        OSError: the disk is full, …; the checkpoints that were there are kept.
    """
    import jax

    writes = jax.process_index() == 0
    require_no_links(folder.parent, [folder.name], "run folder")
    # Scalars are stored as arrays; arrays that may be empty get a leading element, for Orbax stores no empty ones.
    state: dict[str, Any] = {name: np.asarray(getattr(snapshot, name), np.float64) for name in _SCALARS}
    state |= {name: _with_lead(getattr(snapshot, name)) for name in _ARRAYS}
    state["opt_state"] = {str(index): leaf for index, leaf in enumerate(snapshot.opt_state)} or {"none": np.zeros(1)}
    params = snapshot.params
    if snapshot.best is not None:  # "params" are what predictions are made with
        params, state["current"] = snapshot.best, snapshot.params
    _require_space(Path(folder), [params, state])
    number = max(_numbers(folder), default=0) + 1
    try:
        with _without_echoes(), signals_held(), _checkpointer(folder) as checkpointer:
            trees = {"params": params, "state": state}
            digests = {name: _digest(tree) for name, tree in trees.items()}
            checkpointer.save_checkpointables(number, trees, custom_metadata={_DIGESTS: digests})
    except Exception as error:
        if writes:
            _delete_unfinished(Path(folder))
        full = _full_disk(error)
        if full is not None:  # the storage library raises a ValueError of its own for it
            raise OSError(full, os.strerror(full), str(folder)) from None
        raise
    if writes:
        delete_checkpoints(folder, keep=KEPT)


def delete_checkpoints(folder: Path, *, keep: int = 0) -> None:
    """Delete checkpoints and what a kill left of one, and nothing else; no link is followed.

    One that is deleted loses its number first, so that a kill leaves no half of one that is taken for a whole.

    Args:
        folder: where; it need not be there, and goes with the last checkpoint unless something else lies in it.
        keep: so many of the latest stay.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    _delete_unfinished(folder)
    old = sorted(_numbers(folder), reverse=True)[keep:]
    for number in old:
        path = folder / str(number)
        if not path.is_symlink():
            path.rename(folder / f"{number}{UNFINISHED}")
    if old:
        _delete_unfinished(folder)
    if not keep:
        with contextlib.suppress(OSError):  # something else lies in it
            folder.rmdir()


def _delete_unfinished(folder: Path) -> None:
    for path in folder.glob(f"*{UNFINISHED}*"):
        if not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def _require_space(folder: Path, trees: list[Any]) -> None:
    """Raise ``OSError`` where the disk cannot hold the arrays: Orbax would find out late, with pages of tracebacks."""
    import jax

    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(trees))
    if shutil.disk_usage(folder).free < needed + _BESIDE_ARRAYS:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _full_disk(error: BaseException) -> int | None:
    """Return the error number where a disk, a quota or a file's limit is full; None where it is something else."""
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return next((number for number in numbers if os.strerror(number) in str(error)), None)


@contextlib.contextmanager
def _without_echoes() -> Iterator[None]:
    """Keep what reads or writes under way say of one that fails, again and again and until long after, off the screen.

    The error itself is raised.
    """
    show = sys.unraisablehook

    def show_others(found: "sys.UnraisableHookArgs") -> None:
        if str(found.exc_value) != "Event loop is closed":
            show(found)

    show_others.drops_echoes = True  # type: ignore[attr-defined]
    if not getattr(show, "drops_echoes", False):  # of an earlier failure
        sys.unraisablehook = show_others
    yield
    sys.unraisablehook = show


def has_checkpoint(folder: Path) -> bool:
    """Return whether a folder holds a whole checkpoint, without importing Orbax."""
    return bool(_numbers(folder))


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the whole checkpoints; those under way have other names."""
    if not folder.is_dir():
        return []
    names = [path.name for path in Path(folder).iterdir() if path.name.isdecimal() and path.is_dir()]
    return [int(name) for name in names if name == str(int(name))]


def load_params(folder: Path) -> Params:
    """Return the latest checkpoint's parameters as NumPy arrays.

    Raises:
        InputError: the folder holds no checkpoint, or a damaged one.
    """
    return _with_numbers(_load(folder, "params")["params"])


def load_snapshot(folder: Path) -> Snapshot:
    """Return the latest checkpoint's snapshot.

    Raises:
        InputError: the folder holds no checkpoint, or a damaged one.
    """
    found = _load(folder, "params", "state")
    params, state = _with_numbers(found["params"]), found["state"]
    leaves = state["opt_state"]
    return Snapshot(
        params=_with_numbers(state["current"]) if "current" in state else params,
        best=params if "current" in state else None,
        opt_state=[leaves[str(index)] for index in range(len(leaves))] if "0" in leaves else [],
        epoch=int(state["epoch"]),
        step=int(state["step"]),
        seconds=float(state["seconds"]),
        **{name: state[name][1:] for name in _ARRAYS},
    )


def _load(folder: Path, *names: str) -> dict[str, Any]:
    """Return parts of the latest checkpoint; where a training that is still writing deletes it, of the next one."""
    while True:
        numbers = _numbers(folder)
        if not numbers:
            raise InputError(f"checkpoints {folder}: expected a checkpoint, found none; train again with --overwrite")
        path = (Path(folder) / str(max(numbers))).absolute()
        try:
            return _read(path, names)
        except (InputError, OSError):
            if path.exists() or _numbers(folder) == numbers:
                raise


def _read(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Read without a ``Checkpointer``, which would clean up after, and so disturb, a training that is still writing."""
    require_packages("jax", "orbax", what="a checkpoint")
    import jax
    from orbax.checkpoint import v1 as ocp

    require_own_jax()
    _quieten()
    folder = path.parent
    with refusing(lambda reason: f"checkpoints {folder}: the latest one cannot be read ({reason}); train again"):
        with _without_echoes(), signals_held(), _this_process_alone(ocp):
            metadata = ocp.checkpointables_metadata(path)
            _require_plausible_size(path, metadata.metadata)
            read = {name: ocp.load_checkpointables(path, {name: None})[name] for name in names}
        found = {name: jax.tree.map(np.asarray, tree) for name, tree in read.items()}
        digests = (metadata.custom_metadata or {}).get(_DIGESTS)  # older versions wrote none
        other = [name for name in names if digests is not None and digests[name] != _digest(found[name])]
    if other:
        raise InputError(
            f"checkpoints {folder}: the latest one is damaged, for its {other[0]} are not those that were saved; "
            f"delete the folder {path.name} in it to go on from the one before, or train again with --overwrite"
        )
    return found


def _this_process_alone(ocp: Any) -> Any:
    """Return a context in which Orbax reads without waiting for other processes: each reads all of the arrays."""
    import jax

    if jax.process_count() == 1:
        return contextlib.nullcontext()
    this = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process-{this}"
    )
    return ocp.Context(multiprocessing_options=alone)


def _require_plausible_size(path: Path, declared: Any) -> None:
    """Refuse a checkpoint that declares arrays which its files cannot hold, before memory is taken for them.

    Trained parameters hardly get smaller by being packed, and what the optimiser keeps is a few times their size.

    Raises:
        ValueError: it does.
    """
    import jax

    sizes = [math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(declared)]
    on_disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    if sum(sizes) > _LITTLE_BYTES + _MOST_TIMES * on_disk:
        raise ValueError(f"its arrays are to have {sum(sizes):,} bytes, and its files have {on_disk:,}")


def _digest(tree: Any) -> str:
    """Return the SHA-256, in hexadecimal, over a tree's arrays, their names, types and shapes."""
    digest = hashlib.sha256()
    for name, leaf in sorted(flat_params(tree).items()):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{name} {array.dtype.str} {np.shape(leaf)}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _with_numbers(params: Params) -> Params:
    """Return parameters with the numbers of lists of layers as numbers again; Orbax has made strings of them."""
    return nested_params(flat_params(params))


def _with_lead(array: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((1, *array.shape[1:]), array.dtype), array])
