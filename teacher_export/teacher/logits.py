"""The teacher's logits for ragged token ids."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from teacher_export.teacher import distilbert_inference, distilbert_packed
from teacher_export.teacher.families import Segments, batch_inputs, batches_allowed, row_kinds
from teacher_export.teacher.head import score_in_float32
from teacher_export.teacher.middle import middle_states, of_tokens

# A GPU is idle on small batches: there a batch holds this many times batch_size × max_length tokens.
GPU_TOKENS = 8
# On a CPU a batch holds this many times batch_size tokens: matrix products of fewer are slower, and what layers compute
# of more leaves the processor's cache.
CPU_TOKENS = 32
# On a CPU so many batches are computed side by side at most: each takes memory.
MOST_BATCHES = 8
# Is shown rows' numbers, and their tokens' states after half of the layers, one row after the other [tokens, hidden].
Look = Callable[[np.ndarray, torch.Tensor], None]


def plan_batches(lengths: np.ndarray, tokens: int, kinds: np.ndarray | None = None) -> list[np.ndarray]:
    """Return the rows of each batch, longest rows first: rows of like length stand together, little is padded.

    Args:
        lengths: int [n], each row's tokens.
        tokens: rows × longest row at most; a batch has one row at least.
        kinds: int [n]; the rows of a batch are of one. None = of one are all.
    """
    kinds = np.zeros_like(lengths) if kinds is None else kinds
    order = np.lexsort((kinds, -lengths))
    changes = np.flatnonzero(np.diff(kinds[order])) + 1
    batches = []
    for group in np.split(order, changes):
        start = 0
        while start < len(group):
            size = max(1, tokens // max(1, int(lengths[group[start]])))
            batches.append(group[start : start + size])
            start += size
    return batches


def predict_logits(
    model: Any,
    tokens: Ragged,
    *,
    pad_id: int,
    precision: str,
    batch_size: int,
    max_length: int,
    segments: Segments | None = None,
    where: str = "",
    advance: Callable[[int], object] = lambda _: None,
    look: Look | None = None,
) -> np.ndarray:
    """Return the logits of every row, in row order.

    Args:
        model: a sequence classifier in evaluation mode, in float32, on the device that is to be used.
        tokens: the rows' tokens, special ones included.
        precision: ``float32``; or ``bfloat16`` or ``float16``, in which products are computed, the rest in float32 (on
            a CPU nearer to float32's logits than a model stored in bfloat16: off by 0.003 against 0.006 on average).
        pad_id: fills the shorter rows of a batch, masked.
        batch_size: bounds a batch's memory: it has 32 times as many tokens, or as many rows of 32 tokens; on a GPU
            eight times as many rows of ``max_length`` tokens.
        max_length: the longest row there may be.
        segments: the ``token_type_ids`` that the model wants with a row.
        where: names the rows in an error message.
        advance: is called with the number of rows done since its last call.
        look: is called with each batch's rows and their states, maybe by several threads at once.

    Returns:
        float32 [n, classes], raw.

    Raises:
        InputError: a row's logits are not finite, or a batch does not fit the GPU's memory.
    """
    on_gpu = next(model.parameters()).device.type == "cuda"
    shows = look is not None
    # A model of transformers holds the states of all its layers where they are asked for.
    large = on_gpu and (not shows or distilbert_packed.is_supported(model, getattr(torch, precision)))
    most = batch_size * (GPU_TOKENS * max_length if large else CPU_TOKENS)
    batches = plan_batches(tokens.lengths, most, row_kinds(model, tokens))
    own = distilbert_inference.is_supported(model) and not (shows and _has_one_layer(model))
    classify, outputs = _classifier(model, precision, pad_id, segments, own=own, shows=shows), []

    def logits_of(rows: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            logits, states = classify(tokens.take(rows))
            if look is not None:
                assert states is not None  # such a teacher is refused before
                look(rows, states)
            return logits.float()

    # Side by side for our own code alone: what a model of transformers keeps while it runs is not known.
    with _side_by_side(own=own) as each, ready_for_batches(model, batch_size):
        for rows, logits in zip(batches, each(logits_of, batches), strict=True):
            outputs.append(logits)
            advance(len(rows))
    result = np.empty((len(tokens), model.config.num_labels), np.float32)
    if outputs:
        result[np.concatenate(batches)] = torch.cat(outputs).cpu().numpy()
    _require_finite(result, where)
    return result


@contextlib.contextmanager
def ready_for_batches(model: Any, batch_size: int) -> Iterator[None]:
    """Let a model compute batches, each row as alone; a batch that the GPU does not hold is an ``InputError``."""
    try:
        with batches_allowed(model), score_in_float32(model):
            yield
    except torch.OutOfMemoryError:
        raise InputError(
            f"the GPU's memory does not hold a batch of the teacher's pass; lower --batch-size (now {batch_size})"
        ) from None


@contextlib.contextmanager
def _side_by_side(*, own: bool) -> Iterator[Callable[..., Iterable[Any]]]:
    """Yield a function like ``map``, which computes several batches at a time where that is safe.

    A core to each batch is faster than all cores to each, for there are operations too small to share.
    """
    threads = torch.get_num_threads()
    workers = min(threads, MOST_BATCHES)
    if not own or workers == 1:
        yield map
        return
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,))
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # new threads would start with what the last one was set to


def _classifier(
    model: Any, precision: str, pad_id: int, segments: Segments | None, *, own: bool, shows: bool
) -> Callable[[Ragged], tuple[torch.Tensor, torch.Tensor | None]]:
    """Return the function from a batch's rows to logits, and to their tokens' states where it ``shows`` them."""
    dtype, device = getattr(torch, precision), next(model.parameters()).device
    if distilbert_packed.is_supported(model, dtype) and not (shows and _has_one_layer(model)):
        return distilbert_packed.PackedDistilBert(model, dtype, pad_id).with_states

    def autocast(**inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        with torch.autocast(device.type, dtype, enabled=precision != "float32"):
            output = model(**inputs, **({"output_hidden_states": True} if shows else {}))
        return output.logits, middle_states(output) if shows else None

    compute = distilbert_inference.DistilBertInference(model, dtype).with_states if own else autocast

    def padded(rows: Ragged) -> tuple[torch.Tensor, torch.Tensor | None]:
        arrays = batch_inputs(rows, pad_id, segments)
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if device.type == "cuda":  # pinned memory lets the copy run beside the last batch's arithmetic
            inputs = {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in inputs.items()}
        logits, states = compute(**inputs)
        if not shows or states is None:
            return logits, None
        return logits, of_tokens(states, rows.lengths)

    return padded


def _has_one_layer(model: Any) -> bool:
    """Whether the layer that our own code computes for first tokens alone is the one whose states are asked for."""
    return bool(getattr(model.config, "num_hidden_layers", 0) == 1)


def _require_finite(logits: np.ndarray, where: str) -> None:
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise InputError(
            f"{where}row {row}: the teacher's logits are not finite ({logits[row].tolist()}); try --precision float32, "
            "or check the teacher's weights"
        )
