"""One process at a time writes a folder, or several that agree to: locks that die with their process.

Readers need no lock: a file is whole or not there. Shared; standard library only.
"""

import contextlib
import errno
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from distill_jax.console import warn
from distill_jax.errors import InputError
from distill_jax.files import find_temporaries, remove_temporaries

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# What a file system without locks answers, and a folder that may be read alone.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF})
_BEGINNING = '{"process": '  # of what a holder writes about itself
_NO_FILE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_PATIENCE, _PAUSE = 2.0, 0.02  # seconds: one who leaves a shared lock holds it alone for a moment


def lock_file(path: Path) -> Path:
    """Return where the lock of a file or folder lies while it is held: beside it, whatever name led there."""
    whole = Path(path).resolve()
    if not whole.name:
        raise InputError(f"{path}: expected a name that can be written, got the root of all folders; name another")
    return whole.with_name(f".{whole.name}.lock")


def is_lock(path: Path) -> bool:
    """Whether ``path`` is named as ``lock_file`` names files."""
    return path.name.startswith(".") and path.name.endswith(".lock")


def remove_locks(folder: Path) -> None:
    """Delete the locks that killed processes have left of files in a folder which this process alone may write."""
    for path in folder.glob(".*.lock"):
        if is_lock(path) and not path.is_symlink() and path.is_file() and _is_words(path.read_text(errors="replace")):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Keep other processes (and threads) that ask for the same lock off a file or folder.

    The lock is the system's (``flock``), so that a killed process holds none; its file is deleted at the end and holds
    no truth, only words about the holder. Where the file system has no locks, a warning says so and the work goes on.

    Args:
        path: what is to be written; it need not be there yet.
        what: what it is, for messages: ``run folder``.

    Raises:
        InputError: it is held; the message says by which process, where and since when.
    """
    with _held(path, what, alone=True):
        yield


@contextlib.contextmanager
def shared(path: Path, what: str) -> Iterator[None]:
    """Hold a file or folder beside others that hold it so; keeps off, and is kept off by, those that ask for it alone.

    What these others and this process write there is theirs to divide: ``claim``. Arguments and errors as for
    ``exclusive``.
    """
    with _held(path, what, alone=False):
        yield


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Yield whether a file is this process's to write, and no other's that claims it.

    Where the file system has no locks it is everybody's, so that what is written must be the same whoever writes it.

    Args:
        path: the file; it need not be there yet.
    """
    try:
        release = _hold(path, alone=True)
    except BlockingIOError:
        yield False
        return
    except OSError as error:
        if error.errno not in _NO_LOCKS | _NO_FILE:
            raise
        yield True
        return
    try:
        yield True
    finally:
        release()


@contextlib.contextmanager
def _held(path: Path, what: str, *, alone: bool) -> Iterator[None]:
    try:
        release = _hold(path, alone=alone)
    except BlockingIOError:
        raise InputError(
            f"{what} {path}: another process is writing it ({_holder(lock_file(path))}); wait for it, or name another"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS | _NO_FILE:
            raise
        warn(f"warning: {what} {path}: no lock could be taken ({error.strerror}); let no other process write there")
        yield
        return
    try:
        yield
    finally:
        release()


def _hold(path: Path, *, alone: bool) -> Callable[[], None]:
    """Lock a file or folder; return what lets it go.

    Raises:
        BlockingIOError: it is held.
        OSError: the file system has no locks, or the lock's file cannot be made.
    """
    name = lock_file(path)
    with contextlib.suppress(FileExistsError):  # a file is in the way: opening the lock says so
        name.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        raise OSError(errno.ENOSYS, "this system has no flock")
    kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    deadline = time.monotonic() + (0 if alone else _PATIENCE)
    while True:
        try:
            stream = _acquire(name, kind)
            inner = _acquire_folder(Path(path), name, stream, kind)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)

    def release() -> None:
        with contextlib.suppress(OSError):
            if not alone:  # who is the last one takes the file away
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            name.unlink(missing_ok=True)  # while it is held: no other process can hold this very file
        stream.close()
        if inner is not None:
            os.close(inner)

    return release


@contextlib.contextmanager
def sole_writer(path: Path, what: str) -> Iterator[None]:
    """Do what ``exclusive`` does, and delete what killed writers of the same file or folder have left beside it."""
    with exclusive(path, what):
        remove_temporaries(path.parent, path.name)
        yield


def clear_leftovers(path: Path, what: str, *further: Path) -> None:
    """Delete what killed writers of a finished file or folder have left, unless a living one is at it.

    Args:
        path: what they wrote.
        what: what it is, for messages.
        further: files that are of no use beside what is finished.
    """
    left = [lock_file(path), *further, *find_temporaries(path.parent, path.name)]
    if not any(each.exists() for each in left):
        return
    with contextlib.suppress(InputError), sole_writer(path, what):
        for each in further:
            each.unlink(missing_ok=True)


def _acquire_folder(path: Path, name: Path, stream: IO[str], kind: int) -> int | None:
    """Lock a folder itself too, which another mount shows under another name; None where it is not there yet.

    Args:
        path: the folder, or a file.
        name: the lock beside it, which is given up where the folder is held.
        stream: the same, as it is open.
        kind: the system's word for a lock that is shared, or not.

    Raises:
        BlockingIOError: it is held.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # it is no folder, or not there, or may not be read
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            return None
        if kind == fcntl.LOCK_EX:
            name.unlink(missing_ok=True)
        stream.close()
        raise
    return descriptor


def _acquire(name: Path, kind: int) -> IO[str]:
    """Open and lock the file ``name``, and write into it who holds it.

    Raises:
        BlockingIOError: it is held.
        OSError: the file system has no locks, or the file cannot be made.
    """
    while True:
        stream = _opened(name)
        try:
            fcntl.flock(stream, kind | fcntl.LOCK_NB)
            if _is_still(name, stream):
                if not _is_words(stream.read()):
                    raise _in_the_way(name, "another file")
                if not stream.writable():
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))
                stream.seek(0)
                stream.truncate()
                since = time.strftime("%Y-%m-%d %H:%M:%S %z")
                json.dump({"process": os.getpid(), "host": socket.gethostname(), "since": since}, stream)
                stream.flush()
                return stream
        except BaseException:
            stream.close()
            raise
        stream.close()  # its holder deleted it between our opening and locking it


def _opened(name: Path) -> IO[str]:
    """Open a lock's file, and no other that a link leads to; one that may be read alone shows whether it is held.

    Raises:
        InputError: something else lies there.
    """
    no_link = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would be waited for
    try:
        try:
            descriptor, mode = os.open(name, os.O_RDWR | os.O_CREAT | no_link, 0o666), "r+"
        except PermissionError:
            if not name.is_file():
                raise
            descriptor, mode = os.open(name, os.O_RDONLY | no_link), "r"
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise _in_the_way(name, "a link" if error.errno == errno.ELOOP else "no file") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _in_the_way(name, "no file")
    return os.fdopen(descriptor, mode, encoding="utf-8", errors="replace")


def _in_the_way(name: Path, found: str) -> InputError:
    return InputError(f"lock {name}: expected nothing of that name or a lock of this program, found {found}; rename it")


def _is_words(content: str) -> bool:
    """Whether a lock's file holds what a holder writes about itself, or as much of it as a killed one has written."""
    written = content.strip("\0")  # zeros are what a power failure leaves
    return written.startswith(_BEGINNING) or _BEGINNING.startswith(written)


def _is_still(name: Path, stream: IO[str]) -> bool:
    try:
        return os.path.samestat(name.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def _holder(name: Path) -> str:
    """Return words about a lock's holder; it may be writing them, or have gone, this very moment."""
    try:
        found = json.loads(name.read_text(encoding="utf-8"))
        return f"process {found['process']} on {found['host']}, since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has just begun or ended"
