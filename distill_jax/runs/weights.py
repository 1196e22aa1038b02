"""``weights.npz``: a finished run's parameters, by dotted names; NumPy alone reads them, and nothing is unpickled."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.files import atomic_write
from distill_jax.runs.folder import CHECKPOINTS, WEIGHTS
from distill_jax.students.params import Params, flat_params, nested_params


def write_weights(folder: Path, params: Mapping[str, Any]) -> None:
    """Write the parameters of a run folder, whole or not at all.

    Raises:
        OSError: the disk is full, ….
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(array) for name, array in flat_params(params).items()}
    np.savez(buffer, **arrays)
    with atomic_write(folder / WEIGHTS) as stream:
        stream.write(buffer.getbuffer())


def read_weights(folder: Path) -> Params:
    """Return a run folder's parameters: the finished run's, or else those of its latest checkpoint.

    Raises:
        InputError: there are neither, or they are damaged.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        from distill_jax.runs.checkpoints import load_params

        return load_params(folder / CHECKPOINTS)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return nested_params({name: arrays[name] for name in arrays.files})
    # AttributeError, TypeError: np.load gave a bare array (a .npy file), which is no archive
    except (zipfile.BadZipFile, EOFError, ValueError, AttributeError, TypeError, OSError, NotImplementedError) as error:
        raise InputError(
            f"weights {path}: expected a NumPy .npz file of plain arrays, got something else ({error})"
        ) from None
