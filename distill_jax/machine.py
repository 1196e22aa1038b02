"""The machine that something was measured on, in words that name neither it nor its user. Standard library only."""

import platform
from pathlib import Path

from distill_jax.processors import usable_processors


def machine() -> str:
    """Return the processor's model and the cores that this process may use, such as ``AMD EPYC 9R14, 2 cores``."""
    cores = usable_processors()
    return f"{processor()}, {cores} {'core' if cores == 1 else 'cores'}"


def processor() -> str:
    """Return the processor's model, or its kind where the system does not tell the model."""
    return _first_of("model name") or platform.processor() or platform.machine()


def instructions() -> str:
    """Return the widest vectors that the processor computes with, as far as the system tells, such as ``avx2``."""
    flags = cpu_flags()
    return next((name for name in ("avx512f", "avx2", "avx", "sve", "asimd") if name in flags), platform.machine())


def cpu_flags() -> set[str]:
    """Return what the processor can do, by Linux's names; none where the system does not tell."""
    return set((_first_of("flags") or _first_of("Features")).split())


def _first_of(field: str) -> str:
    """Return the value of a field of the first processor in ``/proc/cpuinfo``; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    values = (line.split(":", 1)[1].strip() for line in lines if line.startswith(field) and ":" in line)
    return next(values, "")
