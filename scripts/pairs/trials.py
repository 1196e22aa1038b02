"""One trial: two commands begin a random time apart; what was harmed is said in words."""

import dataclasses
from pathlib import Path

import numpy as np

from scripts.pairs.catalogue import READERS, Case
from scripts.pairs.serial import Serial
from scripts.trials.folders import describe, differences
from scripts.trials.kept import keep_copy
from scripts.trials.processes import Ended, Process, answer_of

_SECONDS = 120  # either command takes less than ten
# What may be said of a run that is being written, or written anew.
_OF_A_RUN_UNDER_WAY = ("there is no such folder", "has not ended", "it was written anew", "it was changed while")


@dataclasses.dataclass(frozen=True)
class Trial:
    """How a trial ended.

    Attributes:
        succeeded: how many of the commands did.
        faults: a line for each thing that was harmed.
        story: the commands, in the order in which they began, and how each ended.
        folder: what they left, where there are faults.
    """

    succeeded: int
    faults: tuple[str, ...]
    story: tuple[str, ...]
    folder: Path | None = None


def run_trial(case: Case, serial: Serial, rng: np.random.Generator, keep: Path) -> Trial:
    """Run a case's commands at once.

    Args:
        case: the commands, and where they begin.
        serial: what they lead to one after the other.
        rng: decides which one begins, and how much later the other does: at most as long as the first one takes alone.
        keep: where the folder goes where there are faults.
    """
    alone = [serial.outcome(case.start, [command]).ends[0].seconds for command in case.commands]
    folder = serial.copy_of(case.start, "trial")
    first = int(rng.integers(2))
    delays = [0.0, 0.0]
    delays[1 - first] = float(rng.uniform(0, alone[first]))
    processes = [Process(command, folder, delay=delay) for command, delay in zip(case.commands, delays, strict=True)]
    ends = [process.wait(_SECONDS) for process in processes]
    faults = [
        *_faults_of_ends(ends),
        *_faults_of_folder(case, serial, ends, folder),
        *_faults_of_answer(case, serial, ends),
    ]
    order = sorted(range(2), key=lambda index: delays[index])
    story = tuple(f"after {delays[index]:.3f} s: {case.commands[index]}: {ends[index]}" for index in order)
    kept = keep_copy(folder, keep) if faults else None
    return Trial(sum(ended.status == 0 for ended in ends), tuple(faults), story, kept)


def _faults_of_ends(ends: list[Ended]) -> list[str]:
    """Return what is wrong with how commands ended: neither with success nor with one sentence."""
    return [
        "a command hung" if ended.status is None else f"a command failed without a sentence (status {ended.status})"
        for ended in ends
        if ended.status != 0 and not ended.refused
    ]


def _faults_of_folder(case: Case, serial: Serial, ends: list[Ended], folder: Path) -> list[str]:
    done = [command for command, ended in zip(case.commands, ends, strict=True) if ended.status == 0]
    if not done and all(serial.outcome(case.start, [command]).ends[0].status == 0 for command in case.commands):
        return ["neither command succeeded, and each does alone"]
    found = _comparable(answer_of(lambda: describe(folder)), case)
    lines = [differences(_comparable(content, case), found) for content in serial.contents(case.start, done)]
    if not lines:
        return ["both commands succeeded, and they do not one after the other"]
    return min(lines, key=len)


def _comparable(content: dict[str, str], case: Case) -> dict[str, str]:
    return {name: "there" if name in case.unequal else word for name, word in content.items()}


def _faults_of_answer(case: Case, serial: Serial, ends: list[Ended]) -> list[str]:
    """Return whether a reader's answer is none of those that whole folders give, or its refusal is not true."""
    writer, reader = case.commands
    if reader.module not in READERS or reader.module == writer.module:
        return []
    before = [[], [writer], *([step] for step in case.between)]
    outcomes = [serial.outcome(case.start, [*commands, reader]).ends[-1] for commands in before]
    if ends[1].status != 0:
        said = (*(each.error.strip() for each in outcomes if each.status != 0), *_OF_A_RUN_UNDER_WAY)
        return [] if any(words in ends[1].error for words in said) else ["a run under way is called something else"]
    answers = [each.output for each in outcomes if each.status == 0]
    return [] if not case.reads or ends[1].output in answers else ["the answer is that of no whole folder"]
