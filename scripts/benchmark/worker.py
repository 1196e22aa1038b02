"""The process of one side: prepare, take a turn to warm up, then one turn a line that comes in.

``python -m scripts.benchmark.worker`` speaks JSON lines: it reads ``{"function", "settings"}``, answers ``{"prepare",
"warm_up"}`` (seconds), then answers every further line with a turn's ``{"work", "seconds", "notes"}``. What cannot
be measured here is answered with ``{"refused": why}``.
"""

import dataclasses
import importlib
import json
import os
import sys
import time
from typing import IO, Any

from distill_jax.errors import InputError


def main() -> None:
    """Serve turns until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())  # what libraries and commands say must not mix with the answers
    os.close(silence)
    try:
        _serve(answers)
    except InputError as error:
        _answer(answers, {"refused": str(error)})


def _serve(answers: IO[str]) -> None:
    asked = json.loads(sys.stdin.readline())
    module, name = asked["function"].split(":")
    started = time.perf_counter()
    turn = getattr(importlib.import_module(module), name)(**asked["settings"])
    prepared = time.perf_counter()
    turn()
    _answer(answers, {"prepare": prepared - started, "warm_up": time.perf_counter() - prepared})
    for _ in sys.stdin:
        _answer(answers, dataclasses.asdict(turn()))


def _answer(answers: IO[str], value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
