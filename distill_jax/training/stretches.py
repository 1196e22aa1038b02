"""Stretches of an epoch: which rows are in memory together, and what the steps on them have of the whole epoch."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from distill_jax.config import TrainConfig, bytes_of
from distill_jax.data.batching import shuffled_by_length
from distill_jax.data.examples import Examples
from distill_jax.data.stored_examples import StoredExamples
from distill_jax.errors import InputError
from distill_jax.students.config import BagConfig, StudentConfig
from distill_jax.training.epoch_rows import EpochRows

_PART_ORDER = 0x70617274  # tells the parts' order from the rows', of the same seed and epoch
_STRETCH = 0x73747265  # tells what is drawn for a later stretch from what is for the first
_ROW_BYTES = 128  # a row's labels, places and bookkeeping, several times, while it is in memory
_KNOWN_BYTES = 48  # what is known of every row, and what an epoch says of it
_PROGRAM_BYTES = 550_000_000
_SEQUENCE_BYTES = 400_000_000  # more for a student that reads words in their order: its programs are compiled by length
_PARAMETER_TIMES = 10


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Consecutive steps of an epoch, whose rows a runner has in memory; the default is a whole epoch.

    Attributes:
        index: which of the epoch's it is.
        first_step: how many steps of the epoch come before it.
        steps: the epoch's; None = these are all.
        rows: to how many rows arrays are filled up at least, so that stretches share compiled programs; 0 = to whole
            batches.
        tokens: the same of the array of tokens.
        cuts: the lengths that batches may be cut to; () = those that suit these rows.
    """

    index: int = 0
    first_step: int = 0
    steps: int | None = None
    rows: int = 0
    tokens: int = 0
    cuts: tuple[int, ...] = ()

    def rates(self, config: TrainConfig, epoch: int, steps: int) -> np.ndarray:
        """Return the learning rates of the stretch's ``steps``, float64 [steps]."""
        return self._own(config.learning_rates(epoch, self.steps or steps), steps)

    def hint_weights(self, config: TrainConfig, epoch: int, steps: int) -> np.ndarray:
        """Return the weights of hints in the stretch's ``steps``, float64 [steps]."""
        return self._own(config.hint_weights(epoch, self.steps or steps), steps)

    def _own(self, of_epoch: np.ndarray, steps: int) -> np.ndarray:
        return of_epoch[self.first_step : self.first_step + steps]

    def generator(self, seed: int, epoch: int, *what: int) -> np.random.Generator:
        """Return what the rows' order is drawn with; or something else of an epoch, told by ``what``."""
        return np.random.default_rng([seed, epoch, *what, *([_STRETCH, self.index] if self.index else [])])


WHOLE_EPOCH = Stretch()


def dense_order(needed: np.ndarray, config: TrainConfig, generator: np.random.Generator) -> np.ndarray:
    """Return rows in the order of an epoch, int64 [n]: shuffled, those of like length stand together in batches.

    Args:
        needed: the tokens that each row is cut to at least, [n].
        config: the training; without ``shuffle`` the rows stay in their order.
        generator: draws it.
    """
    return shuffled_by_length(needed, config.batch_size, generator) if config.shuffle else np.arange(len(needed))


def sparse_order(rows: int, config: TrainConfig, generator: np.random.Generator) -> np.ndarray:
    """Return what ``dense_order`` does where rows of any length stand together."""
    return generator.permutation(rows) if config.shuffle else np.arange(rows)


class Stretches:
    """The stretches of a training's epochs: parts in a random order, and so many together as there is room for.

    A stretch ends where a batch does, so that an epoch has the batches of one whose rows are all in memory; the rows
    that its last part has left begin the next one.

    Args:
        stored: the rows.
        config: the training.

    Raises:
        InputError: the largest part alone takes more room than there is.
    """

    def __init__(self, stored: StoredExamples, config: TrainConfig) -> None:
        self._stored, self._config = stored, config
        self.plan = EpochRows.of(stored, config)
        costs = row_costs(stored)
        self._costs = np.concatenate([[0], np.cumsum(costs)])
        stops = stored.part_stops
        self._part_costs = np.diff(self._costs[stops], prepend=0)
        least = int(self._part_costs.max() + config.batch_size * costs.max())
        if least > stored.room:
            beside = bytes_of(config.memory) - stored.room
            enough = -(-(beside + least) // 10**6)
            raise InputError(
                f"--memory {config.memory}: expected room for the largest part's rows, {least:,} bytes, beside "
                f"{beside:,} that the student, its scores and JAX take; give at least {enough}MB, "
                "or export smaller parts (--part-rows)"
            )

    def of(self, epoch: int) -> list[np.ndarray]:
        """Return the rows of each stretch of an epoch, int64, ascending; all but the last are whole batches."""
        rows = np.sort(self.plan.rows(epoch))
        stops = np.searchsorted(rows, self._stored.part_stops)
        starts = np.concatenate([[0], stops[:-1]])
        order = np.arange(len(stops))
        if self._config.shuffle:
            order = np.random.default_rng([self._config.seed, epoch, _PART_ORDER]).permutation(order)
        found: list[np.ndarray] = []
        waiting: list[np.ndarray] = []
        taken = 0
        batch = self._config.batch_size
        for part in order.tolist():
            if taken and taken + self._part_costs[part] > self._stored.room:
                together = np.concatenate(waiting)
                full = len(together) // batch * batch
                found.append(np.sort(together[:full]))
                waiting, taken = [together[full:]], self._cost(together[full:])
            waiting.append(rows[starts[part] : stops[part]])
            taken += int(self._part_costs[part])
        found.append(np.sort(np.concatenate(waiting)))
        return [rows for rows in found if len(rows)]

    def _cost(self, rows: np.ndarray) -> int:
        return int((self._costs[rows + 1] - self._costs[rows]).sum())


def row_costs(stored: StoredExamples) -> np.ndarray:
    """Return about how many bytes each row takes while it is in memory and made ready for steps, int64 [n].

    Its tokens are there as they were read and put together, as the student's inputs, in the ids that occur, and in the
    array that steps read; n-grams are hashed in 64 bits. Logits and hints are there as read, put together and
    filled up.
    """
    a_token = 4 * (3 + 4 * stored.width) + (32 if stored.width > 1 else 0) + 4 * stored.hint_width
    a_row = _ROW_BYTES + 16 * stored.manifest.num_labels
    return stored.lengths.astype(np.int64) * a_token + a_row


def memory_beside_rows(student: StudentConfig, stored: StoredExamples, evaluated: Sequence[Examples]) -> int:
    """Return about how many bytes a training takes beside the rows that it learns from.

    That is Python, JAX and its compiled programs; the parameters, which the optimiser, gradients, snapshots and
    checkpoints hold several times; what is known of every row; the splits that are evaluated; and a part being read.
    """
    layout = student.parameter_layout().values()
    parameters = sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in layout)
    infos, stops = stored.infos, stored.part_stops
    tokens = np.diff(np.concatenate([[0], np.cumsum(stored.lengths, dtype=np.int64)])[stops], prepend=0)
    a_part = int(tokens.max()) * (8 + stored.manifest.hint_width) + max(info.examples for info in infos) * (
        16 + 8 * stored.manifest.num_labels
    )
    splits = sum(8 * (1 + 2 * stored.width) * len(split.tokens.ids) + _ROW_BYTES * len(split) for split in evaluated)
    programs = _PROGRAM_BYTES + (0 if isinstance(student, BagConfig) else _SEQUENCE_BYTES)
    return programs + _PARAMETER_TIMES * parameters + _KNOWN_BYTES * len(stored) + splits + a_part
