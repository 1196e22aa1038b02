"""``sha256sums.txt``: the SHA-256 of every file of a folder that answers and figures come from.

``sha256sum -c`` reads it too. A file that differs by a bit, or is another folder's, is refused. In a run, checkpoints
have digests of their own; in an export, parts have theirs in the manifest.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from distill_jax.errors import InputError
from distill_jax.files import atomic_write, sha256_file

CHECKSUMS = "sha256sums.txt"
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[^/\x00-\x1f]+)")


def record_files(folder: Path, *names: str) -> None:
    """Record files of a folder as they are now, beside those recorded before.

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
    """Return the digest of each recorded file by its name; {} where there is no record, as before version 0.2.

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
                "record is damaged: copy the folder again, or make it anew"
            )
        found[match["name"]] = match["digest"]
    if not found:
        raise InputError(f"checksums {path}: expected a line for each file, got none; copy the folder again")
    return found


def require_recorded(folder: Path, *names: str, what: str, remedy: str) -> None:
    """Check files of a folder against its record.

    Args:
        folder: the folder.
        names: its files.
        what: what an error calls the folder, such as ``run folder``.
        remedy: what to do about a file that is another one.

    Raises:
        InputError: one is missing, is not the file that was recorded, or is not in the record.
    """
    recorded = read_checksums(folder)
    for name in names:
        if name not in recorded:
            raise InputError(
                f"{what} {folder}: {CHECKSUMS} has no line for {name}, so it was not written with the others; wait for "
                f"what writes the folder, or {remedy}"
            )
        if not (folder / name).is_file():
            raise InputError(f"{what} {folder}: {name} is missing, which {CHECKSUMS} names; {remedy}")
        if sha256_file(folder / name) != recorded[name]:
            raise InputError(
                f"{what} {folder}: {name} is not the file that was written ({CHECKSUMS}): it was changed or damaged; "
                f"{remedy}"
            )
