"""``weights.npz``: a finished run's parameters, by dotted names; NumPy alone reads them, and nothing is unpickled."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.checksums import record_digests
from distill_jax.errors import InputError
from distill_jax.files import atomic_write
from distill_jax.npz import read_npz
from distill_jax.runs.folder import CHECKPOINTS, CONFIG, METRICS, WEIGHTS
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import Params, flat_params, nested_params


def write_weights(folder: Path, params: Mapping[str, Any]) -> None:
    """Write the parameters of a run folder, whole or not at all.

    Raises:
        OSError: the disk is full, ….
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(array) for name, array in flat_params(params).items()}
    np.savez(buffer, **arrays)
    # Recorded first: a reader takes the checkpoint until the file is there, and then knows it.
    record_digests(folder, {WEIGHTS: hashlib.sha256(buffer.getbuffer()).hexdigest()})
    with atomic_write(folder / WEIGHTS) as stream:
        stream.write(buffer.getbuffer())


def require_layout(config: StudentConfig, params: Mapping[str, Any], folder: Path) -> None:
    """Raise ``InputError`` where a run folder's parameters are not those of its student, or are not finite."""
    found = {name: np.asarray(array) for name, array in flat_params(params).items()}
    expected = config.parameter_layout()
    for name in (*expected, *(name for name in found if name not in expected)):
        wanted, got = _described(*expected.get(name, (None, ""))), "none"
        if name in found:
            got = _described(found[name].shape, str(found[name].dtype))
        if got != wanted:
            raise InputError(
                f"run folder {folder}: parameter {name}: expected {wanted} ({CONFIG}), got {got}; the folder's "
                "files belong to different runs"
            )
    not_finite = next((name for name, array in found.items() if not np.isfinite(array).all()), None)
    if not_finite is not None:
        raise InputError(
            f"run folder {folder}: parameter {not_finite}: expected finite numbers, got others; the training has "
            "diverged, or the file is damaged: train again"
        )


def _described(shape: tuple[int, ...] | None, dtype: str) -> str:
    return "none" if shape is None else f"{dtype} {list(shape)}"


def read_weights(folder: Path) -> Params:
    """Return a run folder's parameters: the finished run's, or else those of its latest checkpoint.

    Raises:
        InputError: there are neither, or they are damaged.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        from distill_jax.runs.checkpoints import has_checkpoint, load_params

        try:
            return load_params(folder / CHECKPOINTS)
        except InputError:
            if not path.is_file():  # else the training has ended meanwhile, and its checkpoints are gone
                if not (folder / METRICS).is_file() and not has_checkpoint(folder / CHECKPOINTS):
                    raise InputError(
                        f"run folder {folder}: the first epoch of its training has not ended; wait for it, or go on "
                        "with it: the same python -m distill_jax.train command with --resume"
                    ) from None
                raise
    return nested_params(read_npz(path, "weights"))
