"""Read a file of ``torch.save`` without unpickling anything but tensors and plain containers."""

import pickle
import struct
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError

# What torch's restricted unpickler raises for files that are cut, damaged or no pickle at all.
_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
)


def load_tensors(path: Path, expected: str) -> Any:
    """Return what ``torch.save`` wrote to ``path``, its tensors on the CPU.

    Args:
        path: the file.
        expected: ends the error message's "FILE: expected …".

    Raises:
        InputError: the file is damaged, or holds other objects than tensors and plain containers.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except _ERRORS as error:
        raise InputError(
            f"{path}: expected {expected}; it is damaged or holds other objects ({_name(error)})"
        ) from None


def _name(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
