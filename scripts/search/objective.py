"""One trial: a student is trained as its settings say, and scored on the validation split."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna

from distill_jax.config import TrainConfig
from distill_jax.inference.logits import predict_logits
from distill_jax.recipes import DEFAULT_RECIPE
from distill_jax.runs.checkpoints import Snapshot
from distill_jax.students.config import own_options
from distill_jax.students.params import Params, parameter_count
from distill_jax.students.registry import student_config, student_kind
from distill_jax.students.student import Student
from distill_jax.training.fit import NonFiniteLossError, fit
from distill_jax.training.start_embeddings import initial_params
from scripts.search.data import SearchData
from scripts.search.space import Space, draw, settings_of

# Trainings of different lengths are compared where the same share of them is done: with a rate that falls to 0 at the
# end, epoch 3 of 4 is not epoch 3 of 12.
QUARTERS = 4
SIZE, SECONDS, EPOCHS = "bytes", "seconds", "epochs_done"


class TooLargeError(optuna.TrialPruned):
    """The student is larger than the budget; it was not trained."""


@dataclasses.dataclass(frozen=True)
class Base:
    """What a search starts from: the recipe's settings, which hold for all that is not searched.

    Attributes:
        student: the student's options.
        train: the training.
    """

    student: Mapping[str, Any]
    train: TrainConfig

    @classmethod
    def of_recipe(cls, student: str, seed: int) -> "Base":
        """Return the best recipe of a student, distilled."""
        train = TrainConfig.of_recipe(DEFAULT_RECIPE, student, distil=True, seed=seed)
        return cls(student_kind(student).recipe(DEFAULT_RECIPE).student, train)

    def settings(self) -> dict[str, Any]:
        """Return every setting by its name."""
        fields = dataclasses.fields(student_kind(self.train.student))
        options = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
        return {**options, **self.student, **dataclasses.asdict(self.train)}

    def changed(self, settings: Mapping[str, Any]) -> "Base":
        """Return it with some settings changed."""
        of_train = {field.name for field in dataclasses.fields(TrainConfig)}
        train = {name: value for name, value in settings.items() if name in of_train}
        student = {name: value for name, value in settings.items() if name not in of_train}
        # A recipe's passes over the transfer set are never more than the epochs.
        passes = min(self.train.transfer_passes, train.get("epochs", self.train.epochs))
        return Base(
            {**self.student, **student}, dataclasses.replace(self.train, **{"transfer_passes": passes, **train})
        )

    def build(self, data: SearchData) -> Student:
        """Return the student for an export."""
        return Student(student_config(self.train.student, **data.manifest.sizes, **self.student))


def student_bytes(student: Student) -> int:
    """Return the size of a student's parameters, four bytes each, without making any."""
    return 4 * parameter_count(student.shapes())


def smallest_bytes(space: Space, base: Base, data: SearchData) -> int:
    """Return the size of the smallest student in a space."""
    fields = own_options(student_kind(base.train.student))
    names = [name for name in space if name in fields]
    students = [
        base.changed(settings_of(dict(zip(names, values, strict=True)))).build(data)
        for values in itertools.product(*(space[name].smallest() for name in names))
    ]
    return min(map(student_bytes, students))


class Objective:
    """The function that is minimised: a trial → the task's distance from the teacher on the validation split.

    It is that of the kept epoch, and asks for no label and no temperature, whatever loss the trial trains with, so that
    all can be compared. On a thousand rows it tells trials apart whose macro F1 differ by chance.
    """

    def __init__(
        self,
        data: SearchData,
        space: Space,
        base: Base,
        max_bytes: int | None,
        should_stop: Callable[[], bool],
        *,
        show_progress: bool = False,
    ) -> None:
        self._data, self._space, self._base, self._max_bytes = data, space, base, max_bytes
        self.should_stop, self._show_progress = should_stop, show_progress

    def __call__(self, trial: optuna.Trial) -> float:
        """Train and score.

        Raises:
            TooLargeError: the student is larger than the budget.
            optuna.TrialPruned: the training diverged, or half of the earlier trials were
                better by then.
            Interrupted: ``should_stop`` said so.
        """
        chosen = self._base.changed(settings_of(draw(self._space, trial)))
        student = chosen.build(self._data)
        size = student_bytes(student)
        trial.set_user_attr(SIZE, size)
        if self._max_bytes is not None and size > self._max_bytes:
            raise TooLargeError(f"{size / 1e6:.1f} MB, too large, not trained")
        task = self._data.manifest.labelling
        watch = _Watch(
            trial, chosen.train.epochs, lambda params: self._distance_of(student, params), task.distance_name
        )
        try:
            result = fit(
                student,
                initial_params(student, chosen.train, self._data.export, self._data.manifest),
                train=self._data.training_rows(chosen.train),
                validation=self._data.validation,
                config=chosen.train,
                on_epoch=watch,
                should_stop=self.should_stop,
                show_progress=self._show_progress,
            )
        except NonFiniteLossError:
            raise optuna.TrialPruned(f"diverged in epoch {watch.epochs + 1}") from None
        trial.set_user_attr(EPOCHS, len(result.history))
        trial.set_user_attr(SECONDS, round(result.seconds, 3))
        beside = task.history_scores[1]
        trial.set_user_attr(beside, float(result.history[f"validation_{beside}"].iloc[result.kept_epoch]))
        assert result.validation_logits is not None  # the validation split was given
        return self._distance(result.validation_logits)

    def _distance(self, logits: np.ndarray) -> float:
        teacher_logits = self._data.validation.teacher_logits
        assert teacher_logits is not None  # a search distils, so its splits were read with them
        return self._data.manifest.labelling.distance(teacher_logits, logits)

    def _distance_of(self, student: Student, params: Params) -> float:
        validation = self._data.validation
        return self._distance(predict_logits(student, params, validation.tokens, validation.length))


class _Watch:
    """Called after every epoch: reports the score at each quarter of a training, and ends one without prospects."""

    def __init__(self, trial: optuna.Trial, epochs: int, score: Callable[[Params], float], name: str) -> None:
        self._trial, self._of, self._score, self._name = trial, epochs, score, name
        self.epochs = self._quarter = 0

    def __call__(self, snapshot: Snapshot) -> None:
        done = len(snapshot.history)
        if done == self.epochs:  # the training was stopped in the middle of an epoch
            return
        self.epochs = done
        quarter = QUARTERS * done // self._of
        if quarter == self._quarter:
            return
        score = self._score(snapshot.params)
        for reached in range(self._quarter + 1, quarter + 1):
            self._trial.report(score, reached)
        self._quarter = quarter
        if 0 < quarter < QUARTERS and self._trial.should_prune():
            raise optuna.TrialPruned(f"pruned after epoch {done} of {self._of} at a {self._name} of {score:.4f}")
