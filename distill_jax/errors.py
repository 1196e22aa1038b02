"""Errors that a user can cause, each of one sentence; a command line prints it and exits with status 2.

Shared by both halves; standard library only.
"""

import contextlib
import errno
import numbers
import re
from collections.abc import Callable, Iterator
from typing import Any

_LONGEST = 8_000  # characters of a sentence: a long list of names to paste has room
# C0 and C1 controls, the marks that turn the direction of what follows, and halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile("[\t\n\u2028\u2029]")


def printable(text: str) -> str:
    """Return a text with its control characters escaped, but for line feeds and tabs: names of others are data.

    So are the bytes of paths that are not UTF-8.
    """
    return _CONTROL.sub(escape, text)


def printable_json(text: str) -> str:
    """Return lines of JSON for a terminal: control characters are escaped as JSON escapes them, so it says the same."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escape(found: re.Match[str]) -> str:
    r"""Return a character spelt out; one that stands for a byte of a path that is not UTF-8 as that byte, ``\xff``."""
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode()


def one_line(text: str) -> str:
    """Return a text on one line of bounded length: what is quoted in it may be of any length, and hold anything."""
    return _shortened(_BREAKS.sub(escape, printable(_shortened(text))))


def _shortened(text: str) -> str:
    """Return a text, or its beginning and its end, where it says what to do."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST * 2 // 3]} … {text[-_LONGEST // 3 :]}"


class InputError(ValueError):
    """Something the user gave cannot be used: the message says what was expected, what came, where, what to do."""

    def __str__(self) -> str:
        """Return the message, one line of bounded length, whatever is quoted in it."""
        return one_line(str(self.args[0]) if self.args else "")


@contextlib.contextmanager
def refusing(sentence: Callable[[str], str]) -> Iterator[None]:
    """Raise ``InputError`` for whatever a library raises about a foreign file: what that may be, no library says.

    A panic of a library written in Rust is no ``Exception``.

    Args:
        sentence: makes the message of the library's first line.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except BaseException as error:
        is_panic = type(error).__name__ == "PanicException"
        is_system_s = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)  # EINVAL: a wild offset
        if is_system_s or not (isinstance(error, Exception) or is_panic):
            raise
        raise InputError(sentence(reason_of(error))) from error


def reason_of(error: BaseException) -> str:
    """Return the first line of what a library says of an error, or the error's name where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class MissingInputError(InputError, FileNotFoundError):
    """A file or folder that was named does not exist."""

    # ``OSError`` would try to format an errno.
    __str__ = InputError.__str__


class MissingExtraError(InputError, ImportError):
    """A package that an optional extra brings is not installed."""


class Interrupted(Exception):  # noqa: N818 - it is not an error
    """The user pressed Ctrl-C; the message says what was saved and how to go on."""


def require_whole(name: str, value: Any, low: int, high: int) -> None:
    """Raise ``InputError`` unless ``value`` is a whole number, and ``low <= value <= high``."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or not low <= int(value) <= high:
        raise InputError(f"{name}: expected a whole number from {low:,} to {high:,}, got {value!r}")


def require_range(name: str, value: float, low: float, high: float, *, low_open: bool = False) -> None:
    """Raise ``InputError`` unless ``low <= value <= high`` (``low < value`` where ``low_open``); NaN is refused."""
    if (low_open and low < value <= high) or (not low_open and low <= value <= high):
        return
    left = f"more than {_shown(low)}" if low_open else f"at least {_shown(low)}"
    right = "" if high == float("inf") else f" and at most {_shown(high)}"
    raise InputError(f"{name}: expected a number {left}{right}, got {_shown(value)}")


def _shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, numbers.Integral) else f"{number:g}"
