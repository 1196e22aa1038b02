"""An epoch whose rows are not in memory together: stretch after stretch, each by the runner that has rows in memory."""

import dataclasses

import numpy as np

from distill_jax.config import TrainConfig
from distill_jax.data.batching import length_buckets
from distill_jax.data.compaction import Compaction
from distill_jax.data.examples import Examples
from distill_jax.data.stored_examples import StoredExamples
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import Params
from distill_jax.students.student import Student
from distill_jax.training.runners import Chunk, EpochRunner, make_runner
from distill_jax.training.stretches import Stretch, Stretches, dense_order, sparse_order


class StreamedRunner:
    """Runs epochs of rows that stay on the disk but for a stretch.

    What it does is decided by the seed, the epoch and the step alone, so that a training goes on from any of them.

    Args:
        student: the student over the compact vocabulary.
        whole: the student over the whole vocabulary, which makes inputs of tokens.
        stored: the rows.
        config: the training.
        compaction: from the whole vocabulary to the student's.
    """

    def __init__(
        self,
        student: Student,
        whole: StudentConfig,
        stored: StoredExamples,
        config: TrainConfig,
        compaction: Compaction,
    ) -> None:
        self._student, self._whole, self._stored = student, whole, stored
        self._config, self._compaction = config, compaction
        self._stretches = Stretches(stored, config)
        self._steps = -(-len(self._stretches.plan) // config.batch_size)
        self._is_sparse = student.config.takes_sparse_steps(config.optimizer)
        self._needed = np.minimum(stored.lengths + student.config.cut_margin, stored.length)
        self._like = self._shape(self._stretches.of(0))
        self._runner: EpochRunner | None = None
        self._state: tuple[Params, list[np.ndarray] | None] | None = None
        self._place = (-1, -1)
        self._epoch_s: list[np.ndarray] = []  # the stretches of the epoch that it is in

    def _shape(self, stretches: list[np.ndarray]) -> Stretch:
        """Return what all stretches have in common, as those of an epoch suggest it."""
        config, rows = self._config, stretches[0]
        order = dense_order(self._needed[rows], config, np.random.default_rng([0, 0]))
        full = order[: max(1, len(order) // config.batch_size) * config.batch_size]
        typical = np.maximum.reduceat(self._needed[rows[full]], np.arange(0, len(full), config.batch_size))
        return Stretch(
            steps=self._steps,
            rows=max(map(len, stretches)),
            tokens=max(int(self._stored.lengths[each].sum()) for each in stretches),
            cuts=tuple(np.unique([*length_buckets(typical, self._stored.length), self._needed.max()]).tolist()),
        )

    def load(self, params: Params, opt_state: list[np.ndarray] | None, global_step: int) -> None:
        """Take parameters and the optimiser state's leaves (None = a new one)."""
        del global_step  # epoch and step say it
        self._runner, self._state, self._place = None, (params, opt_state), (-1, -1)

    def order(self, epoch: int) -> np.ndarray:
        """Return the rows in the order of an epoch, int [rows]."""
        return np.concatenate([self._in_order(epoch, *each) for each in enumerate(self._stretches.of(epoch))])

    def _in_order(self, epoch: int, index: int, rows: np.ndarray) -> np.ndarray:
        generator = Stretch(index).generator(self._config.seed, epoch)
        if self._is_sparse:
            return rows[sparse_order(len(rows), self._config, generator)]
        return rows[dense_order(self._needed[rows], self._config, generator)]

    def run(self, epoch: int, step: int) -> Chunk:
        """Take some steps of an epoch, from ``step`` on, of the stretch that it is in."""
        stretches = self._stretches.of(epoch) if epoch != self._place[0] else self._epoch_s
        self._epoch_s = stretches
        firsts = np.concatenate([[0], np.cumsum([len(rows) // self._config.batch_size for rows in stretches[:-1]])])
        index = int(np.searchsorted(firsts, step, side="right")) - 1
        first = int(firsts[index])
        if (epoch, index) != self._place:
            self._begin(dataclasses.replace(self._like, index=index, first_step=first), stretches[index], epoch, step)
            self._place = (epoch, index)
        assert self._runner is not None
        return self._runner.run(epoch, step - first)

    def _begin(self, stretch: Stretch, rows: np.ndarray, epoch: int, step: int) -> None:
        """Read the rows of a stretch, after those of the one before it are gone."""
        params, opt_state = self._standing()
        self._runner, self._state = None, (params, opt_state)
        examples = self._stored.read(rows)
        examples = dataclasses.replace(examples, tokens=self._whole.inputs(examples.tokens))
        self._runner = make_runner(self._student, examples, self._config, self._compaction, stretch)
        self._runner.load(params, opt_state, epoch * self._steps + step)
        self._state = None

    def _standing(self) -> tuple[Params, list[np.ndarray] | None]:
        if self._state is not None:
            return self._state
        assert self._runner is not None
        return self._runner.params(), self._runner.opt_state()

    def params(self) -> Params:
        """Return the parameters."""
        return self._standing()[0]

    def opt_state(self) -> list[np.ndarray]:
        """Return the optimiser state's leaves."""
        return self._standing()[1] or []


def runner_of(
    student: Student,
    whole: StudentConfig,
    train: Examples | StoredExamples,
    config: TrainConfig,
    compaction: Compaction,
) -> EpochRunner:
    """Return what runs a training's epochs, of rows in memory or on the disk.

    Args:
        student: the student over the compact vocabulary.
        whole: the student over the whole vocabulary.
        train: the rows; of those in memory the tokens are what ``StudentConfig.inputs`` gave.
        config: the training.
        compaction: from the whole vocabulary to the student's.
    """
    if isinstance(train, StoredExamples):
        return StreamedRunner(student, whole, train, config, compaction)
    return make_runner(student, train, config, compaction)
