"""Where the teacher runs and in which arithmetic. Torch is imported only where a device must be asked."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from distill_jax.errors import InputError

if TYPE_CHECKING:
    import torch


_CPUINFO = Path("/proc/cpuinfo")
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def resolve_device(name: str) -> "torch.device":
    """Return the device for ``--device``: ``auto`` takes a CUDA GPU where there is one.

    Raises:
        InputError: ``cuda`` was asked for and there is none.
    """
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda: expected a CUDA GPU that torch can use, found none; use --device cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def resolve_precision(name: str, device: "torch.device", begun: str | None = None) -> str:
    """Return ``float32``, ``bfloat16`` or ``float16`` for ``--precision``.

    Args:
        name: what the user asked for.
        device: where the teacher runs.
        begun: what the work on disk was begun with; ``auto`` goes on with it, so that nothing is mixed.
    """
    if name != "auto":
        return name
    if begun is not None:
        return begun
    if device.type == "cuda":
        import torch

        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if cpu_has_fast_bfloat16() else "float32"


@functools.cache
def cpu_has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively (where Linux says so; elsewhere taken as not)."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not _BFLOAT16_FLAGS.isdisjoint(flags.split())
