"""``fit``: train a student from its initial parameters, or go on from a snapshot as if never stopped."""

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from distill_jax.config import TrainConfig
from distill_jax.console import progress as progress_bar
from distill_jax.data.examples import Examples
from distill_jax.data.stored_examples import StoredExamples
from distill_jax.errors import InputError, Interrupted
from distill_jax.inference.logits import split_logits
from distill_jax.losses import objective_of
from distill_jax.runs.checkpoints import Snapshot
from distill_jax.runs.history import history_frame
from distill_jax.students.params import Params
from distill_jax.students.student import Student
from distill_jax.tasks.task import LEAST_LABELLED_ROWS, Task
from distill_jax.training.compact_tables import CompactTables
from distill_jax.training.epoch_rows import EpochRows
from distill_jax.training.epoch_scores import best_epoch, evaluation_scores, train_scores, validation_loss
from distill_jax.training.example_checks import check_examples
from distill_jax.training.fit_warnings import STILL_LEARNS, is_at_chance, still_learns
from distill_jax.training.streamed_runner import runner_of

if TYPE_CHECKING:
    import pandas as pd


class NonFiniteLossError(InputError):
    """The loss became NaN or infinite; the message names epoch, step and learning rate."""


@dataclasses.dataclass(frozen=True)
class FitResult:
    """What ``fit`` returns.

    Attributes:
        params: the trained parameters (NumPy arrays); with a validation split, those of its best epoch (but with fewer
            than 100 such rows and a cosine schedule those of the last).
        history: the notebook's columns, a row an epoch; with a validation split, two more.
        test_logits: the test split's logits, [n, classes], in row order; None where there is no such split.
        validation_logits: those of the validation split.
        seconds: wall-clock time spent in training steps; compilation counts, evaluation does not.
        kept_epoch: the epoch that ``params`` and the logits are of, counted from 0.
        at_chance: whether the training stopped before it learnt anything (``fit_warnings.is_at_chance``).
        still_learns: whether it stopped in the midst of learning (``fit_warnings.still_learns``).
        task: what the rows are labelled with, its decisions fitted to the validation split where there is one.
    """

    params: Params
    history: "pd.DataFrame"
    test_logits: np.ndarray | None
    validation_logits: np.ndarray | None
    seconds: float
    kept_epoch: int
    at_chance: bool
    still_learns: bool
    task: Task

    @property
    def shortfall(self) -> str:
        """What stood against the training when it ended, in words; empty where nothing did."""
        if self.at_chance:
            return "training accuracy is at chance and the loss still falls"
        return STILL_LEARNS if self.still_learns else ""


def fit(
    student: Student,
    params: Params,
    *,
    train: Examples | StoredExamples,
    test: Examples | None = None,
    config: TrainConfig,
    validation: Examples | None = None,
    resume: Snapshot | None = None,
    on_epoch: Callable[[Snapshot], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    show_progress: bool = False,
) -> FitResult:
    """Train a student and evaluate it on the splits given after every epoch.

    The linear student trains twice as fast where ``jax_setup.configure_jax(fused_loops=True)`` was called before JAX
    was imported; the numbers are the same up to rounding.

    Args:
        student: what ``build_student`` returned.
        params: its initial parameters; they are not changed.
        train: the training rows, taken in their order, the same every epoch (unless the configuration shuffles);
            unlabelled ones are left out where the labels alone are learnt from. Those on the disk are read stretch by
            stretch, and shuffled within each.
        test: the rows that every epoch's test columns are measured on, against the teacher's answers where none has a
            label; None = those are NaN.
        config: how to train.
        validation: rows that choose the epoch whose parameters are kept (``epoch_scores.best_epoch``), and that early
            stopping looks at.
        resume: go on from here; ``params`` is then not looked at.
        on_epoch: called with a snapshot after every epoch; without it no snapshot is made.
        should_stop: asked between steps; true makes ``fit`` call ``on_epoch`` with a snapshot of the moment and
            raise ``Interrupted``.
        show_progress: show a progress bar on standard error.

    Raises:
        InputError: the examples do not fit the student or the configuration.
        NonFiniteLossError: the loss, or what the splits are scored by, is no longer a finite number.
        Interrupted: ``should_stop`` said so.
    """
    check_examples(student, config, train=train, test=test, validation=validation)
    if config.patience and validation is None:
        raise InputError("--patience needs a validation split: export one with --validation-fraction")
    if not config.distil:
        train = train.labelled(student.config.labelling)
    if test is not None:
        references = student.config.labelling.references(test.labels, test.teacher_logits)
        test = dataclasses.replace(test, labels=references)
    evaluated = {name: split for name, split in (("test", test), ("validation", validation)) if split is not None}
    loop = _Loop(student, resume.params if resume else params, train, evaluated, config, resume)
    loop.should_stop = should_stop or (lambda: False)
    loop.on_epoch = on_epoch
    done, rows = loop.epoch * loop.epoch_rows + loop.step * config.batch_size, config.epochs * loop.epoch_rows
    with progress_bar(rows, config.model_name, initial=done, disable=not show_progress) as bar:
        while loop.epoch < config.epochs and not loop.is_exhausted():
            loop.run_epoch(bar)
    task = student.config.labelling
    history = history_frame(np.array(loop.history), config.model_name, task)
    logits = loop.evaluate_best()
    if validation is not None:
        task = task.tuned(validation.labels, logits["validation"], validation.teacher_logits)
    kept = loop.kept_epoch()
    # A better epoch before the last says that there is no more to be had; rows on the disk are not read for it again.
    stopped = kept == len(history) - 1
    objective, epoch_rows = objective_of(config, task), EpochRows.of(train, config).rows(0)
    return FitResult(
        params=loop.best_params(),
        history=history,
        test_logits=logits.get("test"),
        validation_logits=logits.get("validation"),
        seconds=loop.seconds,
        kept_epoch=kept,
        at_chance=is_at_chance(history, train.labels, task),
        still_learns=isinstance(train, Examples)
        and stopped
        and still_learns(history, objective, train, epoch_rows, student.config.num_labels),
        task=task,
    )


class _Loop:
    """The state of one ``fit``: a runner over the compact vocabulary, and what the epoch under way has given."""

    def __init__(
        self,
        student: Student,
        params: Params,
        train: Examples | StoredExamples,
        evaluated: dict[str, Examples],
        config: TrainConfig,
        resume: Snapshot | None,
    ) -> None:
        self.config, self._train_labels, self._evaluated = config, train.labels, evaluated
        self._task = student.config.labelling
        inputs = {name: student.config.inputs(split.tokens) for name, split in evaluated.items()}
        if isinstance(train, Examples):
            train = dataclasses.replace(train, tokens=student.config.inputs(train.tokens))
        seen = train.tokens.ids if isinstance(train, Examples) else train.seen
        self._tables = CompactTables(student, params, [seen, *(tokens.ids for tokens in inputs.values())])
        self._student, compaction = self._tables.student, self._tables.compaction
        self._runner = runner_of(self._student, student.config, train, config, compaction)
        self._logits = {
            name: split_logits(self._student, inputs[name], split.length, compaction)
            for name, split in evaluated.items()
        }
        self.epoch_rows = len(EpochRows.of(train, config))
        self._steps = -(-self.epoch_rows // config.batch_size)
        self._best = self._tables.compact(resume.best) if resume and resume.best else None
        self._kept_logits: dict[str, np.ndarray] | None = None
        self.should_stop: Callable[[], bool]
        self.on_epoch: Callable[[Snapshot], None] | None
        self.epoch, self.step, self.seconds = 0, 0, 0.0
        self.losses: list[np.ndarray] = []
        self.predictions: list[np.ndarray] = []
        self.history: list[list[float]] = []
        if resume:
            self.epoch, self.step, self.seconds = resume.epoch, resume.step, resume.seconds
            self.losses, self.predictions = [resume.losses], [resume.predictions]
            self.history = resume.history.tolist()
        global_step = self.epoch * self._steps + self.step
        self._runner.load(self._tables.compact(params), resume.opt_state if resume else None, global_step)

    def best_params(self) -> Params:
        """Return the parameters to keep: of the best epoch on the validation split, or the last."""
        return self._tables.whole(self._runner.params() if self._best is None else self._best)

    def is_exhausted(self) -> bool:
        """Whether the validation score has not improved for ``patience`` epochs."""
        if not self.config.patience or not self.history:
            return False
        return len(self.history) - 1 - self._best_epoch() >= self.config.patience

    def kept_epoch(self) -> int:
        """Return the epoch whose parameters are kept."""
        return self._best_epoch() if self._chooses() else len(self.history) - 1

    def _chooses(self) -> bool:
        """Whether the validation rows choose an epoch: a few say less than a schedule that is made for its end."""
        if "validation" not in self._evaluated:
            return False
        rows = self._evaluated["validation"]
        judging = len(rows) if self.config.distil else int(self._task.is_labelled(rows.labels).sum())
        enough = judging >= LEAST_LABELLED_ROWS
        return enough or self.config.schedule != "cosine" or self.config.patience > 0

    def _best_epoch(self) -> int:
        return best_epoch(np.array(self.history), self.config, self._task)

    def snapshot(self) -> Snapshot:
        """Return where the training stands."""
        return Snapshot(
            params=self._tables.whole(self._runner.params()),
            opt_state=self._runner.opt_state(),
            epoch=self.epoch,
            step=self.step,
            losses=np.concatenate([np.zeros(0, np.float32), *self.losses]),
            predictions=np.concatenate([self._task.no_answers(self._student.config.num_labels), *self.predictions]),
            history=np.array(self.history, np.float64).reshape(len(self.history), -1 if self.history else 7),
            seconds=self.seconds,
            best=None if self._best is None else self._tables.whole(self._best),
        )

    def _hand_over(self) -> None:
        """Give ``on_epoch`` a snapshot; where there is none to give it to, the table is not copied for it."""
        if self.on_epoch is not None:
            self.on_epoch(self.snapshot())

    def run_epoch(self, bar: Any) -> None:
        """Take the epoch's steps that are left, then evaluate and record it."""
        bar.set_description(f"{self.config.model_name}, epoch {self.epoch + 1} of {self.config.epochs}")
        while self.step < self._steps:
            started = time.perf_counter()
            chunk = self._runner.run(self.epoch, self.step)
            self.seconds += time.perf_counter() - started
            self._require_finite(chunk.losses)
            self.step += len(chunk.losses)
            self.losses.append(chunk.losses)
            self.predictions.append(chunk.predictions)
            bar.update(len(chunk.predictions))
            if self.step < self._steps and self.should_stop():
                self._stop()
        self._finish_epoch()

    def _require_finite(self, losses: np.ndarray) -> None:
        finite = np.isfinite(losses)
        if not finite.all():
            first = int(np.argmin(finite))
            what = f"the loss became {losses[first]}"
            raise NonFiniteLossError(self._describe_divergence(what, self.step + first + 1))

    def _describe_divergence(self, what: str, step: int) -> str:
        rate = self.config.learning_rates(self.epoch, self._steps)[step - 1]
        return (
            f"{what} in epoch {self.epoch + 1}, step {step} of {self._steps}, at learning rate {rate:g}; try a lower "
            "--learning-rate"
        )

    def _finish_epoch(self) -> None:
        predictions, losses = np.concatenate(self.predictions), np.concatenate(self.losses)
        labels, mean = self._train_labels[self._runner.order(self.epoch)], self.config.loss_mean
        params = self._runner.params()
        logits = {name: logits_of(params) for name, logits_of in self._logits.items()}
        # The epoch's last step may be the one that went too far.
        self._require_finite_scores({f"{name} logits": array for name, array in logits.items()} or params)
        row = [float(self.epoch), *train_scores(self._task, losses, predictions, labels, self.config.batch_size, mean)]
        if "test" in logits:
            row += evaluation_scores(self._task, logits["test"], self._evaluated["test"].labels, mean)
        else:
            row += [float("nan")] * 3
        if "validation" in logits:
            row += self._validation_scores(logits["validation"])
        self.history.append(row)
        if self.kept_epoch() == self.epoch:
            self._kept_logits = logits
            if "validation" in logits:
                self._best = jax.tree.map(np.array, params)
        self.epoch, self.step, self.losses, self.predictions = self.epoch + 1, 0, [], []
        self._hand_over()
        if self.epoch < self.config.epochs and not self.is_exhausted() and self.should_stop():
            raise Interrupted(f"interrupted after epoch {self.epoch} of {self.config.epochs}")

    def _require_finite_scores(self, arrays: dict[str, Any]) -> None:
        for name, array in arrays.items():
            if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(array)):
                raise NonFiniteLossError(self._describe_divergence(f"the {name} became infinite or NaN", self._steps))

    def _validation_scores(self, logits: np.ndarray) -> list[float]:
        """Return the training's own loss and the task's two scores on the validation split."""
        validation = self._evaluated["validation"]
        loss = validation_loss(
            objective_of(self.config, self._task), logits, validation.labels, validation.teacher_logits
        )
        self._require_finite_scores({"validation loss": loss})
        return [loss, *evaluation_scores(self._task, logits, validation.labels, self.config.loss_mean)[1:]]

    def evaluate_best(self) -> dict[str, np.ndarray]:
        """Return each split's logits under the parameters that are kept, maybe of an epoch before a resume."""
        if self._kept_logits is not None:
            return self._kept_logits
        params = self._runner.params() if self._best is None else self._best
        return {name: logits_of(params) for name, logits_of in self._logits.items()}

    def _stop(self) -> None:
        self._hand_over()
        raise Interrupted(f"interrupted in epoch {self.epoch + 1} of {self.config.epochs}, after {self.step} steps")
