"""Train all variants of a student with all seeds, in one worker process; what is trained already stays as it is."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from distill_jax.console import shell_line
from distill_jax.errors import InputError, Interrupted
from distill_jax.locks import exclusive
from distill_jax.runs.checkpoints import delete_checkpoints
from distill_jax.runs.folder import CHECKPOINTS, has_results
from scripts.ablation.variants import Recipe, Variant, words

_ROOT = Path(__file__).resolve().parent.parent.parent
_PROGRAM = "distill_jax.train"
_LINES_OF_A_FAILURE = 15


class Place:
    """Where runs lie and what they learn from: the words that are the same in every command."""

    def __init__(self, export: Path, output: Path, *, elsewhere: bool = False) -> None:
        """Take the folders, and whether a run that was begun on another machine goes on all the same."""
        self.export, self.output = export, output
        self._going_on = ["--resume", "--resume-elsewhere"] if elsewhere else ["--resume"]

    def folder(self, recipe: Recipe, variant: Variant, seed: int) -> Path:
        """Return a run's folder."""
        return self.output / recipe.student / variant.key / f"seed-{seed}"

    def words(self, recipe: Recipe, variant: Variant, seed: int) -> list[str]:
        """Return all of a run's words on the training's command line."""
        workdir = self.folder(recipe, variant, seed)
        where = ["--export", str(self.export), "--workdir", str(workdir)]
        return [*words(recipe, variant), "--seed", str(seed), *where, *self._going_on]

    def command(self, recipe: Recipe, variant: Variant, seed: int) -> str:
        """Return a run's command, ready to paste."""
        return shell_line(["python", "-m", _PROGRAM, *self.words(recipe, variant, seed)])


def train_all(
    place: Place,
    recipe: Recipe,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    on_start: Callable[[str], object] = lambda _: None,
    on_end: Callable[[], object] = lambda: None,
) -> dict[Path, str]:
    """Train a student's variants with every seed.

    A run's checkpoints are deleted when it has ended: its scores need its predictions alone, and a hundred runs'
    checkpoints would fill a disk.

    Args:
        place: where.
        recipe: the student's.
        variants: what to train, each different.
        seeds: a run each.
        on_start: is called with a run's name before it.
        on_end: is called after every run.

    Returns:
        The folders of the runs that ended without scores, because their loss became infinite, and why.

    Raises:
        InputError: a training was refused; the message says why.
        Interrupted: Ctrl-C; the run under way is saved.
        RuntimeError: the worker failed; the message holds the end of what it said.
    """
    diverged: dict[Path, str] = {}
    log = place.output / f"{recipe.student}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with _worker(log) as ask:
        for variant in variants:
            for seed in seeds:
                on_start(f"{recipe.student}, {variant.title}, seed {seed}")
                folder = place.folder(recipe, variant, seed)
                why = ask(place.words(recipe, variant, seed))
                if why is not None:
                    diverged[folder] = why
                else:
                    _delete_checkpoints(folder)
                on_end()
    return diverged


def _delete_checkpoints(folder: Path) -> None:
    """Delete a finished run's checkpoints, unless another process is writing it by now."""
    with contextlib.suppress(InputError), exclusive(folder, "run folder"):
        if has_results(folder):
            delete_checkpoints(folder / CHECKPOINTS)


@contextlib.contextmanager
def _worker(log: Path) -> Iterator[Callable[[list[str]], str | None]]:
    """Yield a function that trains, and returns why the training diverged, None where it did not."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with log.open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.ablation.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C comes from here, once, and not from the terminal too
        )
    try:
        yield lambda words: _ask(process, words, log)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        raise Interrupted("interrupted; finished trainings are kept, and the same command goes on") from None
    finally:
        process.communicate()  # closes its input, and waits until it has saved


def _ask(process: "subprocess.Popen[str]", words: list[str], log: Path) -> str | None:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # the answer will be missing, and say more
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        process.wait()
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES_OF_A_FAILURE:]
        raise RuntimeError(f"a training ended with status {process.returncode}:\n" + "\n".join(last))
    answer: dict[str, Any] = json.loads(line)
    if "refused" in answer:
        raise InputError(answer["refused"])
    if "interrupted" in answer:
        raise Interrupted("a training was interrupted; finished ones are kept, and the same command goes on")
    return str(answer["diverged"]) if "diverged" in answer else None
