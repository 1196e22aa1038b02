"""Pack a trained student: choose how small, say what it costs, write the file."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill_jax.data.examples import Examples
from distill_jax.data.exports import Export
from distill_jax.errors import InputError
from distill_jax.formats.registry import load
from distill_jax.packed.student import PackedStudent
from distill_jax.packing.facts import run_facts, text_facts
from distill_jax.packing.loss import Judge, SplitLoss, loss_json
from distill_jax.packing.search import Candidate, Candidates
from distill_jax.packing.usage import Usage

POINTS = 0.3


@dataclasses.dataclass(frozen=True)
class Packed:
    """A packed student, and what packing costs.

    Attributes:
        student: what is written.
        bytes: its file's size.
        losses: on the validation and the test rows; empty where there is no export.
        run_bytes: the size of what predicting needs of the run folder.
    """

    student: PackedStudent
    bytes: int
    losses: tuple[SplitLoss, ...]
    run_bytes: int

    def too_lossy(self, most_points: float) -> SplitLoss | None:
        """Return the split on which the loss is clear and larger than asked; None = there is none."""
        return next((loss for loss in self.losses if loss.clear_points > most_points), None)


def pack(
    run: Path,
    export: Path | None,
    *,
    max_bytes: int | None = None,
    max_loss: float = POINTS,
    licence: str | None = None,
    on_candidate: Callable[[Candidate, float | None], None] | None = None,
) -> Packed:
    """Return a run's student packed.

    Args:
        run: the run folder.
        export: the export that it was trained on; None = there is none at hand: nothing is left out, nothing measured.
        max_bytes: the largest file; None = the smallest within ``max_loss``.
        max_loss: what may be lost of the first metric, in hundredths.
        licence: what the file says of how it may be used.
        on_candidate: is told of every size tried, and of its loss.

    Raises:
        InputError: the run is none, or cannot be packed, or the export is another's.
    """
    predictor = load(run)
    found = None if export is None else _export_of(predictor.origin.export, export, run)
    usage = Usage.unknown(predictor.config) if found is None else Usage.of(predictor.config, found)
    judge = None if found is None else Judge.of(predictor, _judging(found))
    candidates = Candidates.of(predictor, usage, judge)
    if on_candidate is not None:
        candidates.on_candidate = on_candidate
    if max_bytes is not None:
        chosen = candidates.largest_within(max_bytes)
    else:
        chosen = candidates.smallest_within(max_loss) if judge is not None else candidates.at(0)
    losses = () if judge is None else tuple(judge.losses(chosen.logits))
    facts: dict[str, Any] = run_facts(run, predictor)
    if licence is not None:
        facts["licence"] = licence
    task, student = predictor.task, chosen.student
    if judge is not None:
        first = judge.splits[0]
        if not task.decision():
            task = task.tuned(first.examples.labels, chosen.logits[first.split])
        student = dataclasses.replace(student, decision=task.decision())
        facts["scores"] = {loss.split: loss_json(loss) for loss in losses}
        facts["texts"] = text_facts(student.predictor(), first.examples.tokens, chosen.logits[first.split])
    student = dataclasses.replace(student, facts=facts)
    run_bytes = sum((run / name).stat().st_size for name in ("weights.npz", "tokenizer.json") if (run / name).is_file())
    return Packed(student, len(student.to_bytes()), losses, run_bytes)


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
    first = {"train": export.train} if export.validation is None else {"validation": export.validation}
    return {**first, "test": export.test}
