"""``sha256sums.txt``: the SHA-256 of every file that a run's answers and figures come from.

``sha256sum -c`` reads it too.
A file that differs by a bit, or is another run's, is refused. Checkpoints have digests of their own.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from distill_jax.errors import InputError
from distill_jax.files import atomic_write, sha256_file

CHECKSUMS = "sha256sums.txt"
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[^/\x00-\x1f]+)")


def record_files(folder: Path, *names: str) -> None:
    """Record files of a run folder as they are now, beside those recorded before.

    Raises:
        OSError: the disk is full, ….
    """
    record_digests(folder, {name: sha256_file(folder / name) for name in names})


def record_digests(folder: Path, digests: Mapping[str, str]) -> None:
    """Record the SHA-256 of files, before or after they are written; raises what ``record_files`` does."""
    known = {**read_checksums(folder), **digests}
    with atomic_write(folder / CHECKSUMS) as stream:
        stream.write("".join(f"{known[name]}  {name}\n" for name in sorted(known)).encode())


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the digest of each recorded file by its name; {} where there is no record, as in runs before 0.2.

    Raises:
        InputError: the record is damaged.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None or match["name"] in found:
            raise InputError(
                f"checksums {path}: line {number}: expected a SHA-256 and a file's name, as sha256sum writes them; the "
                "record is damaged: copy the run again, or train again"
            )
        found[match["name"]] = match["digest"]
    if not found:
        raise InputError(f"checksums {path}: expected a line for each file, got none; copy the run again")
    return found


def require_recorded(folder: Path, *names: str) -> None:
    """Check files of a run folder against its record.

    Raises:
        InputError: one is not the file that was recorded, or is not in the record.
    """
    recorded = read_checksums(folder)
    for name in names:
        if name not in recorded:
            raise InputError(
                f"run folder {folder}: {CHECKSUMS} has no line for {name}, so it is not from the run's training; "
                "wait for the training, go on with it (--resume), or copy the run again"
            )
        if sha256_file(folder / name) != recorded[name]:
            raise InputError(
                f"run folder {folder}: {name} is not the file that the run's training wrote ({CHECKSUMS}): it was "
                "changed or damaged; copy the run again, or train again with --overwrite"
            )
