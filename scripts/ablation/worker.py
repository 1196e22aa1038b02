"""A process that trains one student again and again: imports, and compiled programs, are shared by its trainings.

``python -m scripts.ablation.worker`` reads a JSON list a line, the words of a ``python -m distill_jax.train`` command,
and answers ``{"done": true}``, ``{"diverged": why}`` where the loss became infinite, ``{"refused": why}`` for what a
user can put right, or ``{"interrupted": why}``. What a training says goes to standard error. One student a process, for
students want JAX set up differently, which is possible but once.
"""

import json
import os
import signal
import sys
from typing import IO

from distill_jax.errors import InputError, Interrupted


def main() -> None:
    """Train until standard input ends or a training is interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what trainings say must not mix with the answers
    for line in sys.stdin:
        answer = train(json.loads(line))
        _answer(answers, answer)
        if "interrupted" in answer:
            break


def train(words: list[str]) -> dict[str, str | bool]:
    """Train as the command line with these words would; return what became of it."""
    from distill_jax.train import main as train_main

    try:
        train_main(words)
    except InputError as error:
        # Not imported before the training has set JAX up.
        from distill_jax.training.fit import NonFiniteLossError

        return {"diverged" if isinstance(error, NonFiniteLossError) else "refused": str(error)}
    except SystemExit:  # tyro has said which word it does not know
        return {"refused": f"the training's command line does not take: {' '.join(words)}"}
    except (Interrupted, KeyboardInterrupt) as reason:
        return {"interrupted": str(reason)}
    return {"done": True}


def _answer(answers: IO[str], value: dict[str, str | bool]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
