"""The service's log: a line of JSON on standard error for each event; no text of a client stands in it."""

import datetime as dt
import json
import logging
import os
import sys
import traceback

_LONGEST = 200  # characters of what a client chose, such as a path


def log(event: str, level: str = "info", **fields: object) -> None:
    """Write an event and what is known of it, now."""
    about = {"time": _now(), "level": level, "event": event, "process": os.getpid()}
    about |= {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in fields.items()}
    sys.stderr.write(json.dumps(about) + "\n")
    sys.stderr.flush()


def log_fault(error: BaseException, **fields: object) -> None:
    """Write where a fault of ours came from; not its message, which may quote a client's text."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log("fault", "error", error=type(error).__name__, where=where[-8:], **fields)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Handler(logging.Handler):
    """Writes what a library logs as an event."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's message; of an exception its type and place."""
        if record.exc_info and record.exc_info[1] is not None:
            log_fault(record.exc_info[1], logger=record.name)
        else:
            log("library", record.levelname.lower(), logger=record.name, message=record.getMessage())


def take_over_logging() -> None:
    """Let what libraries log come out as lines of JSON, from warnings on."""
    root = logging.getLogger()
    root.handlers[:] = [_Handler()]
    root.setLevel(logging.WARNING)
