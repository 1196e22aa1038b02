"""One input: a copy is mutated and read, and how that ends is judged."""

import contextlib
import dataclasses
import io
import os
import random
import resource
import shutil
import sys
import traceback
from pathlib import Path

from distill_jax.errors import InputError, printable
from scripts.fuzz import corpus
from scripts.fuzz.loaders.loader import Loader
from scripts.fuzz.mutations.registry import mutate
from scripts.trials.inputs import ENCODER, TABLE
from scripts.trials.kept import keep_copy

ACCEPTED, REFUSED, FAULT = "accepted", "refused", "fault"
_LONGEST = 9_000  # characters of a sentence
_MEMORY = 1 << 30  # bytes that an input may take
_OURS = ("distill_jax", "teacher_export", "scripts")
_SIBLINGS = (corpus.LINEAR, f"{corpus.TOKENIZERS}/wordpiece.json", TABLE, ENCODER)


@dataclasses.dataclass(frozen=True)
class Result:
    """How an input ended.

    Attributes:
        loader: the loader's name.
        number: the input's number.
        verdict: ``ACCEPTED``, ``REFUSED`` or ``FAULT``.
        words: of a refusal its sentence, of a fault what was wrong.
        cause: of a fault, what faults of one kind have in common.
        change: what was done to the input.
    """

    loader: str
    number: int
    verdict: str
    words: str = ""
    cause: str = ""
    change: str = ""


class Trials:
    """The trials of one process.

    Args:
        inputs: the corpus.
        place: an empty folder for the copies.
        seed: decides, with a loader and a number, what an input is.
    """

    def __init__(self, inputs: Path, place: Path, seed: int) -> None:
        self._inputs, self._place, self._seed = inputs, place, seed

    def run(self, loader: Loader, number: int, keep: Path) -> Result:
        """Try one input; that of a fault is kept."""
        draw = random.Random(f"{self._seed} {loader.name} {number}")  # noqa: S311 - chance, not secrecy
        folder = self._place / loader.name
        if not folder.exists():
            self._prepare(loader, folder)
        path = folder if loader.source is None else folder / Path(loader.source).name
        if loader.source is None:
            path, change = self._inputs, "drawn"
        else:
            files = _files(path, loader.patterns)
            change = "; ".join(
                f"{file.name}: {mutate(file, draw, files)}"
                for file in draw.sample(files, draw.choice((1, 1, 1, 2)[: len(files)]))
            )
            if loader.sign is not None:
                loader.sign(path)
        before = _listing(folder)
        verdict, words, cause = _judge(loader, path, draw)
        if verdict != FAULT and not loader.writes and _listing(folder) != before:
            verdict, words, cause = FAULT, "files were written or deleted", "a reader writes"
        result = Result(loader.name, number, verdict, words, cause, change)
        if loader.source is not None:
            if verdict == FAULT:
                self.keep(result, keep)
            shutil.rmtree(folder)
        return result

    def keep(self, result: Result, keep: Path) -> None:
        """Copy an input to where it can be looked at."""
        source, target = self._place / result.loader, keep / f"{result.loader}-{result.number}"
        if source.exists():
            keep_copy(source, target)

    def _prepare(self, loader: Loader, folder: Path) -> None:
        folder.mkdir(parents=True)
        if loader.source is None:
            return
        source = self._inputs / loader.source
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / source.name)
        for sibling in (*_SIBLINGS, *loader.beside):
            link = folder / Path(sibling).name
            if not link.exists():
                link.symlink_to(self._inputs / sibling)


def _files(path: Path, patterns: tuple[str, ...]) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted({file for pattern in patterns for file in path.rglob(pattern) if file.is_file()})


def _listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _judge(loader: Loader, path: Path, draw: random.Random) -> tuple[str, str, str]:
    """Return the verdict of reading a path, its words and its cause."""
    used = _peak()
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            loader.read(path, draw)
        ended = ACCEPTED, "", ""
    except InputError as error:
        wrong = _fault_of_sentence(str(error))
        ended = (
            (FAULT, f"{wrong}: {error}"[:_LONGEST], f"{wrong} ({_place(error)})")
            if wrong
            else (REFUSED, str(error), "")
        )
    except SystemExit as error:
        right = error.code in (0, 2, None)
        ended = (
            (REFUSED, said.getvalue()[-_LONGEST:], "") if right else (FAULT, f"exit status {error.code}", "exit status")
        )
    except OSError as error:
        ended = (REFUSED, str(error), "") if error.errno else (FAULT, repr(error), f"OSError ({_place(error)})")
    except BaseException as error:  # noqa: BLE001 - what it may be is the question; a panic of Rust is no Exception
        kind = type(error).__name__
        ended = FAULT, "".join(traceback.format_exception(error))[-_LONGEST:], f"{kind} ({_place(error)})"
    taken = _peak() - used
    if ended[0] != FAULT and taken > _MEMORY:
        return FAULT, f"{taken >> 20} MiB of memory", "memory"
    return ended


def _fault_of_sentence(text: str) -> str:
    if not text.strip():
        return "no sentence"
    shown = printable(text)
    if "\n" in shown:
        return "more than one line"
    if len(shown) > _LONGEST:
        return "a sentence without end"
    try:
        shown.encode()
    except UnicodeEncodeError:
        return "half a surrogate pair"
    return ""


def _place(error: BaseException) -> str:
    """Return the innermost function of ours that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    root = str(Path(__file__).parents[2])
    own = [frame for frame in frames if frame.filename.startswith(root) and "/scripts/fuzz/" not in frame.filename]
    if not own:
        return "nowhere"
    file = Path(own[-1].filename).relative_to(root)
    return f"{file}:{own[-1].name}" if file.parts[0] in _OURS else "elsewhere"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def be_quiet() -> None:
    """Let what libraries write past Python go nowhere, and refuse memory far beyond what an input may take."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    sys.stdin = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit = pages * resource.getpagesize() + 4 * _MEMORY  # of what is written to; address space is taken by libraries
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
