"""Write files so that a reader sees the whole file or none of it. Shared by both halves; standard library only."""

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from distill_jax.errors import InputError, MissingInputError, escape

_CHUNK = 1 << 20
_DIGITS = 20
_SNAPSHOTS, _BLOBS = "snapshots", "blobs"  # in a hub's cache
_RAW_BYTE = re.compile("[\udc80-\udcff]")  # Python's characters for a path's bytes that are not UTF-8
_TEMPORARY = re.compile(r"\.(?P<target>.+)\.\d{1,10}-[0-9a-f]{8}\.tmp", re.DOTALL)
_OLD_TEMPORARY = re.compile(r"\.(?P<target>.+)\.\d{1,10}\.tmp", re.DOTALL)  # version 0.1 named the process alone


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``; on success fsync and rename it to ``path``, on failure remove it.

    Raises:
        OSError: the disk is full, the folder is not writable, …; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as stream:  # never through a link that lies there
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder beside ``path``; on success rename it to ``path``, on failure remove it.

    Raises:
        OSError: the disk is full, something lies at ``path``, …; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power failure, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def temporary_beside(path: Path) -> Path:
    """Return a name beside ``path`` for what is to take its place: this writer's alone, in any process and thread."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def is_temporary(path: Path) -> bool:
    """Whether ``path`` is named as ``temporary_beside`` names files and folders."""
    return temporary_target(path.name) is not None


def temporary_target(name: str) -> str | None:
    """Return the name of what a temporary file or folder is to replace; None where ``name`` is no such one's."""
    match = _TEMPORARY.fullmatch(name)
    return None if match is None else match["target"]


def find_temporaries(folder: Path, *targets: str) -> list[Path]:
    """Return what writers in ``folder`` have begun, or killed ones have left.

    Args:
        folder: where; it need not be there.
        targets: the names of what they were writing; without one, whatever it was.
    """
    found = {path: temporary_target(path.name) for path in folder.glob(".*.tmp")}
    # Another program's date looks like version 0.1's number: a file so named is ours by what it was to replace alone.
    for path in found:
        old = _OLD_TEMPORARY.fullmatch(path.name)
        if old is not None and old["target"] in targets and path.is_file():
            found[path] = old["target"]
    return [path for path, target in found.items() if target is not None and (not targets or target in targets)]


def remove_temporaries(folder: Path, *targets: str) -> None:
    """Delete what ``find_temporaries`` finds."""
    for path in find_temporaries(folder, *targets):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def utf8(text: str) -> str:
    r"""Return a text with the bytes of a path in it that are not UTF-8 escaped (``\\xff``).

    Python has half a surrogate pair for each of them, which is nothing that a file of text can hold.
    """
    return _RAW_BYTE.sub(escape, text)


def require_utf8(path: Path, what: str) -> None:
    """Raise ``InputError`` for a path that is not UTF-8, where a library is to open it that takes no other."""
    if utf8(str(path)) != str(path):
        raise InputError(f"{what} {utf8(str(path))}: expected a path in UTF-8, got other bytes in it; name another")


def json_bytes(value: Any) -> bytes:
    """Return ``value`` as indented JSON in UTF-8; NaN is refused (``ValueError``), for it is not JSON.

    Paths in it are written as ``utf8`` does.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return _RAW_BYTE.sub(lambda found: "\\" + escape(found), text).encode()


def write_json(path: Path, value: Any) -> None:
    """Write ``json_bytes`` of ``value`` atomically."""
    with atomic_write(path) as stream:
        stream.write(json_bytes(value))


def read_json(path: Path, what: str, *, foreign: bool = False) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        what: its name in error messages: ``manifest``, ``run configuration``.
        foreign: another library wrote it, so it may hold what that library writes: NaN, Infinity, numbers of any size.

    Raises:
        MissingInputError: there is no such file.
        InputError: it is not a JSON object in UTF-8, or holds what Python's reader lets through: NaN, numbers beyond 64
            bits, half a surrogate pair, or nesting without end.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingInputError(f"{what}: expected a file {path}, found none") from None
    return parse_json(content, f"{what} {path}", foreign=foreign)


def parse_json(content: bytes, where: str, *, foreign: bool = False) -> dict[str, Any]:
    """Do what ``read_json`` does, for a file's content; ``where`` names it in messages."""
    try:
        text = content.decode()
        if foreign:
            value = json.loads(text)
        else:
            value = json.loads(text, parse_int=_whole_number, parse_float=_number, parse_constant=_no_number)
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:  # UnicodeError and JSONDecodeError are ValueErrors
        raise InputError(f"{where}: expected JSON in UTF-8, got something else ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected a JSON object, got {type(value).__name__}")
    return value


def _whole_number(text: str) -> int:
    if len(text) > _DIGITS or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"a whole number of {len(text)} digits, more than 64 bits hold")
    return int(text)


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {text[:_DIGITS]}, which is not finite")
    return number


def _no_number(text: str) -> float:
    raise ValueError(f"{text}, which is no JSON")


def first_difference(old: Any, new: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """Return ``(field, old value, new value)`` of the first difference of two JSON values, or None."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            found = first_difference(old.get(key), new.get(key), f"{name}.{key}" if name else key)
            if found:
                return found
        return None
    if isinstance(new, tuple):
        new = list(new)
    return None if old == new else (name, old, new)


def require_within(folder: Path, path: Path, what: str, advice: str) -> None:
    """Raise where a link leads out of a folder; a hub's snapshot has its files beside it, among the ``blobs``.

    Args:
        folder: whose files are read.
        path: one of them.
        what: what the folder is, for messages.
        advice: what is to be done, for messages.

    Raises:
        InputError: it does, or it leads to nothing.
    """
    place, root = path.resolve(), folder.resolve()
    is_blob = root.parent.name == _SNAPSHOTS and place.parent == root.parent.with_name(_BLOBS)
    if not is_blob and not place.is_relative_to(root):
        raise InputError(f"{what} {folder}: expected files of its own, found {path.name}, a link to {place}; {advice}")
    if not place.exists():
        raise InputError(f"{what} {folder}: expected files, found {path.name}, a link to nothing; {advice}")


def require_no_links(folder: Path, names: Iterable[str], what: str) -> None:
    """Raise where a file or folder within a folder is a link, or lies in one: nothing is written or deleted through it.

    Args:
        folder: a folder, or a link to one.
        names: what lies there, or is to lie there, with slashes between a folder's name and a file's.
        what: what the folder is, for messages.

    Raises:
        InputError: there is a link.
    """
    for name in names:
        path = folder
        for part in Path(name).parts:
            path /= part
            if path.is_symlink():
                raise InputError(
                    f"{what} {folder}: expected {path.relative_to(folder).as_posix()} to be its own, found a link to "
                    f"{path.readlink()}; nothing is written through one: link the whole folder, or name another"
                )


def real_place(path: Path, what: str) -> Path:
    """Return where a new file or folder comes to lie: where a link leads, for none can be put in the link's own place.

    Args:
        path: as the user named it.
        what: what it is, for messages.

    Raises:
        InputError: a link that leads to nothing.
    """
    if not path.is_symlink():
        return path
    if not path.exists():
        raise InputError(
            f"{what} {path}: it is a link that leads to nothing ({path.readlink()}); make a folder there, or name "
            "another"
        )
    return path.resolve()


def require_folder(option: str, path: Path) -> None:
    """Raise ``InputError`` where a folder that an option names can be none: a file lies there, or on the way there."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InputError(f"{option}: {path}: expected a folder, found a file ({there}); name another")


def require_free(path: Path, what: str, remedy: str = "name another") -> None:
    """Raise ``InputError`` where something lies at a path already; an empty folder may.

    Args:
        path: where something is to be written.
        what: what the message calls it.
        remedy: what to do, for the message.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{what} {path}: it exists already; {remedy}")
