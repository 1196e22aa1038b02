"""A local folder that stands for a folder of objects: what of it is needed is fetched, what is written there is put.

It lies in the user's cache under the address's own names. A file in it with the object's size and time is the object's;
so it may be deleted at any time, and several processes of a machine share it.
"""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from distill_jax.console import progress
from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import is_temporary, sync_folder, temporary_beside
from distill_jax.locks import exclusive, is_lock
from distill_jax.storage.address import is_address, mirror_of, mirrors_folder
from distill_jax.storage.objects import Objects, Stored

_WORTH_A_BAR = 1 << 22  # bytes
_UNDER_WAY = ".part"  # of a folder with the rows of a table that is being labelled


class Mirror:
    """A folder of objects, and the local folder that stands for it.

    Args:
        address: such as ``s3://bucket/folder``.

    Attributes:
        objects: the objects.
        folder: the local folder; it need not be there.
    """

    def __init__(self, address: str | Path) -> None:
        self.objects = Objects(address)
        self.folder = mirror_of(address)
        mirrors_folder().mkdir(mode=0o700, parents=True, exist_ok=True)  # whose objects they are, others may not read

    def fetch(self, name: str, known: Stored | None = None) -> Path:
        """Return the file of an object, copied where it is not there already.

        Args:
            name: the object's, after the address; empty for the address's own.
            known: what a listing has said of it, asked for otherwise.

        Raises:
            MissingInputError: there is no such object.
            InputError: the store does not give it, or another one than it has said.
        """
        stored = known or self.objects.find(name)
        if stored is None:
            where = f"{self.objects.url}/{name}" if name else self.objects.url
            raise MissingInputError(f"{where}: there is no such object; check the address")
        path = self.folder / name if name else self.folder
        if _is_copy(path, stored):
            return path
        _make_room(path)
        begun = temporary_beside(path)
        try:
            self.objects.fetch(name, begun)
            if begun.stat().st_size != stored.size:
                raise InputError(
                    f"{path}: expected {stored.size:,} bytes, got {begun.stat().st_size:,}: it was changed while "
                    "it was being fetched; give the command again"
                )
            os.utime(begun, ns=(stored.changed, stored.changed))  # by which the copy is known again
            begun.replace(path)
        finally:
            begun.unlink(missing_ok=True)
        sync_folder(path.parent)
        return path

    def fetch_all(self, names: dict[str, Stored] | None = None) -> Path:
        """Fetch all objects below the address, or those of a listing; return the folder.

        Raises:
            MissingInputError: there is none below the address.
        """
        found = self.objects.names() if names is None else names
        if names is None:
            if not found:
                raise MissingInputError(
                    f"{self.objects.url}: there is no such object, nor any below it; check the address"
                )
            with contextlib.suppress(InputError), exclusive(self.folder, "copies"):  # unless one computes parts there
                self.prune(found)
        both = next(
            (name for name in found if any(str(folder) in found for folder in PurePosixPath(name).parents)), None
        )
        if both is not None:
            raise InputError(f"{self.objects.url}: expected names that files can have, found {both} below an object")
        wanted = {name: stored for name, stored in found.items() if not _is_copy(self.folder / name, stored)}
        size = sum(stored.size for stored in wanted.values())
        with progress(size, "fetching", "B", scale=True, disable=size < _WORTH_A_BAR) as bar:
            for name, stored in wanted.items():
                self.fetch(name, stored)
                bar.update(stored.size)
        return self.folder

    def prune(self, names: Collection[str]) -> None:
        """Delete local files of which there is no object (any more), according to a listing, and folders with none.

        Tables under way of other processes stay.
        """
        for path in sorted(self.folder.rglob("*"), reverse=True):  # what is in a folder comes before it
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):  # it is not empty
                    path.rmdir()
            name = path.relative_to(self.folder)
            is_busy = is_temporary(path) or is_lock(path) or any(part.endswith(_UNDER_WAY) for part in name.parts[:-1])
            if path.is_file() and not is_busy and name.as_posix() not in names:
                path.unlink(missing_ok=True)

    def put(self, names: Iterable[str]) -> None:
        """Copy files of the folder to objects, one after the other, each whole."""
        for name in names:
            self.objects.put(self.folder / name, name)

    def drop(self, *names: str) -> None:
        """Delete local files, if they are there."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)


def local_copy(path: Path) -> Path:
    """Return a path as it is, or the local copy of the objects at an address: of one object, or of all below it.

    Raises:
        MissingInputError: there is no object.
        InputError: the store does not answer.
    """
    if not is_address(path):
        return path
    mirror = Mirror(path)
    own = mirror.objects.find()
    return mirror.fetch_all() if own is None else mirror.fetch("", own)


def _make_room(path: Path) -> None:
    """Make the folder of a copy; what lies in the way is a copy of what was an object or a folder before."""
    for folder in path.parents:
        if folder.is_relative_to(mirrors_folder()) and folder.is_file():
            folder.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)


def _is_copy(path: Path, stored: Stored) -> bool:
    if not path.is_file():
        return False
    found = path.stat()
    return bool(stored.changed) and (found.st_size, found.st_mtime_ns) == (stored.size, stored.changed)
