"""One thread for each of NumPy's matrix products, while threads of ours share the texts.

OpenBLAS gives every product to all processors. The products here are small: sharing one costs more than computing it,
and threads of two calls wait for each other spinning, several times as long where other programs run too.
"""

import contextlib
import ctypes
import functools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_LOCK = threading.Lock()
_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_")


class _Users:
    count = 0
    threads = 1  # what OpenBLAS had before the first of them


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Compute each matrix product within on one thread, where NumPy's own OpenBLAS is at hand; elsewhere do nothing.

    The number is the process's: other threads' products are as narrow meanwhile. Calls may overlap.
    """
    functions = _openblas()
    if functions is None:
        yield
        return
    get, set_ = functions
    with _LOCK:
        if not _Users.count:
            _Users.threads = get()
            set_(1)
        _Users.count += 1
    try:
        yield
    finally:
        with _LOCK:
            _Users.count -= 1
            if not _Users.count:
                set_(_Users.threads)


@functools.cache
def _openblas() -> tuple[Any, Any] | None:
    """Return the functions that read and set the number of threads of the OpenBLAS that NumPy's wheels bring."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            with contextlib.suppress(OSError):
                library = ctypes.CDLL(str(path))
                for name in _NAMES:
                    found = [getattr(library, name.format(verb), None) for verb in ("get", "set")]
                    if all(found):
                        return found[0], found[1]
    return None
