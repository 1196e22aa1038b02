"""Count what a process does to the files of a folder, and kill the process at one of these operations.

Python tells its audit hooks of opening, renaming and deleting; ``fsync`` and SQLite's statements are wrapped. What
libraries write in C++ and Rust is not seen: a kill that comes some milliseconds after an operation hits it.
"""

import contextlib
import dataclasses
import io
import json
import os
import signal
import sqlite3
import sqlite3.dbapi2
import sys
import threading
from pathlib import Path
from typing import Any

from distill_jax.files import temporary_target

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Where an event's arguments have the path, and the descriptor of the folder that it starts from.
_EVENTS = {
    "os.rename": (1, 3),
    "os.link": (1, 3),
    "os.symlink": (1, 2),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.mkdir": (0, 2),
    "os.chmod": (0, 2),
    "os.utime": (0, 3),
}
_READING = ("SELECT", "PRAGMA")
KILLED_BY = (signal.SIGKILL, signal.SIGALRM)  # a kill after a while is an alarm that nobody handles


@dataclasses.dataclass(frozen=True)
class Kill:
    """Where a process is killed.

    Attributes:
        operation: before this one, counted from 1.
        cut: where this operation follows the opening of a file, leave this share of the file's bytes, as a kill between
            two writes does; None = leave the file as it is.
        delay: seconds to wait after the operation has begun, 0 = none.
    """

    operation: int
    cut: float | None = None
    delay: float = 0.0


@dataclasses.dataclass(frozen=True)
class Operation:
    """What was done to which file.

    Attributes:
        kind: ``open``, ``rename``, ``fsync``, ….
        path: below the folder; temporary names without what differs from run to run.
    """

    kind: str
    path: str


class Operations:
    """The operations of this process in a folder, from ``watch`` on.

    Args:
        folder: operations on what lies below it count.
        kill: where to kill the process; None = nowhere.
        record: a file that takes a line for each operation, before it is done.
    """

    def __init__(self, folder: Path, kill: Kill | None, record: Path) -> None:
        self._count = 0
        self._record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        self._root, self._kill = os.path.realpath(folder), kill
        self._opened: str | None = None  # by the latest operation, for writing
        self._lock = threading.RLock()
        self._striking = False

    def watch(self) -> None:
        """Begin to count; it lasts as long as the process."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open":
                self._open(*arguments)
            elif event in _EVENTS:
                path, descriptor = _EVENTS[event]
                self._note(event.removeprefix("os."), arguments[path], arguments[descriptor])

        self._wrap_calls()
        sys.addaudithook(hook)

    def _wrap_calls(self) -> None:
        real_fsync, real_connect = os.fsync, sqlite3.connect

        def fsync(file: Any) -> None:
            self._note("fsync", file if isinstance(file, int) else file.fileno())
            real_fsync(file)

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = real_connect(*arguments, **options)
            path = connection.execute("PRAGMA database_list").fetchone()[2]
            connection.set_trace_callback(lambda statement: self._note_statement(statement, path))
            return connection

        for module, name, wrapper in ((os, "fsync", fsync), (sqlite3, "connect", connect)):
            setattr(module, name, wrapper)
        sqlite3.dbapi2.connect = sqlite3.connect

    def counted_stream(self, path: Path) -> io.TextIOWrapper:
        """Return a text stream to a new file, each write to which is an operation."""
        operations = self

        class Counted(io.FileIO):
            def write(self, data: Any) -> int:
                operations._note("write", str(path))
                return super().write(data)

        return io.TextIOWrapper(io.BufferedWriter(Counted(path, "w")), encoding="utf-8")

    def _open(self, path: Any, _mode: Any, flags: int) -> None:
        if flags & _WRITING and not isinstance(path, int):
            self._note("open", path)

    def _note_statement(self, statement: str, path: str) -> None:
        kind = statement.split(maxsplit=1)[0]
        if kind not in _READING:
            self._note(kind, path)

    def _below(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root + os.sep)

    def _note(self, kind: str, path: Any, descriptor: int = -1) -> None:
        if self._striking:
            return
        where = _whole_path(path, descriptor)
        if not self._below(where):
            return
        with self._lock:
            self._count += 1
            line = json.dumps([kind, plain_name(Path(where).relative_to(self._root))])
            os.write(self._record, f"{line}\n".encode())
            if self._kill is not None and self._count == self._kill.operation:
                self._strike(self._kill)
            self._opened = where if kind == "open" else None

    def _strike(self, kill: Kill) -> None:
        if kill.delay:
            signal.setitimer(signal.ITIMER_REAL, kill.delay)
            return
        self._striking = True
        if kill.cut is not None and self._opened is not None:
            with contextlib.suppress(OSError):
                os.truncate(self._opened, int(kill.cut * Path(self._opened).stat().st_size))
        os.kill(os.getpid(), signal.SIGKILL)


def _whole_path(path: Any, descriptor: int) -> str:
    """Return the path of an audit event's arguments, the last link in it not followed."""
    if isinstance(path, int):
        return os.path.realpath(f"/proc/self/fd/{path}")
    name = os.fsdecode(path)
    if descriptor >= 0:
        name = str(Path(os.path.realpath(f"/proc/self/fd/{descriptor}")) / name)
    whole = Path(name).absolute()
    return str(Path(os.path.realpath(whole.parent)) / whole.name)


def plain_name(path: Path) -> str:
    """Return a path whose temporary names have lost what differs from process to process."""
    names = [f"{target}~" if (target := temporary_target(part)) else part for part in path.parts]
    return "/".join(names) or "."
