"""Errors that a user can cause, each of one sentence; a command line prints it and exits with status 2.

Shared by both halves; standard library only.
"""


class InputError(ValueError):
    """Something the user gave cannot be used: the message says what was expected, what came, where, what to do."""


class MissingInputError(InputError, FileNotFoundError):
    """A file or folder that was named does not exist."""

    def __str__(self) -> str:
        """Return the message alone (``OSError`` would try to format an errno)."""
        return str(self.args[0])


class MissingExtraError(InputError, ImportError):
    """A package that an optional extra brings is not installed."""


class Interrupted(Exception):  # noqa: N818 - it is not an error
    """The user pressed Ctrl-C; the message says what was saved and how to go on."""


def require_range(name: str, value: float, low: float, high: float, *, low_open: bool = False) -> None:
    """Raise ``InputError`` unless ``low <= value <= high`` (``low < value`` where ``low_open``); NaN is refused."""
    if (low_open and low < value <= high) or (not low_open and low <= value <= high):
        return
    left = f"more than {low:g}" if low_open else f"at least {low:g}"
    right = "" if high == float("inf") else f" and at most {high:g}"
    raise InputError(f"{name}: expected a number {left}{right}, got {value:g}")
