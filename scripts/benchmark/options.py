"""The options that every study of speeds has."""

import dataclasses
from pathlib import Path
from typing import Annotated

from distill_jax.errors import require_range
from distill_jax.files import require_folder
from distill_jax.options import Flag


@dataclasses.dataclass(frozen=True)
class StudyOptions:
    """How often, how large, and where the results go."""

    repeats: int = 5
    """Turns that each side takes; the median counts."""
    quick: Annotated[bool, Flag()] = False
    """Little work and few turns: whether it runs, not how fast."""
    output: Path = Path("benchmarks")
    """Folder for the results."""

    def __post_init__(self) -> None:
        require_range("--repeats", self.repeats, 1, 1000)
        require_folder("--output", self.output)
