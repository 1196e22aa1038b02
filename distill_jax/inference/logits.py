"""Logits of many texts: rows sorted by length, in batches.

Each batch is cut to its longest text, with a compiled program per length; or, on a CPU, what a student computes for a
token alone is looked up, in one program for all lengths.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array

from distill_jax.data.batching import length_buckets
from distill_jax.data.compaction import Compaction
from distill_jax.data.ragged import Ragged
from distill_jax.jax_setup import require_own_jax
from distill_jax.processors import usable_processors
from distill_jax.students.params import Params
from distill_jax.students.student import Student, to_device

EVAL_BATCH = 256
# On a CPU: what the CNN computes for so many tokens still fits a core's cache; with four times as many it is a third
# slower.
TOKENS_PER_BATCH = 8192
# What a program may set for its own thread: jax.enable_x64, jax.default_device, jax.default_matmul_precision, ….
_JAX_OPTIONS = [option for option in vars(jax).values() if isinstance(option, type(jax.default_device))]


def predict_logits(
    student: Student,
    params: Params,
    tokens: Ragged,
    length: int,
    batch_size: int = EVAL_BATCH,
    *,
    fixed_cuts: bool = False,
) -> np.ndarray:
    """Return the logits of rows of tokens, [rows, classes], in the rows' order.

    Args:
        student: the student.
        params: its parameters; on the device already for speed.
        tokens: the rows, or what ``StudentConfig.inputs`` made of them.
        length: the tokens that rows are padded to; no row has more.
        batch_size: rows at a time, at most.
        fixed_cuts: cut to the same few lengths in every call (for a service); otherwise to the best for these rows.
    """
    return start_logits(student, params, tokens, length, batch_size, fixed_cuts=fixed_cuts)()


def start_logits(
    student: Student, params: Params, tokens: Ragged, length: int, batch_size: int, *, fixed_cuts: bool
) -> Callable[[], np.ndarray]:
    """Start what ``predict_logits`` does, and return the function that waits for its result."""
    rows = len(tokens)
    if not rows:
        return lambda: np.zeros((0, student.config.num_labels), np.float32)
    require_own_jax()
    pad_id = student.config.pad_id
    tokens = student.config.inputs(tokens).trimmed(pad_id)
    lookups = student.config.lookup()
    lookup = lookups.of(student.config, params, tokens, length) if lookups else None
    pending: list[tuple[np.ndarray, Callable[[], jax.Array]]] = []
    with _threads(several=lookup is not None or student.config.is_loop) as start:
        if lookup is not None:
            batches = np.split(np.argsort(tokens.lengths, kind="stable"), range(batch_size, rows, batch_size))
            pending += [(index, start(lookup.logits, _filled_up(index, batch_size))) for index in batches]
        else:
            needed = np.minimum(tokens.lengths + student.config.cut_margin, length)
            for index, cut, size in _batches(needed, length, batch_size, fixed_cuts=fixed_cuts):
                batch = tokens.take(_filled_up(index, size)).padded(cut, pad_id)
                pending.append((index, start(eval_logits, params, batch, student=student, padded_length=length)))

    def finish() -> np.ndarray:
        found = [(index, np.asarray(wait())) for index, wait in pending]
        logits = np.empty((rows, student.config.num_labels), found[0][1].dtype)
        for index, batch_logits in found:
            logits[index] = batch_logits[: len(index)]
        return np.asarray(student.config.labelling.outputs(logits))

    return finish


def _filled_up(index: np.ndarray, size: int) -> np.ndarray:
    """Return ``index`` with its first row again and again behind it: no program is compiled for a short batch alone."""
    return np.concatenate([index, np.full(size - len(index), index[0])])


@contextlib.contextmanager
def _threads(*, several: bool) -> Iterator[Callable[..., Callable[[], jax.Array]]]:
    """Yield a function that starts a program and returns one that gives its result.

    XLA on the CPU runs a loop on one core: where programs are loops, ``several`` batches at once take the others.
    """
    if not several or jax.default_backend() != "cpu":

        def start(program: Callable[..., jax.Array], *arguments: Any, **options: Any) -> Callable[[], jax.Array]:
            result = program(*arguments, **options)  # it runs on while nobody waits
            return lambda: result

        yield start
        return
    chosen = {option: option.value for option in _JAX_OPTIONS}  # in the caller's thread; the others know nothing of it

    def run(program: Callable[..., jax.Array], *arguments: Any, **options: Any) -> jax.Array:
        with contextlib.ExitStack() as stack:
            for option, value in chosen.items():
                if option.value != value:
                    stack.enter_context(option(value))
            return program(*arguments, **options)

    pool = ThreadPoolExecutor(usable_processors())
    try:
        yield lambda program, *arguments, **options: pool.submit(run, program, *arguments, **options).result
    finally:
        pool.shutdown(wait=False)  # what was started goes on


def _fixed_cuts(length: int) -> np.ndarray:
    """Return 8, 16, 24, … 64, then each a third to a half longer, up to ``length`` itself."""
    cuts = [16 * factor << power for power in range(2, 28) for factor in (2, 3)]
    return np.array(sorted({cut for cut in (*range(8, 65, 8), *cuts) if cut < length} | {length}))


def _batches(
    needed: np.ndarray, length: int, batch_size: int, *, fixed_cuts: bool
) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield the rows of each batch, the length they are cut to, and how many rows the length's program takes."""
    order = np.argsort(needed, kind="stable")
    last = np.minimum(np.arange(batch_size - 1, len(needed) + batch_size - 1, batch_size), len(needed) - 1)
    cuts = _fixed_cuts(length) if fixed_cuts else length_buckets(needed[order][last], length)
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size]
        cut = int(cuts[np.searchsorted(cuts, needed[index[-1]])])
        size = batch_size
        while jax.default_backend() == "cpu" and size * cut > TOKENS_PER_BATCH and size % 2 == 0:
            size //= 2
        for first in range(0, len(index), size):
            yield index[first : first + size], cut, size


def split_logits(
    student: Student, inputs: Ragged, length: int, compaction: Compaction
) -> Callable[[Params], np.ndarray]:
    """Return the function from parameters to a split's logits, [n, classes], for use after epoch upon epoch.

    Args:
        student: the student over the compact vocabulary.
        inputs: what ``StudentConfig.inputs`` gave, in the ids of the whole vocabulary.
        length: the tokens that rows are padded to.
        compaction: from the whole vocabulary to the student's.
    """
    config, inputs = student.config, compaction.apply(inputs)
    if not config.is_linear:
        return lambda params: predict_logits(student, to_device(params), inputs, length)

    def linear_logits(params: Params) -> np.ndarray:
        with np.errstate(all="ignore"):  # whoever asks looks whether they are finite
            scores = config.token_scores(params, length)
            assert scores is not None
            return scores.logits(inputs)

    return linear_logits


@partial(jax.jit, static_argnames=("student", "padded_length"))
def eval_logits(params: Params, input_ids: Array, *, student: Student, padded_length: int) -> Array:
    """Return logits [batch, classes] without dropout, from rows that may have been cut."""
    return student.logits(params, input_ids, padded_length=padded_length)
