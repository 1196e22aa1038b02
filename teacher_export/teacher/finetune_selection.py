"""Which epoch of a fine-tuning is kept, and when further ones do not pay; and a sentence where it has not learnt."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from distill_jax.metrics.classification import accuracy, cross_entropies, macro_f1

# So many epochs without a better score and without a lower loss end the training.
PATIENCE = 3
_NAMED = 8  # classes that a warning names


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the rows that choose say of an epoch; every row counts as one.

    Attributes:
        epoch: the epochs finished.
        loss: mean cross-entropy.
        accuracy: of the answers.
        macro_f1: of the answers.
        answers: int [n], the rows' classes as the teacher names them.
    """

    epoch: int
    loss: float
    accuracy: float
    macro_f1: float
    answers: np.ndarray

    @classmethod
    def of(cls, epoch: int, logits: np.ndarray, labels: np.ndarray) -> "Judgement":
        """Judge logits, float32 [n, classes], by labels, int [n]."""
        answers, loss = logits.argmax(axis=1), float(cross_entropies(logits, labels).mean())
        return cls(epoch, loss, accuracy(labels, answers), macro_f1(labels, answers), answers)

    def in_words(self, label_names: Sequence[str]) -> str:
        """Return the scores, and how many classes were named."""
        named = len(np.unique(self.answers))
        return (
            f"accuracy {self.accuracy:.3f}, macro F1 {self.macro_f1:.3f}, loss {self.loss:.3f}, {named} of "
            f"{len(label_names)} classes named"
        )

    def is_better_than(self, other: "Judgement | None") -> bool:
        """Whether this epoch is to be kept: the higher macro F1, then the lower loss."""
        return other is None or (self.macro_f1, -self.loss) > (other.macro_f1, -other.loss)


class Selection:
    """Keeps the best epoch's weights, and says when to end.

    Attributes:
        best: what was judged best, or None before the first epoch.
        weights: its weights, on the CPU.
    """

    def __init__(self) -> None:
        self.best: Judgement | None = None
        self.weights: dict[str, torch.Tensor] = {}
        self._lowest_loss, self._progress, self._epoch = np.inf, 0, 0

    def add(self, judgement: Judgement, weights: Mapping[str, torch.Tensor]) -> None:
        """Take in the next epoch."""
        is_better, falls = judgement.is_better_than(self.best), judgement.loss < self._lowest_loss
        self._epoch = judgement.epoch
        if is_better or falls:
            self._progress = judgement.epoch
        self._lowest_loss = min(self._lowest_loss, judgement.loss)
        if is_better:
            self.best = judgement
            self.weights = {name: weight.detach().to("cpu", copy=True) for name, weight in weights.items()}

    @property
    def should_end(self) -> bool:
        """Whether neither the score has risen nor the loss fallen for as long as the patience lasts."""
        return self._epoch - self._progress >= PATIENCE

    def state(self) -> dict[str, Any]:
        """Return everything that going on needs."""
        assert self.best is not None  # an epoch has ended
        best = {**dataclasses.asdict(self.best), "answers": torch.from_numpy(self.best.answers)}
        numbers = {"lowest_loss": self._lowest_loss, "progress": self._progress, "epoch": self._epoch}
        return {"best": best, "weights": self.weights, **numbers}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what ``state`` returned."""
        best = state["best"]
        self.best, self.weights = Judgement(**{**best, "answers": best["answers"].numpy()}), state["weights"]
        self._lowest_loss, self._progress, self._epoch = state["lowest_loss"], state["progress"], state["epoch"]


def unlearnt(
    labels: np.ndarray,
    answers: np.ndarray,
    label_names: Sequence[str],
    training_rows: np.ndarray,
    judged_by: str | None = None,
) -> str | None:
    """Return a warning where answers say that a fine-tuning has not learnt; None where they do not.

    Args:
        labels: int [n], the rows' classes.
        answers: int [n], what each was taken for; -1 = not known.
        label_names: the classes.
        training_rows: int [classes], how many rows of each class were trained on.
        judged_by: the rows that chose the epoch; None = they are those of the last epoch of a number asked for.
    """
    known = answers >= 0
    counts = np.bincount(labels[known], minlength=len(label_names))
    predicted = np.bincount(answers[known], minlength=len(label_names))
    never = np.flatnonzero((counts > 0) & (predicted == 0)).tolist()
    right, most = float((labels == answers)[known].mean()), float(counts.max() / counts.sum())
    if not never and right > most:
        return None
    shown = ", ".join(f"{label_names[place]!r} ({training_rows[place]:,} training rows)" for place in never[:_NAMED])
    more = ", …" if len(never) > _NAMED else ""
    what = f"never named {len(never)} of {len(label_names)} classes: {shown}{more}" if never else "learnt nothing"
    where = "the last epoch" if judged_by is None else f"on the {judged_by} the teacher"
    longer = "more --finetune-epochs or " if judged_by is None else ""
    return (
        f"warning: fine-tuning: {where} {what}; its accuracy there is {right:.3f}, and the most frequent class has a "
        f"share of {most:.3f}; give {longer}more rows, or --class-weights balanced for rare classes"
    )
