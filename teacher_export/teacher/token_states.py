"""Where students' token embeddings start: at a token's mean state in the middle of the teacher.

A teacher's own table holds what a token is before anything around it is read. Half its layers later a state says what
the token means where it stands; the mean over many texts is what a student can hold of that in a table. Of a token that
no text holds, the mean is expected to be what its row of the teacher's table says by a linear map, fitted to the
others (ridge regression).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from teacher_export.teacher.families import batch_inputs, row_kinds
from teacher_export.teacher.logits import CPU_TOKENS, plan_batches, ready_for_batches

if TYPE_CHECKING:
    from distill_jax.data.ragged import Ragged
    from teacher_export.teacher.loading import Teacher

# The expected state of a token counts as much as so many of its occurrences.
PRIOR_OCCURRENCES = 2.0
# Tokens that are read of a text: what stands farther off says little of a token, and a text may be long.
LONGEST = 256
# The ridge's penalty, in parts of the mean variance of the table's columns.
RIDGE = 1e-3


def mean_token_states(
    teacher: "Teacher",
    tokens: "Ragged",
    *,
    precision: str,
    batch_size: int,
    advance: Callable[[int], object] = lambda _: None,
) -> np.ndarray | None:
    """Return each token's mean state after half of the teacher's layers, over the texts that hold it.

    Each state is brought to mean 0 and variance 1 over its own numbers first, for there are architectures some of
    whose states are thousands of times as large as the others.

    Args:
        teacher: the model, on the device that is to be used.
        tokens: the texts' tokens, special ones included.
        precision: of its products, as for its logits.
        batch_size: bounds a batch's memory: it has 32 times as many tokens.
        advance: is called with the number of texts done since its last call.

    Returns:
        float32 [vocab_size, hidden]; None where the texts have no token, or the model shows no state for each, or one
        of the numbers is not finite or too large for float16, as which they are kept.

    Raises:
        InputError: a batch does not fit the GPU's memory.
    """
    if not len(tokens.ids):
        return None
    seen, occurrences = np.unique(tokens.ids, return_counts=True)
    # As on a CPU on a GPU too, for a batch's states of all layers are held at once.
    batches = plan_batches(tokens.lengths, batch_size * CPU_TOKENS, row_kinds(teacher.model, tokens))
    fill_id, sums = teacher.fill_id, None  # the model's own word for it changes below
    with torch.inference_mode(), ready_for_batches(teacher.model, batch_size):
        for rows in batches:
            batch = tokens.take(rows)
            states = _states(teacher, batch, fill_id, precision)
            if states is None:
                return None
            if sums is None:
                sums = torch.zeros(len(seen), states.shape[1])
            # On the CPU: a GPU would add in an order of chance.
            sums.index_add_(0, torch.from_numpy(np.searchsorted(seen, batch.ids)), states)
            advance(len(rows))
    if sums is None or not sums.isfinite().all():
        return None
    found = _shrunk(teacher.token_embeddings(), seen, sums.numpy(), occurrences.astype(np.float32)[:, None])
    return found if np.abs(found).max() <= np.finfo(np.float16).max else None  # as NaN is not either


def _states(teacher: "Teacher", batch: "Ragged", fill_id: int, precision: str) -> torch.Tensor | None:
    """Return the states of a batch's tokens, one row after the other, float32 [tokens, hidden]."""
    device = next(teacher.model.parameters()).device
    arrays = batch_inputs(batch, fill_id, teacher.segments)
    inputs = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    with torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32"):
        states = _middle(teacher.model(**inputs, output_hidden_states=True))
    if states is None or states.shape[:2] != inputs["input_ids"].shape:
        return None
    is_token = torch.from_numpy(np.arange(states.shape[1]) < batch.lengths[:, None])
    own = states.float().cpu()[is_token]
    return torch.nn.functional.layer_norm(own, own.shape[1:])


def _middle(output: Any) -> torch.Tensor | None:
    """Return the states after half of the layers, [rows, tokens, hidden]: of two stacks, of that which reads."""
    for name in ("encoder_hidden_states", "hidden_states"):
        states = getattr(output, name, None)
        if states is not None and len(states) > 1:
            found: torch.Tensor = states[len(states) // 2]
            return found
    return None


def _shrunk(table: np.ndarray, seen: np.ndarray, sums: np.ndarray, occurrences: np.ndarray) -> np.ndarray:
    """Return the means, drawn towards what the teacher's table leads one to expect, float32 [vocab_size, hidden].

    Args:
        table: float32 [vocab_size, dim], the teacher's.
        seen: int [n], the tokens that there are means of.
        sums: float32 [n, hidden], over their occurrences.
        occurrences: float32 [n, 1].
    """
    weights, means = (occurrences / (occurrences + PRIOR_OCCURRENCES)).astype(np.float64), sums / occurrences
    centre, middle = (np.average(rows, axis=0, weights=weights[:, 0]) for rows in (table[seen], means))
    inputs = table[seen] - centre
    square = inputs.T @ (weights * inputs)
    square[np.diag_indices_from(square)] += RIDGE * np.trace(square) / len(square) + np.finfo(np.float32).tiny
    slopes = np.linalg.solve(square, inputs.T @ (weights * (means - middle))).astype(np.float32)
    result = (table - centre.astype(np.float32)) @ slopes + middle.astype(np.float32)
    result[seen] = (sums + PRIOR_OCCURRENCES * result[seen]) / (occurrences + PRIOR_OCCURRENCES)
    return result
