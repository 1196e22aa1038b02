"""How JAX is set up for the command lines; called before anything imports JAX."""

import contextlib
import functools
import glob
import importlib.metadata
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from distill_jax.cache import cache_folder
from distill_jax.errors import InputError
from distill_jax.machine import instructions, processor
from distill_jax.processors import usable_processors

_DETERMINISTIC = "--xla_gpu_deterministic_ops"
_EXTRA_OPTIONS = "--xla_backend_extra_options"
_BROKEN_ENTRY = re.compile("Error reading persistent compilation cache entry for '([^']+)'")
_LOOP_BYTES = "xla_cpu_small_while_loop_byte_threshold"
_LOOP_LIMIT = 2_000_000_000
_OUR_FLAGS = {_DETERMINISTIC: "true", _EXTRA_OPTIONS: f"{_LOOP_BYTES}={_LOOP_LIMIT}"}
# JAX's own variables that change no number: where it keeps and says things, and the device, which is named apart.
_HARMLESS = tuple(
    f"JAX_{name}"
    for name in (
        *("COMPILATION_CACHE", "ENABLE_COMPILATION_CACHE", "PERSISTENT_CACHE", "RAISE_PERSISTENT_CACHE"),
        *("DEBUG", "DUMP", "EXPLAIN", "LOG", "TRACEBACK"),
        *("COORDINATOR", "LOCAL_DEVICE_IDS"),
        *("CPU_ENABLE_ASYNC_DISPATCH", "CUDA_VISIBLE_DEVICES", "PLATFORM"),
    )
)


def configure_jax(*, fused_loops: bool = False) -> None:
    """Take GPU memory as it is needed, and keep compiled programs in the user's cache folder.

    On a GPU the same program gives the same bits at every run: sums by atomic operations, and products by whichever
    kernel was the fastest just then, would let no run be repeated or resumed.

    What the user's environment says (``XLA_PYTHON_CLIENT_PREALLOCATE``, ``JAX_COMPILATION_CACHE_DIR``, ``XLA_FLAGS``)
    goes first.

    Args:
        fused_loops: let XLA on the CPU compile every loop as one function. The linear student's training, a loop of
            tiny operations, is then twice as fast or more and gives the same numbers; loops around large operations
            would be slower, for they would do without XLA's threads and fast matrix product.

    Raises:
        InputError: the installed JAX and Flax do not import together.
    """
    check_versions(importlib.metadata.version("jax"), importlib.metadata.version("flax"))
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "compiled"))
    _heal_cache(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")  # dozens of tiny ones are half a second
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "jax" not in sys.modules:  # else it may come too late
        _add_flag(_DETERMINISTIC)
        if fused_loops:  # over up to 2 GB; a version or a backend of XLA that knows no such option ignores it
            _add_flag(_EXTRA_OPTIONS)


def _add_flag(name: str) -> None:
    """Give XLA one of our flags, unless it was given to it already."""
    flags = os.environ.get("XLA_FLAGS", "")
    if name not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {name}={_OUR_FLAGS[name]}".lstrip()


def full_precision() -> Any:
    """Return a context in which what is traced multiplies float32 numbers as float32 numbers.

    By default a GPU rounds them to ten bits (TF32), which moves a logit by a thousandth. A precision that the user has
    set (``jax.default_matmul_precision``) goes first.
    """
    import jax

    return jax.default_matmul_precision(jax.default_matmul_precision.value or "highest")


def _heal_cache(folder: Path) -> None:
    """Have an entry of the cache of compiled programs that cannot be read deleted, and so written again.

    A kill or a full disk in the middle of a write leaves one. JAX warns of it at each start, and keeps it for ever.
    """
    if getattr(warnings.showwarning, "heals", False):
        return
    warnings.filterwarnings("always", message=_BROKEN_ENTRY.pattern)
    show = warnings.showwarning

    def heal(message: Warning | str, *details: Any, **options: Any) -> None:
        found = _BROKEN_ENTRY.match(str(message))
        if found is None:
            show(message, *details, **options)
            return
        with contextlib.suppress(OSError):
            for path in folder.glob(f"{glob.escape(found[1])}-*"):
                path.unlink(missing_ok=True)

    heal.heals = True  # type: ignore[attr-defined]
    warnings.showwarning = heal


def platform() -> dict[str, Any]:
    """Return what a training's last bits depend on, beside its options, as ``config.json`` records it."""
    import jax

    return {
        "processor": f"{processor()} ({instructions()})",
        "processors": usable_processors(),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "environment": {name: value for name in _deciding_variables() if (value := _user_value(name))},
    }


def _deciding_variables() -> list[str]:
    """Return the variables of the environment that may change what JAX and XLA compute.

    XLA takes ``NPROC`` for the number of processors. JAX reads one for each of its many settings, which change: what is
    not known to be harmless counts.
    """
    own = (name for name in sorted(os.environ) if name.startswith("JAX_") and not name.startswith(_HARMLESS))
    return ["XLA_FLAGS", "NPROC", *own]


def _user_value(name: str) -> str:
    """Return what a variable was set to by the user: without the flags that are set here."""
    ours = {f"{flag}={value}" for flag, value in _OUR_FLAGS.items()}
    return " ".join(word for word in os.environ.get(name, "").split() if word not in ours)


def loops_are_fused() -> bool:
    """Return whether XLA was asked to compile loops as one function each."""
    return _LOOP_BYTES in os.environ.get("XLA_FLAGS", "")


def check_versions(jax: str, flax: str) -> None:
    """Refuse a pair of versions that does not import.

    ``pip`` makes no such pair: what ``pyproject.toml`` says for each Python leaves none. One package upgraded without
    regard to the other makes it.

    Raises:
        InputError: they do not import together.
    """
    jax_release, flax_release = (tuple(int(n) for n in re.findall(r"\d+", version)[:3]) for version in (jax, flax))
    too_new = (0, 11, 1) if flax_release <= (0, 12, 8) else (0, 11, 2)
    if flax_release <= (0, 12, 9) and jax_release >= too_new:
        raise InputError(
            f'jax {jax} and flax {flax} do not import together; install a flax that does: pip install "flax>=0.12.10"'
        )


def require_own_jax() -> None:
    """Refuse a process that was forked from one that has used JAX: XLA's threads are not in it, and it would hang.

    Called before JAX computes, or loads arrays.

    Raises:
        InputError: this is such a process.
    """
    if _process_of_first_use() != os.getpid():
        raise InputError(
            "JAX was used before this process was forked, and does not work in it; start processes by spawn, "
            'multiprocessing.get_context("spawn"), or load the student in each process alone'
        )


@functools.cache
def _process_of_first_use() -> int:
    return os.getpid()
