"""What a teacher says of tokens whatever the text: each one's mean state in its middle, where embeddings start.

A teacher's own table holds what a token is before anything around it is read. Half its layers later a state says what
the token means where it stands; the mean over many texts is what a student can hold of that in a table. Of a token that
no text holds, the mean is expected to be what its row of the teacher's table says by a linear map, fitted to the
others (ridge regression). The states around these means vary the most along some directions, and what a context adds
to a token is said along them (``hint_map``).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from distill_jax.principal import principal_directions
from teacher_export.teacher.families import batch_inputs, row_kinds
from teacher_export.teacher.labeller import TokenStates
from teacher_export.teacher.logits import CPU_TOKENS, plan_batches, ready_for_batches
from teacher_export.teacher.middle import middle_states, normalised, of_tokens, require_hint_width

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
    hint_width: int = 0,
    advance: Callable[[int], object] = lambda _: None,
) -> TokenStates | None:
    """Return each token's mean state after half of the teacher's layers, over the texts that hold it.

    Each state is brought to mean 0 and variance 1 over its own numbers first.

    Args:
        teacher: the model, on the device that is to be used.
        tokens: the texts' tokens, special ones included.
        precision: of its products, as for its logits.
        batch_size: bounds a batch's memory: it has 32 times as many tokens.
        hint_width: along how many directions hints are made; 0 = there are none.
        advance: is called with the number of texts done since its last call.

    Returns:
        The table, [vocab_size, hidden], and directions of hints: the principal ones of the states around their tokens'
        means, divided by the root of their mean variance, so that hints vary by 1. None where the texts have no token,
        or the model shows no state for each, or one of the table's numbers is not finite or too large for float16, as
        which they are kept.

    Raises:
        InputError: a batch does not fit the GPU's memory; a hint has more numbers than a state.
    """
    if not len(tokens.ids):
        return None
    seen, occurrences = np.unique(tokens.ids, return_counts=True)
    # As on a CPU on a GPU too, for a batch's states of all layers are held at once.
    batches = plan_batches(tokens.lengths, batch_size * CPU_TOKENS, row_kinds(teacher.model, tokens))
    fill_id, sums, squares = teacher.fill_id, None, torch.zeros(())  # the model's own word for it changes below
    with torch.inference_mode(), ready_for_batches(teacher.model, batch_size):
        for rows in batches:
            batch = tokens.take(rows)
            states = _states(teacher, batch, fill_id, precision)
            if states is None:
                return None
            if sums is None:
                sums = torch.zeros(len(seen), states.shape[1])
                squares = torch.zeros(states.shape[1], states.shape[1], dtype=torch.float64)
            # On the CPU: a GPU would add in an order of chance.
            sums.index_add_(0, torch.from_numpy(np.searchsorted(seen, batch.ids)), states)
            if hint_width:
                squares += (states.T @ states).double()
            advance(len(rows))
    if sums is None or not sums.isfinite().all():
        return None
    counts = occurrences.astype(np.float32)[:, None]
    found = _shrunk(teacher.word_embeddings(), seen, sums.numpy(), counts)
    if not np.abs(found).max() <= np.finfo(np.float16).max:  # NaN is not either
        return None
    return TokenStates(found, _directions(squares.numpy(), sums.numpy(), counts, hint_width) if hint_width else None)


def _directions(squares: np.ndarray, sums: np.ndarray, occurrences: np.ndarray, width: int) -> np.ndarray:
    """Return the directions of hints, float32 [hidden, width].

    Args:
        squares: float64 [hidden, hidden], the sum of all states' outer products.
        sums: float32 [n, hidden], of each token's states.
        occurrences: float32 [n, 1].
        width: how many.
    """
    require_hint_width(width, len(squares))
    sums = sums.astype(np.float64)
    variances, directions = principal_directions((squares - sums.T @ (sums / occurrences)) / occurrences.sum())
    size = np.sqrt(variances[:width].mean()) or 1.0
    return (directions[:, :width] / size).astype(np.float32)


def _states(teacher: "Teacher", batch: "Ragged", fill_id: int, precision: str) -> torch.Tensor | None:
    """Return the states of a batch's tokens, one row after the other, float32 [tokens, hidden]."""
    device = next(teacher.model.parameters()).device
    arrays = batch_inputs(batch, fill_id, teacher.segments)
    inputs = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    with torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32"):
        states = middle_states(teacher.model(**inputs, output_hidden_states=True))
    if states is None or states.shape[:2] != inputs["input_ids"].shape:
        return None
    return normalised(of_tokens(states.float().cpu(), batch.lengths))


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
