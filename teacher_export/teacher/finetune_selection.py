"""Which epoch of a fine-tuning is kept, and when further ones do not pay."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from teacher_export.teacher.finetune_tasks import FinetuneTask

# So many epochs without a better score and without a lower loss end the training.
PATIENCE = 3


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the rows that choose say of an epoch; every row counts as one.

    Attributes:
        epoch: the epochs finished.
        loss: the mean of the task's losses.
        score: what the best epoch has most of; NaN = undefined, which is less than any.
        answers: to the rows, as the task has them.
        words: the scores, for people.
    """

    epoch: int
    loss: float
    score: float
    answers: np.ndarray
    words: str = ""

    @classmethod
    def of(
        cls, epoch: int, objective: FinetuneTask, computed: np.ndarray, labels: np.ndarray, num_labels: int
    ) -> "Judgement":
        """Judge what a model in training computes, float32 [n, labels], by labels, as the task has them."""
        task = objective.task
        logits = np.asarray(task.outputs(computed))
        answers, loss = task.answers(logits), float(task.losses(logits, labels).mean())
        scores = task.scores(labels, answers)
        shown = [f"{title} {score:.3f}" for title, score in zip(task.history_titles, scores, strict=True)]
        words = [*shown, f"loss {loss:.3f}", objective.named(answers, num_labels)]
        chooses = task.history_scores.index(task.selected_by)
        return cls(epoch, loss, scores[chooses], answers, ", ".join(filter(None, words)))

    def is_better_than(self, other: "Judgement | None") -> bool:
        """Whether this epoch is to be kept: the higher score, then the lower loss."""
        return other is None or self.rank > other.rank

    @property
    def rank(self) -> tuple[float, float]:
        """The score and the loss, such that the better of two epochs has the larger ones."""
        return (-np.inf if np.isnan(self.score) else self.score), -self.loss


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
