"""Pack a trained student: choose how small, say what it costs, write the file."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distill_jax.data.examples import Examples
from distill_jax.data.exports import Export
from distill_jax.errors import InputError
from distill_jax.formats.registry import load
from distill_jax.packed.student import PackedStudent
from distill_jax.packing.facts import run_facts, text_facts
from distill_jax.packing.loss import Judge, SplitLoss, calibration_errors, loss_json
from distill_jax.packing.search import Candidate, Candidates
from distill_jax.packing.usage import Usage
from distill_jax.runs.folder import TOKENIZER, WEIGHTS, unreplaced
from distill_jax.tasks.task import Task

POINTS = 0.3
_TRAINING = "train"


@dataclasses.dataclass(frozen=True)
class Packed:
    """A packed student, and what packing costs.

    Attributes:
        student: what is written.
        content: the file's.
        losses: on the validation and the test rows; empty where there is no export.
        run_bytes: the size of what predicting needs of the run folder.
        points: what the size is taken to lose, in hundredths of the first metric; None = it was not chosen by that.
    """

    student: PackedStudent
    content: bytes
    losses: tuple[SplitLoss, ...]
    run_bytes: int
    points: float | None = None

    @property
    def bytes(self) -> int:
        """The file's size."""
        return len(self.content)

    @property
    def is_chosen_by_training_rows(self) -> bool:
        """Whether there were no validation rows to choose the size by."""
        return bool(self.losses) and self.losses[0].split == _TRAINING

    def unmet(self, most_points: float) -> str | None:
        """Return a sentence where even the largest size loses more than asked; None = one loses no more."""
        if self.points is None or self.points <= most_points:
            return None
        return (
            f"no size loses as little as {most_points:g} points by the student's own answers, and the largest one, "
            f"which it is, loses {self.points:.2f}"
        )

    def too_lossy(self, most_points: float) -> SplitLoss | None:
        """Return the split on which the loss is clear and larger than asked; None = there is none.

        Training rows are known by heart, so that what is lost on them says nothing of other texts.
        """
        held_out = [loss for loss in self.losses if loss.split != _TRAINING]
        return next((loss for loss in held_out if loss.clear_points > most_points), None)


def pack(
    run: Path,
    export: Path | None,
    *,
    max_bytes: int | None = None,
    max_loss: float = POINTS,
    licence: str | None = None,
    on_level: Callable[[int, float], None] = lambda _level, _points: None,
) -> Packed:
    """Return a run's student packed.

    Args:
        run: the run folder.
        export: the export that it was trained on; None = there is none at hand: nothing is left out, nothing measured.
        max_bytes: the largest file; None = the smallest within ``max_loss``.
        max_loss: what may be lost of the first metric, in hundredths.
        licence: what the file says of how it may be used.
        on_level: is told of each level that is judged, and of what it loses.

    Raises:
        InputError: the run is none, or cannot be packed, or the export is another's.
    """
    with unreplaced(run):
        predictor = load(run)
        about = {**run_facts(run, predictor), **({} if licence is None else {"licence": licence})}
    found = None if export is None else _export_of(predictor.origin.export, export, run)
    usage = Usage.unknown(predictor.config) if found is None else Usage.of(predictor.config, found)
    judge = None if found is None else Judge.of(predictor, _judging(found))
    candidates = Candidates.of(predictor, usage, judge, on_level)
    points = None
    if max_bytes is None:
        chosen = candidates.at(0) if judge is None else candidates.smallest_within(max_loss)
        student, losses = _described(chosen, predictor.task, judge, about)
        content = student.to_bytes()
        points = None if judge is None else candidates.points[chosen.level]
    else:
        room = max_bytes
        while True:  # what is said of a student takes room too
            chosen = candidates.largest_within(room)
            student, losses = _described(chosen, predictor.task, judge, about)
            content = student.to_bytes()
            if len(content) <= max_bytes:
                break
            if chosen.bytes > room:
                raise InputError(f"--max-bytes {max_bytes}: the smallest packed student has {len(content):,} bytes")
            room -= len(content) - max_bytes
    run_bytes = sum((run / name).stat().st_size for name in (WEIGHTS, TOKENIZER) if (run / name).is_file())
    return Packed(student, content, losses, run_bytes, points)


def _described(
    chosen: Candidate, task: Task, judge: Judge | None, about: Mapping[str, Any]
) -> tuple[PackedStudent, tuple[SplitLoss, ...]]:
    """Return a packed student with what is said of it, and what packing costs."""
    student = dataclasses.replace(chosen.student, facts=dict(about))
    if judge is None:
        return student, ()
    losses, first = tuple(judge.losses(chosen.logits)), judge.splits[0]
    logits = chosen.logits[first.split]
    if not task.decision() and first.split != _TRAINING:  # of those it is surer than of others
        task = task.tuned(first.examples.labels, logits, first.examples.teacher_logits)
    student = dataclasses.replace(student, decision=task.decision())
    errors = {each.split: calibration_errors(task, each, chosen.logits[each.split]) for each in judge.splits}
    facts = {
        "scores": {loss.split: loss_json(loss) for loss in losses},
        "calibration_errors": {split: list(pair) for split, pair in errors.items() if pair is not None},
        "texts": text_facts(student.predictor(), first.examples.tokens, logits),
    }
    return dataclasses.replace(student, facts={**student.facts, **facts}), losses


def _export_of(seen: Any, folder: Path, run: Path) -> Export:
    export = Export.open(folder)
    if "fingerprint" in seen and seen["fingerprint"] != export.manifest.fingerprint:
        raise InputError(
            f"--export {folder}: run {run} was trained on another export ({seen.get('path', seen.get('name'))}); name "
            "that one"
        )
    if tuple(seen.get("label_names", ())) != export.label_names:
        raise InputError(
            f"--export {folder}: its classes are not those of run {run}; name the export it was trained on"
        )
    return export


def _judging(export: Export) -> dict[str, Examples]:
    """Return the rows to judge by: those by which the size is chosen first."""
    first = {_TRAINING: export.split("train")} if export.validation is None else {"validation": export.validation}
    return {**first, "test": export.test}
