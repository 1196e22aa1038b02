"""Parts of a planned export, computed: by any number of processes at once, each killable at any moment."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from distill_jax.console import progress, say
from distill_jax.errors import Interrupted
from distill_jax.export.format import LEARNT_SPLITS, TOKENIZER
from distill_jax.export.writer import ExportWriter
from distill_jax.locks import claim, shared
from teacher_export.options.teacher import DeviceName
from teacher_export.parts.compute import compute_part, give_shared_arrays, part_words
from teacher_export.parts.places import OUTPUT, Parts, is_finished, open_parts
from teacher_export.teacher.kinds import row_labeller_of
from teacher_export.timing import place_of

if TYPE_CHECKING:
    from teacher_export.teacher.labeller import RowLabeller

_PAUSE = 0.5  # seconds between two looks at what other processes hold


class PartWorker:
    """A process's teacher, loaded when the first part wants it, and the parts that it writes.

    Args:
        parts: the planned export's parts.
        device: where the teacher runs, if not where the plan was told.
    """

    def __init__(self, parts: Parts, device: DeviceName | None = None) -> None:
        self.parts, self._plan, self._device = parts, parts.plan, device
        self._writer = ExportWriter(self._plan.folder, self._plan.header, beside_others=True)
        self._teacher: RowLabeller | None = None

    @property
    def teacher(self) -> "RowLabeller":
        """The teacher, ready to label rows."""
        if self._teacher is None:
            text = (self._plan.folder / TOKENIZER).read_text(encoding="utf-8")
            self._teacher = row_labeller_of(self._plan.teacher, text, self._device)
            give_shared_arrays(self._writer, self._teacher)
        return self._teacher

    def do(self, number: int, advance: Callable[[int], object] = lambda _: None) -> bool:
        """Compute and write a part, unless it is there; return False where another process is at it.

        Raises:
            InputError: its rows or the teacher's files are not what was planned.
            OSError: the disk is full, ….
        """
        if self.parts.is_done(number):
            return True
        teacher = self.teacher  # before the claim: loading takes a while
        with claim(self._plan.part_path(number)) as mine:
            if not mine:
                return False
            if not self.parts.is_done(number):
                self.parts.bring(number)
                self._compute(teacher, number, advance)
                self.parts.hand_over(number)
        return True

    def _compute(self, teacher: "RowLabeller", number: int, advance: Callable[[int], object]) -> None:
        start = time.perf_counter()
        split, index = self._plan.place(number)
        rows = self._plan.read_rows(number)
        where, learnt = part_words(split, index), split in LEARNT_SPLITS
        part = compute_part(teacher, rows, slice(0, len(rows)), where, advance, are_learnt=learnt)
        notes = {"seconds": time.perf_counter() - start, "worker": f"{socket.gethostname()} {os.getpid()}"}
        place = place_of(teacher)
        self._writer.write(split, index, part, notes if place is None else {**notes, "place": place})


def compute_parts(folder: Path, choose: Callable[[int], Sequence[int]], device: DeviceName | None = None) -> None:
    """Compute parts of a planned export until all of those chosen are there, those that others are at included.

    Several processes may do so at once, on any machines that see the folder: each part is claimed. Killed at any
    moment, a process leaves whole parts and what ``finish`` deletes.

    Args:
        folder: the export folder, or its address.
        choose: returns the parts to compute, given how many there are.
        device: where the teacher runs, if not where the plan was told.

    Raises:
        InputError: there is no plan, or it, or the teacher's files, cannot be used.
        Interrupted: Ctrl-C; the message says what is kept.
    """
    if is_finished(folder):
        return
    parts = open_parts(folder)
    plan = parts.plan
    with shared(plan.folder, OUTPUT):
        worker = PartWorker(parts, device)
        todo = say_what_is_left(parts, choose(len(plan)))
        if not todo:
            return
        rows = sum(plan.examples(number) for number in todo)
        say(f"labelling {worker.teacher.how}")
        start = time.perf_counter()
        try:
            with progress(rows, "labelling") as bar:
                done = _work_through(worker, todo, bar.update)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted: the whole parts are kept in {folder}; the same command goes on from there"
            ) from None
        mine = sum(plan.examples(number) for number in done)
        seconds = time.perf_counter() - start
        say(f"{mine:,} rows in {len(done):,} parts by this process, in {seconds:.1f} s: {mine / seconds:,.0f} rows/s")


def say_what_is_left(parts: Parts, numbers: Sequence[int]) -> list[int]:
    """Return those of some parts that are not there yet, and say how many they are."""
    todo = parts.left(numbers)
    rows = sum(parts.plan.examples(number) for number in todo)
    say(f"{len(numbers):,} parts, of which {len(numbers) - len(todo):,} are there: {rows:,} rows are left")
    return todo


def _work_through(worker: PartWorker, todo: Sequence[int], advance: Callable[[int], object]) -> list[int]:
    """Compute parts until all are there; return those that this process has computed."""
    mine: list[int] = []
    left = list(todo)
    while left:
        held = []
        for number in left:
            if worker.parts.is_done(number):
                continue
            if worker.do(number, advance):
                mine.append(number)
            else:
                held.append(number)
        left = held
        if left:
            time.sleep(_PAUSE)
    return mine
