"""Which epoch of a fine-tuning is kept, and when further ones do not pay.

Few rows judge an epoch, and what sets two epochs' scores apart is often chance, while the loss tells that the later one
has learnt its rows by heart: its probabilities are what a student learns. So an epoch takes the place of the one that
is kept where its loss is lower and its score lies within one standard error of the highest so far, or where the kept
one's does not any more (after the rule by which Breiman et al. 1984 choose a tree's size).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from distill_jax.tasks.task import Task
from teacher_export.teacher.finetune_tasks import FinetuneTask

_DRAWS = 200
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

    @property
    def rank(self) -> tuple[float, float]:
        """The score and the loss, such that the better of two epochs has the larger ones."""
        return (-np.inf if np.isnan(self.score) else self.score), -self.loss

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


class Selection:
    """Keeps the best epoch's weights, and says when to end.

    Args:
        task: what scores answers.
        labels: those of the rows that choose, as the task has them.

    Attributes:
        best: what was judged best, or None before the first epoch.
        weights: its weights, on the CPU.
    """

    def __init__(self, task: Task, labels: np.ndarray) -> None:
        self._task, self._labels = task, labels
        self.best: Judgement | None = None
        self.weights: dict[str, torch.Tensor] = {}
        self._highest: Judgement | None = None
        self._lowest_loss, self._progress, self._epoch = np.inf, 0, 0

    def add(self, judgement: Judgement, weights: Mapping[str, torch.Tensor]) -> None:
        """Take in the next epoch."""
        rises = self._highest is None or judgement.rank > self._highest.rank
        if rises:
            self._highest = judgement
        is_better, falls = self._is_better(judgement), judgement.loss < self._lowest_loss
        self._epoch = judgement.epoch
        if rises or is_better or falls:
            self._progress = judgement.epoch
        self._lowest_loss = min(self._lowest_loss, judgement.loss)
        if is_better:
            self.best = judgement
            self.weights = {name: weight.detach().to("cpu", copy=True) for name, weight in weights.items()}

    def _is_better(self, judgement: Judgement) -> bool:
        """Whether this epoch, which has been compared with the highest, is to be kept in the place of the best."""
        if self.best is None or not self._is_near_highest(self.best):
            return True
        return judgement.loss < self.best.loss and self._is_near_highest(judgement)

    def _is_near_highest(self, judgement: Judgement) -> bool:
        """Whether a score lies within one standard error of the highest."""
        assert self._highest is not None
        if np.isnan(self._highest.score):  # so are all
            return True
        lead = self._highest.score - judgement.score
        return lead <= 0 or lead <= self._standard_error(self._highest.answers, judgement.answers)

    def _standard_error(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return that of two epochs' difference in score: its deviation over rows drawn again (Efron 1979); 0 for none.

        Rows so few that half of the draws have no score say nothing of chance.
        """
        rng, place, leads = np.random.default_rng(0), self._task.history_scores.index(self._task.selected_by), []
        for _ in range(_DRAWS):
            rows = rng.integers(0, len(self._labels), len(self._labels))
            first, second = (self._task.scores(self._labels[rows], each[rows])[place] for each in (one, other))
            leads.append(first - second)
        known = np.array(leads)[np.isfinite(leads)]
        return float(known.std()) if 2 * len(known) > _DRAWS else 0.0

    @property
    def should_end(self) -> bool:
        """Whether neither the score has risen nor the loss fallen for as long as the patience lasts."""
        return self._epoch - self._progress >= PATIENCE

    def state(self) -> dict[str, Any]:
        """Return everything that going on needs."""
        assert self.best is not None  # an epoch has ended
        assert self._highest is not None
        numbers = {"lowest_loss": self._lowest_loss, "progress": self._progress, "epoch": self._epoch}
        return {"best": _to_state(self.best), "highest": _to_state(self._highest), "weights": self.weights, **numbers}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to what ``state`` returned."""
        self.best, self._highest = _of_state(state["best"]), _of_state(state["highest"])
        self.weights = state["weights"]
        self._lowest_loss, self._progress, self._epoch = state["lowest_loss"], state["progress"], state["epoch"]


def _to_state(judgement: Judgement) -> dict[str, Any]:
    return {**dataclasses.asdict(judgement), "answers": torch.from_numpy(judgement.answers)}


def _of_state(state: Mapping[str, Any]) -> Judgement:
    return Judgement(**{**state, "answers": state["answers"].numpy()})
