"""What a command line says: lines, progress, errors as one sentence with an exit status. Shared by both halves."""

import contextlib
import dataclasses
import errno
import io
import os
import shlex
import signal
import string
import sys
import threading
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from distill_jax import __version__
from distill_jax.errors import InputError, Interrupted, printable
from distill_jax.extras import naming_the_extra
from distill_jax.options import option_of, require_once
from distill_jax.storage.address import shown

_Options = TypeVar("_Options")

USAGE_ERROR = 2
EXPORT_COMMAND = "python -m teacher_export"  # what makes exports, in a clone and where the package is installed
# What ends a command as Ctrl-C does, where nothing else was made of it before (nohup ignores SIGHUP).
_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_came: list[int] = []  # the signals that have ended the command, in their order
_PLAIN = frozenset(string.ascii_letters + string.digits + " /.,:;=+-_@%")  # within $'…'
_SOON = 0.01  # seconds
INTERRUPTED = 128 + signal.SIGINT


def say(message: str = "") -> None:
    """Write a line for the user to standard output, now; control characters in it are shown escaped."""
    sys.stdout.write(printable(shown(message)) + "\n")
    sys.stdout.flush()


def warn(message: str) -> None:
    """Write a line for the user to standard error, now; control characters in it are shown escaped."""
    sys.stderr.write(printable(shown(message)) + "\n")
    sys.stderr.flush()


def progress(
    total: int,
    description: str,
    unit: str = "documents",
    *,
    initial: int = 0,
    scale: bool = False,
    disable: bool = False,
) -> Any:
    """Return a tqdm bar on standard error: count, units a second, time left. Use it as a context manager.

    On a terminal it moves several times a second; in a log file it writes a line every ten seconds.
    """
    from tqdm import tqdm

    interactive = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        disable=disable,
        desc=description,
        unit=f" {unit}",
        unit_scale=scale,
        unit_divisor=1024 if scale else 1000,
        mininterval=0.2 if interactive else 10.0,
        maxinterval=1.0 if interactive else 10.0,
        dynamic_ncols=interactive,
        smoothing=0.1,
        file=sys.stderr,
    )


def parse_options(
    kind: type[_Options],
    words: Sequence[str] | None,
    *,
    prog: str,
    description: str | None = None,
    default: _Options | None = None,
) -> _Options:
    """Return the configuration that a command line's words name; exits for ``--help``.

    Args:
        kind: a dataclass; each field is an option, the docstring beneath it the option's help.
        words: the words; None = the process's.
        prog: what starts the command.
        description: what it does; None = the dataclass's docstring.
        default: where an option that is not given takes its value from.

    Raises:
        InputError: a value breaks a rule of the configuration, or an option is given twice that takes its values once.
        SystemExit: status 2 for an option or a value that does not exist, with a message on standard error.
    """
    import tyro

    from distill_jax.option_fields import registry

    words = sys.argv[1:] if words is None else words
    require_once(words, _repeatable(kind))
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                kind,
                prog=prog,
                description=description,
                args=words,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.DisallowNone),
                default=tyro.MISSING_NONPROP if default is None else default,
                registry=registry(),
            )
    except SystemExit as exit_:
        cause: BaseException | None = exit_
        while cause is not None:  # tyro frames what a check raised; the sentence alone is what we print
            if isinstance(cause, InputError):
                raise cause from None
            cause = cause.__context__
        sys.stderr.write(complaint.getvalue())
        raise


def _repeatable(kind: Any) -> set[str]:
    """Return the options of a configuration, and of those in it, that may be given several times, a value each."""
    import tyro

    found: set[str] = set()
    origin = typing.get_origin(kind) or kind
    hints = typing.get_type_hints(origin, include_extras=True)
    for field in dataclasses.fields(origin):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            found |= _repeatable(hint)
        elif tyro.conf.UseAppendAction in typing.get_args(hint):
            found.add(option_of(field.name))
    return found


def run_command(main: Callable[[], None]) -> None:
    """Run a command line's body and exit the process with its status.

    0 when it returns; 2 with one sentence on standard error for an ``InputError``, an extra that is not installed or a
    failing file system; 130 for Ctrl-C, 143 for SIGTERM and 129 for SIGHUP, which do what Ctrl-C does; anything else is
    a fault of ours and keeps its traceback. ``--version`` is answered here, for all commands. A signal that comes when
    all is said ends the process at once.
    """
    try:
        _run(main)
    finally:
        _let_signals_end_it()


def _run(main: Callable[[], None]) -> None:
    _open_closed_streams()
    if "--version" in sys.argv[1:]:
        say(f"distill-jax {__version__}")
        return
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path or name that the terminal cannot show is escaped
            stream.reconfigure(errors="backslashreplace")
    _came.clear()
    try:
        with _ignoring_no_interruption(), _handling(_interrupt), naming_the_extra():
            main()
            sys.stdout.flush()
    except InputError as error:
        _fail(str(error), USAGE_ERROR)
    except Interrupted as error:
        _fail(str(error), _interrupted_status(), prefix="")
    except KeyboardInterrupt:
        _fail("interrupted; the same command starts again from what is on disk", _interrupted_status(), prefix="")
    except BrokenPipeError:  # the reader of our output went away: not worth a word
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        _fail(describe_os_error(error), USAGE_ERROR)


def _let_signals_end_it() -> None:
    """Leave signals to the system: raised in what libraries do at exit, an interruption would be a traceback."""
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


def _open_closed_streams() -> None:
    """Let a standard stream that the command was started without be the null device.

    Otherwise the next file that is opened would take its number, and get what libraries write to the stream.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


class _Signalled(KeyboardInterrupt):
    """A signal has come that ends the command.

    CPython's exit status after a ``KeyboardInterrupt`` that left an ``exec`` of a string, as that of a dataclass is, is
    SIGINT's, whoever caught it then; it looks at the exact type alone (``run_eval_code_obj`` in ``pythonrun.c``).
    """


def _interrupt(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    _raise_interrupt(frame)


def _raise_interrupt(frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code is _deliver_again.__code__:  # it will be
            return
        frame = frame.f_back
    raise _Signalled


def _deliver_again(ignored: "sys.UnraisableHookArgs") -> None:
    """Send a signal again whose interruption came where Python ignores it: in a destructor, or while it collects."""
    if not issubclass(ignored.exc_type, KeyboardInterrupt) or not _came:
        sys.__unraisablehook__(ignored)
        return
    timer = threading.Timer(_SOON, os.kill, (os.getpid(), _came[-1]))
    timer.daemon = True
    timer.start()


@contextlib.contextmanager
def _ignoring_no_interruption() -> Iterator[None]:
    before, sys.unraisablehook = sys.unraisablehook, _deliver_again
    try:
        yield
    finally:
        sys.unraisablehook = before


def _interrupted_status() -> int:
    return 128 + _came[0] if _came else INTERRUPTED


@contextlib.contextmanager
def _handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Let a handler take the signals that end a command, where this is the main thread and they are not ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hangup = getattr(signal, "SIGHUP", None)  # ignored under nohup; Ctrl-C is ours also where a shell ignores it
    taken = [number for number in _ENDING if number != hangup or signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handler) for number in taken}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def describe_os_error(error: OSError) -> str:
    """Return one sentence for a file system's refusal, with what to do where that is known."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        again = "run the same command again, a training's with --resume"
        return f"no space left on the disk{where}; free some and {again}: what is whole is kept"
    return f"{error.strerror or error}{where}"


def _fail(message: str, status: int, prefix: str = "error: ") -> None:
    sys.stdout.flush()
    warn(f"\n{prefix}{message}" if sys.stderr.isatty() else f"{prefix}{message}")
    sys.exit(status)


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a plain-text table: the first column flush left, the others flush right."""
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = []
    for row in table:
        cells = [row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def shell_line(words: Iterable[str]) -> str:
    """Return a command's words ready to paste into a shell, whatever is in them."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if printable(word) == word:
        return shlex.quote(word)
    escaped = (chr(byte) if chr(byte) in _PLAIN else f"\\x{byte:02x}" for byte in os.fsencode(word))
    return f"$'{''.join(escaped)}'"  # what a terminal would obey, or cannot show, is spelt out


def path_word(path: Path) -> str:
    """Return a path as a word of a command: one that begins with a dash would be taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def resume_command(program: str, arguments: Sequence[str]) -> str:
    """Return the command that goes on with an interrupted run, ready to paste."""
    given = [word for word in arguments if word not in ("--overwrite", "--resume")]
    return shell_line(["python", "-m", program, *given, "--resume"])


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C, SIGTERM or SIGHUP came; a second one interrupts at once.

    Signals are the main thread's; in another one none comes.
    """
    came: list[int] = []  # of this call alone: an earlier one's are no reason to stop

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        _came[:] = came[:1]
        if len(came) > 1:
            _raise_interrupt(frame)

    with _handling(note):
        yield lambda: bool(came)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Let the signals that end a command wait until the block has ended: for libraries that survive no interruption."""
    came: list[int] = []
    try:
        with _handling(lambda number, _: came.append(number)):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)
