"""A Ctrl-C at every line of a file in turn: it may come between any two, and what is kept must be true."""

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Any


class Lines:
    """Counts the lines of some modules as they are run.

    Attributes:
        run: how many were.
    """

    def __init__(self) -> None:
        self.run = 0


@contextlib.contextmanager
def interrupt_at(line: int | None, *modules: ModuleType) -> Iterator[Lines]:
    """Raise ``KeyboardInterrupt`` once, before the so-many-th line of some modules that is run within; None = never.

    Args:
        line: counted from 0, in the order in which they are run.
        modules: whose lines count; what runs at their import does not.
    """
    files, lines = {module.__file__ for module in modules}, Lines()

    def in_frame(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            lines.run += 1
            if lines.run - 1 == line:
                raise KeyboardInterrupt
        return in_frame

    def in_call(frame: FrameType, event: str, argument: Any) -> Any:
        return in_frame if frame.f_code.co_filename in files else None

    before = sys.gettrace()
    sys.settrace(in_call)
    try:
        yield lines
    finally:
        sys.settrace(before)
