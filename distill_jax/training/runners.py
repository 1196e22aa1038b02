"""How an epoch is run: many sparse SGD steps in one compiled loop, or dense steps called one after the other.

XLA on the CPU runs what stands inside a loop without its fast multi-threaded convolution and matrix product, so the
CNN's steps are called from Python; the linear student's steps are so small that only a loop is fast.
"""

import dataclasses
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from distill_jax.config import TrainConfig
from distill_jax.data.batching import length_buckets, padded_rows
from distill_jax.data.compaction import Compaction
from distill_jax.data.examples import Examples
from distill_jax.data.ragged import Ragged
from distill_jax.jax_setup import loops_are_fused
from distill_jax.losses import objective_of
from distill_jax.students.config import BagConfig
from distill_jax.students.params import Params
from distill_jax.students.student import Student
from distill_jax.training.epoch_rows import EpochRows
from distill_jax.training.hints import HINT_MAP, hint_array, new_hint_map
from distill_jax.training.optimizers import make_optimizer
from distill_jax.training.placement import Placement
from distill_jax.training.sparse_sgd import narrow, sparse_sgd_steps, widen
from distill_jax.training.steps import apply_gradients, batch_gradients
from distill_jax.training.stretches import WHOLE_EPOCH, Stretch, dense_order, sparse_order
from distill_jax.training.token_arrays import token_arrays

# How much is run between two looks of the host. They decide the speed and no number.
ROWS_PER_CHUNK = 8192
STEPS_PER_CHUNK = 64
UNROLL = 8


@dataclasses.dataclass
class Chunk:
    """What a run of consecutive steps gave: each step's loss [steps], each row's answer [rows]."""

    losses: np.ndarray
    predictions: np.ndarray


class EpochRunner(Protocol):
    """Runs an epoch's steps, some at a time; parameters and optimiser state live in it, on the device."""

    def load(self, params: Params, opt_state: list[np.ndarray] | None, global_step: int) -> None:
        """Take parameters, the optimiser state's leaves (None = a new one) and the count of steps done."""

    def run(self, epoch: int, step: int) -> Chunk:
        """Take some steps of an epoch, from ``step`` on."""

    def order(self, epoch: int) -> np.ndarray:
        """Return the rows in the order of an epoch, int [rows]."""

    def params(self) -> Params:
        """Return the parameters."""

    def opt_state(self) -> list[np.ndarray]:
        """Return the optimiser state's leaves, as ``jax.tree.leaves`` orders them."""


def make_runner(
    student: Student, train: Examples, config: TrainConfig, compaction: Compaction, stretch: Stretch = WHOLE_EPOCH
) -> EpochRunner:
    """Return the fastest exact runner of rows in memory: sparse for a bag of n-grams under SGD, dense for all others.

    Args:
        student: the student over the compact vocabulary.
        train: rows in the ids of the whole vocabulary.
        config: the training.
        compaction: from the whole vocabulary to the student's.
        stretch: what of an epoch the rows are.
    """
    if student.config.takes_sparse_steps(config.optimizer):
        return SparseSgdRunner(student, train, config, compaction, rows_per_chunk=ROWS_PER_CHUNK, stretch=stretch)
    return DenseRunner(student, train, config, compaction, steps_per_chunk=STEPS_PER_CHUNK, stretch=stretch)


def _teacher_logits(train: Examples, num_labels: int) -> np.ndarray:
    if train.teacher_logits is not None:
        return train.teacher_logits
    return np.zeros((len(train), num_labels), np.float32)


def _row_weights(train: Examples) -> dict[str, np.ndarray]:
    """Return the rows' weights under the name that the steps know them by; nothing where every row counts as one."""
    return {} if train.weights is None else {"row_weights": train.weights}


class SparseSgdRunner:
    """A bag of n-grams under SGD: its texts' tokens on the device, thousands of steps in a compiled loop.

    It runs on the CPU also where a GPU is: a loop of such small steps is bound by launches there.
    """

    def __init__(
        self,
        student: Student,
        train: Examples,
        config: TrainConfig,
        compaction: Compaction,
        *,
        rows_per_chunk: int = ROWS_PER_CHUNK,
        stretch: Stretch = WHOLE_EPOCH,
    ) -> None:
        self._student, self._config, self._objective = student, config, objective_of(config, student.config.labelling)
        self._device = jax.devices("cpu")[0]
        self._plan = EpochRows.of(train, config)
        self._rows = len(self._plan)
        self._stretch, batch = stretch, config.batch_size
        most = max(self._rows, stretch.rows)
        self._chunk = min(max(batch, rows_per_chunk // batch * batch), -(-most // batch) * batch)
        # Padding is left out wherever it stands: its embedding is zero and frozen.
        self._texts, self._length = compaction.apply(train.tokens).flattened().without(compaction.pad_id), train.length
        self._read(self._texts)
        self._arrays = {
            "labels": train.labels,
            "teacher_logits": _teacher_logits(train, student.config.num_labels),
            **_row_weights(train),
        }
        self._unroll = UNROLL if loops_are_fused() else 1
        self._epoch = -1

    def order(self, epoch: int) -> np.ndarray:
        """Return the rows in the order of an epoch; texts of like length need not stand together."""
        generator = self._stretch.generator(self._config.seed, epoch)
        return self._plan.rows(epoch)[sparse_order(self._rows, self._config, generator)]

    def _data(self, epoch: int, chunk: int) -> dict[str, Any]:
        """Return what the steps of a chunk of an epoch take, filled up with empty texts and their rates."""
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.order(epoch)
            self._rates = self._stretch.rates(self._config, epoch, -(-self._rows // self._config.batch_size))
            if self._bag.dropped_ngrams:
                self._read(self._dropped(epoch))
        rows = self._order[chunk * self._chunk : (chunk + 1) * self._chunk]
        places = self._places
        data = {name: padded_rows(array[rows], self._chunk) for name, array in {**places, **self._arrays}.items()}
        dtype = self._params["embeddings"].dtype
        data["weights"] = self._bag.text_weights(data.pop("counts"), self._length, dtype)
        steps = self._chunk // self._config.batch_size
        rates = padded_rows(self._rates[chunk * steps : (chunk + 1) * steps], steps).astype(dtype)
        return {**data, "tokens": self._tokens, "learning_rates": rates}

    @property
    def _bag(self) -> BagConfig:
        assert isinstance(self._student.config, BagConfig)
        return self._student.config

    def _read(self, texts: Ragged) -> None:
        """Take the texts' tokens, as they are in this epoch."""
        arrays = token_arrays(texts, self._stretch.tokens)
        self._tokens = jax.device_put(arrays.pop("tokens"), self._device)
        self._places = {**arrays, "counts": texts.lengths}

    def _dropped(self, epoch: int) -> Ragged:
        """Return all texts without the n-grams that are dropped in an epoch; single tokens stay."""
        chance = self._stretch.generator(self._config.seed, epoch, 1).random(len(self._texts.ids), np.float32)
        return self._texts.where((self._texts.ids < self._bag.vocab_size) | (chance >= self._bag.dropped_ngrams))

    def load(self, params: Params, opt_state: list[np.ndarray] | None, global_step: int) -> None:
        """Take parameters; plain SGD has no state, and what is dropped depends on the epoch alone."""
        del opt_state, global_step
        with jax.default_device(self._device):
            copies = jax.tree.map(jnp.array, jax.device_put(params, self._device))  # the step gives them away
            self._params = widen(copies)

    def run(self, epoch: int, step: int) -> Chunk:
        """Take the steps of one chunk, or what is left of it from ``step`` on."""
        chunk, offset = divmod(step * self._config.batch_size, self._chunk)
        if offset:
            raise ValueError(f"a chunk starts at a multiple of {self._chunk} rows, got step {step}")
        rows = min(self._chunk, self._rows - chunk * self._chunk)
        with jax.default_device(self._device):
            self._params, losses, predictions = sparse_sgd_steps(
                self._params,
                self._data(epoch, chunk),
                np.int32(rows),
                objective=self._objective,
                batch_size=self._config.batch_size,
                unroll=self._unroll,
            )
        steps = -(-rows // self._config.batch_size)
        return Chunk(np.asarray(losses)[:steps], np.asarray(predictions)[:rows])

    def params(self) -> Params:
        """Return the parameters, without the columns added for speed."""
        return narrow(self._params, self._student.config.embedding_dim)

    def opt_state(self) -> list[np.ndarray]:
        """Return nothing: plain SGD has no state."""
        return []


class DenseRunner:
    """Any student under any Optax optimiser: the split on the device, one compiled step a batch.

    The map of hints is trained as a parameter is, and kept as the optimiser's state is: no student has it.
    """

    def __init__(
        self,
        student: Student,
        train: Examples,
        config: TrainConfig,
        compaction: Compaction,
        *,
        steps_per_chunk: int = STEPS_PER_CHUNK,
        stretch: Stretch = WHOLE_EPOCH,
    ) -> None:
        self._steps_per_chunk, self._stretch = steps_per_chunk, stretch
        self._student, self._config, self._objective = student, config, objective_of(config, student.config.labelling)
        batch, pad_id = config.batch_size, student.config.pad_id
        self._plan = EpochRows.of(train, config)
        self._rows = len(self._plan)
        self._in_order = self._plan.is_whole and not config.shuffle
        tokens = compaction.apply(train.tokens).trimmed(pad_id)
        arrays = token_arrays(tokens, stretch.tokens)
        self._room = -(-max(len(train), stretch.rows) // batch) * batch
        by_row = {
            "starts": arrays["starts"],
            "stops": arrays["stops"],
            "labels": train.labels,
            "teacher_logits": _teacher_logits(train, student.config.num_labels),
            **_row_weights(train),
        }
        by_token = {"tokens": arrays["tokens"]}
        self._hint_map: Params | None = None
        if config.hint_weight:
            assert train.hints is not None  # ``check_examples`` saw to that
            by_token["hints"] = hint_array(train.hints, tokens, len(arrays["tokens"]))
            self._hint_map = new_hint_map(student.config.token_state_width, train.hints.ids.shape[1], config.seed)
        self._placement = Placement(config)
        self._data = {
            **{name: self._placement.put(array) for name, array in by_token.items()},
            **{name: self._placement.put(padded_rows(array, self._room)) for name, array in by_row.items()},
            "rows": self._placement.put(np.int32(self._rows)),
            "dropout_key": self._placement.dropout_key(config.seed),
        }
        needed = padded_rows(tokens.lengths, self._room) + student.config.cut_margin
        self._length, self._needed = train.length, np.minimum(needed, train.length)
        self._buckets = np.array(stretch.cuts) if stretch.cuts else None
        self._order_room = -(-max(self._rows, stretch.rows) // batch) * batch
        self._epoch = -1
        self._begin_epoch(0)

    def order(self, epoch: int) -> np.ndarray:
        """Return the rows in the order of an epoch; shuffled, texts of like length stand together in batches."""
        return self._order_of(self._config.seed, epoch)

    def _order_of(self, seed: int, epoch: int) -> np.ndarray:
        rows = self._plan.rows(epoch)
        return rows[dense_order(self._needed[rows], self._config, self._stretch.generator(seed, epoch))]

    def _needed_by_batch(self, order: np.ndarray) -> np.ndarray:
        return self._needed[order].reshape(-1, self._config.batch_size).max(axis=1)

    def _begin_epoch(self, epoch: int) -> None:
        """Choose what each batch of an epoch is cut to, and its steps' learning rates.

        The lengths to choose from suit the first epoch of seed 0, whatever the seed: every seed then runs the same
        compiled programs.
        """
        if epoch == self._epoch:
            return
        begun, self._epoch = self._epoch >= 0, epoch
        steps = -(-self._rows // self._config.batch_size)
        self._rates = self._stretch.rates(self._config, epoch, steps)
        self._hint_weights = self._stretch.hint_weights(self._config, epoch, steps)
        if begun and self._in_order:
            return
        padding = np.full(-self._rows % self._config.batch_size, len(self._needed) - 1)  # rows that do not count
        if self._buckets is None:
            typical = self._needed_by_batch(np.concatenate([self._order_of(0, 0), padding]))
            self._buckets = np.unique([*length_buckets(typical, self._length), self._needed.max()])
        order = np.concatenate([self.order(epoch), padding])
        self._cuts = self._buckets[np.searchsorted(self._buckets, self._needed_by_batch(order))]
        if not self._in_order:
            order = padded_rows(order, self._order_room).astype(np.int32)
            self._data = {**self._data, "order": self._placement.put(order)}

    def load(self, params: Params, opt_state: list[np.ndarray] | None, global_step: int) -> None:
        """Take parameters, the optimiser state's leaves (None = a new one) and the steps done, for the dropout."""
        trained = self._with_map(params, self._hint_map)
        optimizer = make_optimizer(self._config.optimizer, 0.0, self._config.clip_norm)
        state, hint_map = optimizer.init(trained), self._hint_map
        if opt_state is not None:
            state, hint_map = jax.tree.unflatten(jax.tree.structure((state, hint_map)), opt_state)
        # Copies: the step gives its arguments away.
        self._params = self._placement.copied(self._with_map(params, hint_map))
        self._opt_state = self._placement.copied(state)
        self._global_step = global_step

    def run(self, epoch: int, step: int) -> Chunk:
        """Take up to ``steps_per_chunk`` steps; the host waits for the device once, at the end."""
        self._begin_epoch(epoch)
        stop = min(step + self._steps_per_chunk, len(self._cuts))
        dtype = jax.tree.leaves(self._params)[0].dtype
        rates, hint_weights = (each[step:stop].astype(dtype) for each in (self._rates, self._hint_weights))
        cursor = self._placement.copied({"step": np.int32(step), "global_step": np.int32(self._global_step)})
        results = []
        for index in range(step, stop):
            gradients, cursor, result = batch_gradients(
                self._params,
                cursor,
                self._data,
                student=self._student,
                objective=self._objective,
                batch_size=self._config.batch_size,
                length=self._length,
                cut=int(self._cuts[index]),
                shares=self._placement.rows,
                hint_weight=None if self._hint_map is None else hint_weights[index - step],
            )
            self._params, self._opt_state = apply_gradients(
                self._params,
                self._opt_state,
                gradients,
                rates[index - step],
                optimizer=self._config.optimizer,
                clip_norm=self._config.clip_norm,
            )
            results.append(result)
        self._global_step += stop - step
        losses = np.array([np.asarray(loss) for loss, _ in results])
        predictions = np.concatenate([np.asarray(predicted) for _, predicted in results])
        return Chunk(losses, predictions[: self._rows - step * self._config.batch_size])

    def params(self) -> Params:
        """Return the parameters."""
        return self._placement.host({name: leaf for name, leaf in self._params.items() if name != HINT_MAP})

    def opt_state(self) -> list[np.ndarray]:
        """Return the leaves of the optimiser's state, and of the map of hints behind them."""
        return [np.asarray(leaf) for leaf in jax.tree.leaves((self._opt_state, self._params.get(HINT_MAP)))]

    @staticmethod
    def _with_map(params: Params, hint_map: Params | None) -> Params:
        """Return what is trained."""
        return params if hint_map is None else {**params, HINT_MAP: hint_map}
