"""The Pythons of this machine."""

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

_ASK = "import json, sys; print(json.dumps([sys.executable, '%d.%d' % sys.version_info[:2]]))"


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """A Python.

    Attributes:
        path: its program.
        version: such as ``3.11``.
    """

    path: Path
    version: str


def find_interpreters(names: Iterable[str]) -> tuple[list[Interpreter], dict[str, str]]:
    """Return the Pythons of some names or paths, and why there is none of the others."""
    found: dict[str, Interpreter] = {}
    missing = {}
    for name in names:
        program = shutil.which(name)
        if program is None:
            missing[name] = "there is no such program"
            continue
        done = subprocess.run([program, "-c", _ASK], capture_output=True, text=True, check=False)
        if done.returncode:
            missing[name] = done.stderr.strip().partition("\n")[0] or f"it ends with status {done.returncode}"
            continue
        path, version = json.loads(done.stdout)
        found.setdefault(path, Interpreter(Path(path), version))
    return list(found.values()), missing
