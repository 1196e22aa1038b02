"""A new virtual environment, and how programs run in it: from an empty folder, with an empty home."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

_LINES_OF_A_FAILURE = 15
_SECONDS = 1800
# What torch brings for NVIDIA's GPUs: gigabytes that a check on the CPU does not need.
_CUDA = ("nvidia-", "cuda-")


class FailedError(Exception):
    """A program ended with an error; the message holds its command and the end of what it said."""


class Environment:
    """A virtual environment in a folder of its own.

    Attributes:
        work: where programs run; empty at first, and nothing of this checkout can be imported from it.
    """

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self._environment, self._home = folder / "environment", folder / "home"
        self.python = self._environment / "bin" / "python"

    def create(self, python: Path) -> None:
        """Make the environment with an interpreter, and the two empty folders.

        Raises:
            FailedError: it cannot be made.
        """
        for folder in (self.work, self._home):
            folder.mkdir(parents=True)
        self._checked([str(python), "-m", "venv", str(self._environment)], _outside())
        self._pip("install", "--quiet", "--upgrade", "pip")

    def resolve(self, wanted: str, constraints: Mapping[str, str]) -> dict[str, str]:
        """Return the versions that pip would install; wheels alone, and nothing but their metadata is fetched.

        Args:
            wanted: a requirement.
            constraints: versions by package.

        Raises:
            FailedError: no versions go together.
        """
        report, file = self._home.parent / "report.json", self._home.parent / "constraints.txt"
        file.write_text("".join(f"{name}=={version}\n" for name, version in constraints.items()), encoding="utf-8")
        self._pip("install", "--dry-run", "--quiet", "--report", report, "--constraint", file, wanted)
        found = (one["metadata"] for one in json.loads(report.read_text(encoding="utf-8"))["install"])
        return {canonicalize_name(one["name"]): one["version"] for one in found}

    def install(self, wheel: Path, versions: Mapping[str, str]) -> None:
        """Install a wheel of ours, and what was resolved for it.

        Raises:
            FailedError: pip fails.
        """
        ours = canonicalize_name(wheel.name.partition("-")[0])
        others = (f"{name}=={version}" for name, version in versions.items() if name != ours)
        self._pip("install", "--quiet", "--no-deps", wheel, *others)

    def run(self, *words: str | Path) -> str:
        """Run a program of the environment in the work folder; return what it said.

        Nothing of the caller's environment reaches it but the path of the system's programs.

        Raises:
            FailedError: it ended with an error.
        """
        home = str(self._home)
        clean = {
            "PATH": os.pathsep.join([str(self.python.parent), os.defpath]),
            "HOME": home,
            "PYTHONUSERBASE": home,
            "LANG": "C.UTF-8",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
        }
        return self._checked(list(map(str, words)), clean)

    def _pip(self, *words: str | Path) -> None:
        command = [self.python, "-m", "pip", "--disable-pip-version-check", *words]
        wheels = {"PIP_ONLY_BINARY": ":all:"}
        self._checked(list(map(str, command)), {**_outside(), **wheels})

    def _checked(self, command: Sequence[str], environment: Mapping[str, str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.work,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            last = "\n".join(done.stdout.splitlines()[-_LINES_OF_A_FAILURE:])
            raise FailedError(f"{' '.join(command)}: exit status {done.returncode}\n{last}")
        return done.stdout


def brings_cuda(versions: Mapping[str, str]) -> bool:
    """Return whether a resolution has libraries for NVIDIA's GPUs in it."""
    return any(name.startswith(_CUDA) for name in versions)


def _outside() -> dict[str, str]:
    """Return the caller's environment, with the settings of pip, but without what shows this checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
