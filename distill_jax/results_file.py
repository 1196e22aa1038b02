"""Files of results: they take the place of the same program's earlier ones, and of nothing else."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError
from distill_jax.files import read_json, write_json

_PROGRAM = "program"
_BESIDE = "beside"
_LARGEST = 1 << 26  # bytes; no results are as large, and a larger file need not be read


@dataclasses.dataclass(frozen=True)
class ResultsFile:
    """A program's results: a JSON object that names the program, and what lies beside it.

    Attributes:
        program: the module's name.
        keys: the keys of what was written before it named the program; none = it always has.
    """

    program: str
    keys: frozenset[str]

    def require_replaceable(self, option: str, path: Path, *beside: Path) -> None:
        """Refuse to replace another's files; to be called before the work, which may take hours.

        Args:
            option: names the file, or its folder, on the command line.
            path: the JSON file.
            beside: what is drawn or told from it, which is the program's where the JSON file names it.

        Raises:
            InputError: something lies there that is not the program's.
        """
        whose, remedy = f"an earlier result of python -m {self.program}", f"name another with {option}"
        found = self._read(path)
        named = None if found is None else found.get(_BESIDE)
        require_replaceable([path], whose, remedy, ours=found is not None)
        for each in beside:
            is_named = isinstance(named, list) and _seen_from(path, each) in named
            require_replaceable([each], whose, remedy, ours=is_named)

    def write(self, path: Path, value: dict[str, Any], *beside: Path) -> None:
        """Write results atomically, and in them what is to be written beside them."""
        named = {_BESIDE: [_seen_from(path, each) for each in beside]} if beside else {}
        write_json(path, {_PROGRAM: self.program, **value, **named})

    def wrote(self, path: Path) -> bool:
        """Whether a file has the program's results."""
        return self._read(path) is not None

    def _read(self, path: Path) -> dict[str, Any] | None:
        """Return what is in a file; None where it is not the program's."""
        try:
            if not path.is_file() or path.stat().st_size > _LARGEST:
                return None
            found = read_json(path, "results")
        except InputError:
            return None
        is_ours = found[_PROGRAM] == self.program if _PROGRAM in found else found.keys() == self.keys != frozenset()
        return found if is_ours else None


def _seen_from(path: Path, beside: Path) -> str:
    """Return how a file is reached from the folder of another."""
    return os.path.relpath(beside.resolve(), path.parent.resolve())


def require_replaceable(paths: Sequence[Path], whose: str, remedy: str, *, ours: bool) -> None:
    """Refuse to replace files that are not ours.

    Args:
        paths: what is to be written.
        whose: what may lie there, for the message.
        remedy: what to do else than to move the file away.
        ours: whether what lies there is ours.

    Raises:
        InputError: something lies at one of the paths, and is not.
    """
    there = next((path for path in paths if os.path.lexists(path)), None)
    if there is None or ours:
        return
    found = "a folder" if there.is_dir() else "another file"
    raise InputError(f"{there}: expected no such file, or {whose}, found {found}; {remedy}, or move it away")
