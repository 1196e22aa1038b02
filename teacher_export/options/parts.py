"""What computing and finishing the parts of a planned export can be told."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from distill_jax.errors import InputError, require_range
from teacher_export.options.teacher import DeviceName


@dataclasses.dataclass(frozen=True)
class PartOptions:
    """Compute parts of a planned export. Any number of processes may, at once, on any machines that see the folder."""

    parts: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Which parts: numbers and ranges such as 0-99 (default: all that are not there yet)."""
    output: Path = Path("exports/demo")
    """The export folder, with a plan in it."""
    shard: str | None = None
    """I/N: of these parts the I-th, counted from 0, and each N-th after it. Without it, processes divide the parts
    among themselves, where the file system has locks."""
    device: DeviceName | None = None
    """Where the teacher runs (default: as planned)."""
    engine: Literal["local", "ray"] = "local"
    """local: this process; ray: actors of a Ray cluster (extra ray)."""
    address: str | None = None
    """With --engine ray, the cluster's address (default: a cluster of this machine alone, for this command)."""
    workers: int | None = None
    """With --engine ray, how many actors (default: one for each GPU or, without --gpus, each processor)."""
    gpus: float = 0.0
    """With --engine ray, GPUs of an actor."""

    def __post_init__(self) -> None:
        require_range("--gpus", self.gpus, 0, 64)
        if self.workers is not None:
            require_range("--workers", self.workers, 1, 100_000)
        given = [name for name in ("address", "workers") if getattr(self, name) is not None]
        given += ["gpus"] if self.gpus else []
        if given and self.engine != "ray":
            raise InputError(f"--{given[0]} goes with --engine ray, got --engine {self.engine}")


@dataclasses.dataclass(frozen=True)
class FinishOptions:
    """Check every part of a planned export and write its manifest."""

    output: Path = Path("exports/demo")
    """The export folder, with a plan and all its parts."""
