"""The machine and the versions that figures were measured with."""

import contextlib
import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from typing import Any

from distill_jax.machine import cpu_flags, processor
from distill_jax.processors import usable_processors

_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "tokenizers",
    "torch",
    "transformers",
    "fasttext",
    "onnxruntime",
)
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, memory, GPUs, system and date, as JSON takes them; nothing that names the user."""
    flags = cpu_flags()
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "vector_instructions": [flag for flag in _FLAGS if flag in flags],
        "cores": usable_processors(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": gpus(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def describe_versions() -> dict[str, str | None]:
    """Return the versions of the packages that matter; None for those that are not installed."""
    versions: dict[str, str | None] = dict.fromkeys(_PACKAGES)
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def gpus() -> list[str]:
    """Return the names of the CUDA GPUs, as their driver tells them."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
