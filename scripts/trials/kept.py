"""Copies of what went wrong, for a person to look at."""

import itertools
import os
import shutil
from pathlib import Path


def keep_copy(source: Path, target: Path) -> Path:
    """Copy a folder, links as links, and return where: ``target``, or ``target-2``, … where something lies there.

    Nothing is replaced: a person names the place, and anything may lie in it.
    """
    names = itertools.chain([target], (target.with_name(f"{target.name}-{number}") for number in itertools.count(2)))
    free = next(name for name in names if not os.path.lexists(name))
    shutil.copytree(source, free, symlinks=True)
    return free
