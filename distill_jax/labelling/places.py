"""Where tables lie that are read or written: a folder, or objects below an address."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from distill_jax.errors import InputError, Interrupted
from distill_jax.files import atomic_write, is_temporary, require_no_links, require_within
from distill_jax.labelling.options import TableOptions
from distill_jax.labelling.part_folder import delete_begun
from distill_jax.locks import claim, is_lock, shared, sole_writer
from distill_jax.storage.address import is_address, url_of
from distill_jax.storage.mirror import Mirror
from distill_jax.storage.objects import Stored

_NO_LINKS = "give that place by itself if it is meant, or delete the link"
_HIDDEN = (".", "_")


class Place(Protocol):
    """A place of files, each known by its name and those of the folders that it lies in, with slashes between."""

    def files(self) -> dict[str, Stored]:
        """Return the sizes and times of all files by name, but for those that a dot or an underscore hides."""

    def is_free(self) -> bool:
        """Whether there is nothing at all, not even what is hidden."""

    def find(self, name: str) -> Stored | None:
        """Return a file's size and time; None where there is none."""

    def fetch(self, name: str, known: Stored | None = None) -> Path:
        """Return a file's path on this machine; ``known`` is what has been found of it, looked for otherwise."""

    def target(self, name: str) -> Path:
        """Return the path on this machine at which a new file is to be written."""

    def put(self, name: str) -> None:
        """Take over what was written at a target."""

    def drop(self, name: str) -> None:
        """Give up what of a file lies on this machine for this process alone."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of small files, those that are there."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, whole or not at all."""


def place_of(path: Path) -> Place:
    """Return the place at a path or an address."""
    return StoredPlace(path) if is_address(path) else Folder(path)


@contextlib.contextmanager
def put_at_end(options: TableOptions, path: Path | None = None) -> Iterator[TableOptions]:
    """Yield a table's options with a path in the place of an output's address, to which the file is put at the end.

    Args:
        options: the table's.
        path: where the table was named.

    Raises:
        InputError: an object is there already; or what would be on this machine alone is asked for.
    """
    if options.output is None or not is_address(options.output):
        yield options
        return
    if options.resume:
        raise InputError(
            f"--resume goes with a folder of tables or with an output on this machine, got {options.output}"
        )
    if not is_address(options.output.parent):
        raise InputError(f"--output {options.output}: expected a file's name after the bucket's, such as out.csv")
    if path is not None and is_address(path) and url_of(path) == url_of(options.output):
        raise InputError(f"--output {options.output}: it is the table that is read; name another file")
    place, name = StoredPlace(options.output.parent), options.output.name
    if place.find(name) is not None and not options.overwrite:
        raise InputError(
            f"--output {options.output}: it is there already; name another, or replace it with --overwrite"
        )
    place.require_writable()
    target = place.target(name)
    try:
        yield dataclasses.replace(options, output=target, overwrite=True)
    except Interrupted:
        with sole_writer(target, "output"):
            delete_begun(target)
        raise Interrupted(f"interrupted; nothing is at {options.output}: the same command starts again") from None
    place.put(name)
    place.drop(name)


class Folder:
    """A folder of this machine's; it need not be there.

    Args:
        folder: its path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> dict[str, Stored]:
        """Return the files' sizes and times.

        Raises:
            InputError: a link leads out of it, or to a folder, which may be one that it lies in.
        """
        found = ((name, self.find(name)) for name in self._names())
        return {name: stored for name, stored in found if stored is not None}

    def _names(self) -> Iterator[str]:
        for place, *names in os.walk(self._folder, onerror=_raise):
            folders, files = (sorted(name for name in each if not name.startswith(_HIDDEN)) for each in names)
            names[0][:] = folders
            for path in (Path(place) / name for name in (*folders, *files)):
                if path.is_symlink():
                    require_within(self._folder, path, "folder", _NO_LINKS)
                    if path.is_dir():
                        raise InputError(
                            f"folder {self._folder}: expected files, found {path.name}, a link to a folder; {_NO_LINKS}"
                        )
            yield from ((Path(place) / name).relative_to(self._folder).as_posix() for name in files)

    def is_free(self) -> bool:
        """Whether nothing but what killed processes have left lies there."""
        return not self._folder.exists() or all(is_temporary(path) or is_lock(path) for path in self._folder.iterdir())

    def find(self, name: str) -> Stored | None:
        """Return a file's size and time."""
        try:
            found = (self._folder / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Stored(found.st_size, found.st_mtime_ns)

    def fetch(self, name: str, known: Stored | None = None) -> Path:  # noqa: ARG002 - it is there
        """Return a file's path."""
        return self._folder / name

    def target(self, name: str) -> Path:
        """Return a file's path.

        Raises:
            InputError: a link leads there.
        """
        return self._own(name)

    def put(self, name: str) -> None:
        """Do nothing: what was written is in its place."""

    def drop(self, name: str) -> None:
        """Do nothing."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        self._own(name).unlink(missing_ok=True)

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of small files; they are our own records, and no links."""
        paths = {name: self._own(name) for name in names}
        return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}

    def write(self, name: str, content: bytes) -> None:
        """Write a small file atomically."""
        with atomic_write(self._own(name)) as stream:
            stream.write(content)

    def _own(self, name: str) -> Path:
        """Return the path of a file that is this program's, or is to be, to which no link leads."""
        require_no_links(self._folder, [name], "folder")
        return self._folder / name


class StoredPlace:
    """Objects below an address: a table lies on this machine while it is worked on.

    Args:
        address: such as ``s3://bucket/crawl``.
    """

    def __init__(self, address: Path) -> None:
        self._mirror = Mirror(address)
        self._held: dict[str, list[contextlib.ExitStack]] = {}

    def files(self) -> dict[str, Stored]:
        """Return the objects' sizes and times."""
        found = self._mirror.objects.names()
        return {name: found[name] for name in found if not any(map(_is_hidden, name.split("/")))}

    def is_free(self) -> bool:
        """Whether there is no object."""
        return not self._mirror.objects.names()

    def find(self, name: str) -> Stored | None:
        """Return an object's size and time."""
        return self._mirror.objects.find(name)

    def fetch(self, name: str, known: Stored | None = None) -> Path:
        """Copy an object to a file of this machine, and return its path; it stays until this process drops it."""
        hold = contextlib.ExitStack()
        hold.enter_context(shared(self._mirror.folder / name, "copy"))
        self._held.setdefault(name, []).append(hold)
        return self._mirror.fetch(name, known)

    def target(self, name: str) -> Path:
        """Return where a table is written before it is put; one that was not put is not taken for done."""
        path = self._mirror.folder / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def require_writable(self) -> None:
        """Raise ``InputError`` where the store takes no object there."""
        self._mirror.objects.require_writable()

    def put(self, name: str) -> None:
        """Copy what was written to its object."""
        self._mirror.put([name])

    def drop(self, name: str) -> None:
        """Delete the copy on this machine, unless another process is at it."""
        holds = self._held.get(name, [])
        if holds:
            holds.pop().close()
        if not holds:
            with claim(self._mirror.folder / name) as is_mine:
                if is_mine:
                    self._mirror.drop(name)

    def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        self._mirror.objects.delete(name)

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of small objects, asked for side by side."""
        return self._mirror.objects.read(names)

    def write(self, name: str, content: bytes) -> None:
        """Write a small object."""
        self._mirror.objects.write(name, content)


def _is_hidden(part: str) -> bool:
    return part.startswith(_HIDDEN)


def _raise(error: OSError) -> None:
    raise error
