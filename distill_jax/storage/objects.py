"""Objects below an address, by fsspec: listed, copied to files and from files, deleted."""

import contextlib
import dataclasses
import datetime as dt
import errno
import functools
import uuid
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError, MissingExtraError, MissingInputError, reason_of
from distill_jax.extras import naming_the_extra
from distill_jax.storage.address import is_plain, url_of

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "hf": "hub"}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "hub": "huggingface_hub"}
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_TIMES = ("LastModified", "mtime", "updated", "last_modified", "created")  # as the file systems call it
_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "blob_id")
_SECOND = 1_000_000_000
_AT_ONCE = 16  # objects that are asked for


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a listing says of an object.

    Attributes:
        size: in bytes.
        changed: when it was written, in nanoseconds since 1970; 0 where the store does not say. Stores know seconds;
            what comes after them is of the object's version (its ETag, …), so that one second's versions differ.
    """

    size: int
    changed: int


class Objects:
    """The objects below an address. It can be pickled; a store is connected to on first use.

    Args:
        address: such as ``s3://bucket/folder``.
    """

    def __init__(self, address: str | Path) -> None:
        self.url = url_of(address)

    def __getstate__(self) -> dict[str, str]:
        """Leave the connection out."""
        return {"url": self.url}

    @functools.cached_property
    def _store(self) -> tuple[Any, str]:
        extra = _EXTRAS.get(self.url.partition(":")[0])
        with naming_the_extra(self.url):
            if extra is not None:  # first, for it says which extra is missing
                __import__(_PACKAGES[extra])
            import fsspec

        with self._refusing():
            system, root = fsspec.core.url_to_fs(self.url)
            return system, root.rstrip("/")

    def names(self) -> dict[str, Stored]:
        """Return all objects below the address, by what stands after it; empty where there is none.

        Raises:
            InputError: the store does not answer, or an object's name can be no file's.
        """
        system, root = self._store
        with self._refusing():
            system.invalidate_cache()
            found = system.find(root, detail=True)
        names = {}
        for path, info in found.items():
            name = path.removeprefix(root).removeprefix("/")
            if not name or path.endswith("/"):  # the address is an object's own; or a console has made a "folder"
                continue
            if not is_plain(name):
                raise InputError(f"{self.url}: expected names that files can have, found the object {name}")
            names[name] = _stored(info)
        return names

    def find(self, name: str = "") -> Stored | None:
        """Return what the store says of one object, the address's own without a name; None where there is none."""
        system, _ = self._store
        with self._refusing(name):
            system.invalidate_cache()
            try:
                info = system.info(self._path(name))  # not isfile, which takes a refusal for an answer
            except FileNotFoundError:
                return None
        return _stored(info) if info["type"] == "file" else None

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of small objects, those that are there, asked for side by side."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = zip(names, pool.map(self._content, names), strict=True)
            return {name: content for name, content in found if content is not None}

    def _content(self, name: str) -> bytes | None:
        system, _ = self._store
        with contextlib.suppress(MissingInputError), self._refusing(name):
            return bytes(system.cat_file(self._path(name)))  # not cat, to which a bracket or a star is a pattern
        return None

    def fetch(self, name: str, target: Path) -> None:
        """Copy an object to a file.

        Raises:
            MissingInputError: there is none.
            InputError: the store does not give it.
            OSError: the disk is full, ….
        """
        system, _ = self._store
        with self._refusing(name):
            system.get_file(self._path(name), str(target))

    def put(self, source: Path, name: str) -> None:
        """Copy a file to an object, which is there whole or not at all."""
        system, _ = self._store
        with self._refusing(name):
            system.put_file(str(source), self._path(name))

    def write(self, name: str, content: bytes) -> None:
        """Make an object of some bytes, whole or not at all."""
        system, _ = self._store
        with self._refusing(name):
            system.pipe_file(self._path(name), content)

    def require_writable(self) -> None:
        """Write an object below the address and delete it, so that what forbids it is known before work and not after.

        Raises:
            InputError: the store does not take it.
        """
        name = f"_distill-jax-{uuid.uuid4().hex}"
        self.write(name, b"")
        with contextlib.suppress(InputError):  # deleting may be another right, and is not wanted for all work
            self.delete(name)

    def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        system, _ = self._store
        with contextlib.suppress(MissingInputError), self._refusing(name):
            system.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        root = self._store[1]
        return f"{root}/{name}" if name else root

    @contextlib.contextmanager
    def _refusing(self, name: str = "") -> Iterator[None]:
        """Make one sentence of whatever a store's client raises, but for what the local disk says."""
        where = f"{self.url}/{name}" if name else self.url
        try:
            yield
        except (InputError, MemoryError):
            raise
        except FileNotFoundError as error:
            raise MissingInputError(f"{where}: there is no such object; check the address") from error
        except ImportError as error:
            raise MissingExtraError(f"{where}: {reason_of(error)}") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise
            raise InputError(
                f"{where}: the store refused or did not answer ({reason_of(error)}); check the address, the network "
                "and the credentials"
            ) from error


def _stored(info: dict[str, Any]) -> Stored:
    time = next((info[key] for key in _TIMES if info.get(key)), None)
    if isinstance(time, str):
        time = dt.datetime.fromisoformat(time)
    seconds = time.timestamp() if isinstance(time, dt.datetime) else time or 0
    version = next((str(info[key]).strip('"') for key in _VERSIONS if info.get(key)), "")
    fraction = zlib.crc32(version.encode()) % _SECOND if version else 0
    return Stored(int(info.get("size") or 0), int(seconds) * _SECOND + fraction)
