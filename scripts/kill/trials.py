"""One trial: a command is killed, given again, and what it leaves is compared."""

import dataclasses
import shutil
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from scripts.kill.bench import Bench, Expected, copy_folder
from scripts.kill.commands import HUNG, Ended, run
from scripts.kill.operations import Kill, Operation
from scripts.kill.scenarios import Scenario
from scripts.trials.folders import differences
from scripts.trials.kept import keep_copy
from scripts.trials.processes import Command

Verdict = Literal["equal", "different", "stuck"]
EQUAL: Verdict = "equal"
DIFFERENT: Verdict = "different"
STUCK: Verdict = "stuck"

_CHANCE = 3  # of three trials, two take the operations in turn, and one takes an operation by chance
_TWICE, _OVERWRITE = 0.25, 0.25  # shares of the trials
_LONGEST_DELAY = 0.05  # seconds; what C++ writes after an operation is done by then
_ANOTHER = "it holds another run"  # what commands say that refuse
_DONE = ("it exists already", "it is there already")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is done in a trial.

    Attributes:
        kills: one for the command, and maybe one for the command that goes on.
        overwrite: whether the command that begins anew is given afterwards, and not the one that goes on.
    """

    kills: tuple[Kill, ...]
    overwrite: bool


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a trial.

    Attributes:
        scenario: its name.
        number: the trial's.
        kills: how often a process was killed in it.
        verdict: whether what is left is what an uninterrupted run leaves.
        words: what was killed where, and what is wrong.
    """

    scenario: str
    number: int
    kills: int
    verdict: Verdict
    words: str


def plan(scenario: Scenario, operations: tuple[Operation, ...], seed: int, number: int) -> Plan:
    """Return the plan of a scenario's trial: the first ones take all operations, each once, in an order by chance.

    Args:
        scenario: the scenario.
        operations: its command's.
        seed: decides everything.
        number: the trial's, counted from 0.
    """
    own = zlib.crc32(scenario.name.encode())
    rng = np.random.default_rng([seed, own, number])
    count = len(operations)
    in_turn = number - number // _CHANCE
    if number % _CHANCE < _CHANCE - 1 and in_turn < count:
        first = Kill(1 + int(np.random.default_rng([seed, own]).permutation(count)[in_turn]))
    else:
        first = _by_chance(operations, rng)
    kills = (first, _by_chance(operations, rng)) if scenario.twice and rng.random() < _TWICE else (first,)
    return Plan(kills, overwrite=scenario.overwrite is not None and bool(rng.random() < _OVERWRITE))


def _by_chance(operations: tuple[Operation, ...], rng: np.random.Generator) -> Kill:
    """Return a kill some time after an operation, or between the writes to a file that has just been opened."""
    after_opening = [index + 2 for index, operation in enumerate(operations[:-1]) if operation.kind == "open"]
    if after_opening and rng.random() < 0.5:
        return Kill(int(rng.choice(after_opening)), cut=float(rng.random()))
    return Kill(1 + int(rng.integers(len(operations))), delay=float(_LONGEST_DELAY * rng.random() ** 2) + 1e-6)


class Trial:
    """One trial in a folder of its own.

    Args:
        bench: the folders to begin with.
        scenario: what is killed.
        expected: what it leaves uninterrupted.
        number: the trial's.
        seed: of its plan.
    """

    def __init__(self, bench: Bench, scenario: Scenario, expected: Expected, number: int, seed: int) -> None:
        self._bench, self._scenario, self._expected, self._number = bench, scenario, expected, number
        self._plan = plan(scenario, expected.operations, seed, number)
        self._place = bench.root / "trials" / f"{scenario.name}-{number}"
        self._work = self._place / "work"
        self._words: list[str] = []
        self._kills = 0

    def run(self, keep: Path | None = None) -> Result:
        """Kill, go on, compare.

        Args:
            keep: takes the trial's folder where something is wrong, the state after the kill in it beside the end.
        """
        copy_folder(self._bench.stage(self._scenario.stage), self._work)
        for index, kill in enumerate(self._plan.kills):
            self._kill(self._scenario.again if index else self._scenario.command, kill)
        copy_folder(self._work, self._place / "killed")
        verdict = self._go_on()
        if verdict == EQUAL and (found := differences(self._expected.content, self._bench.content(self._work))):
            verdict = DIFFERENT
            self._words += found
        result = Result(self._scenario.name, self._number, self._kills, verdict, "; ".join(self._words))
        self._clear(result, keep)
        return result

    def _kill(self, command: Command, kill: Kill) -> None:
        ended = run(command, self._work, kill=kill, output=self._scenario.output)
        self._kills += ended.killed
        if not ended.killed:
            self._words.append(f"ended before operation {kill.operation} with status {ended.status}")
            if ended.status:
                self._words.append(_last_line(ended))
            return
        where = ended.operations[kill.operation - 1]
        how = f"{1000 * kill.delay:.1f} ms after" if kill.delay else "before"
        cut = "" if kill.cut is None else f", the file before cut to {kill.cut:.2f}"
        self._words.append(f"killed {how} operation {kill.operation}, {where.kind} {where.path}{cut}")

    def _go_on(self) -> Verdict:
        scenario = self._scenario
        if self._plan.overwrite and scenario.overwrite is not None:
            return self._judge("begun anew", self._run(scenario.overwrite))
        ended = self._run(scenario.again)
        if scenario.replaces_another and scenario.overwrite is not None and _ANOTHER in ended.words:
            return self._judge("begun anew, for another run lies there", self._run(scenario.overwrite))
        if scenario.refuses_done and any(words in ended.words for words in _DONE):
            self._words.append("refused, for all has been done")
            return EQUAL
        return self._judge("gone on with", ended)

    def _run(self, command: Command) -> Ended:
        return run(command, self._work, output=self._scenario.output)

    def _judge(self, what: str, ended: Ended) -> Verdict:
        self._words.append(what)
        if ended.status:
            how = "hung" if ended.status == HUNG else f"status {ended.status}: {_last_line(ended)}"
            self._words.append(how)
            return STUCK
        return EQUAL

    def _clear(self, result: Result, keep: Path | None) -> None:
        if result.verdict != EQUAL and keep is not None:
            (self._place / "words.txt").write_text(result.words.replace("; ", "\n") + "\n", encoding="utf-8")
            keep_copy(self._place, keep / self._place.name)
        shutil.rmtree(self._place)


def _last_line(ended: Ended) -> str:
    lines = [line for line in ended.words.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1] if lines else "no output")
