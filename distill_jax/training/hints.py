"""Hints: a student's state at each token learns what the context adds there in the teacher, beside the logits.

After Romero et al. 2015, "FitNets". A linear map from the one to the other is learnt with the student and thrown away
after the training. A text then teaches at each of its tokens, and not by its few logits alone. Hints help at the
beginning and stand in the way at the end, so that their weight falls to 0 (``TrainConfig.hint_weights``).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from distill_jax.data.ragged import Ragged, spans
from distill_jax.export.format import HINT_STEP
from distill_jax.students.params import Params
from distill_jax.training.token_arrays import aligned

HINT_MAP = "hint_map"
"""The map's name among what is trained; no student has a parameter of this name."""

_DRAW = 0x68696E74  # tells this draw from others of the same seed


def new_hint_map(states: int, width: int, seed: int) -> Params:
    """Return the map from a student's state at a token to its hint of ``width`` numbers, drawn as torch draws one.

    Args:
        states: the numbers of the student's state.
        width: those of a hint.
        seed: draws it.
    """
    bound = 1 / np.sqrt(states)
    kernel = np.random.default_rng([seed, _DRAW]).uniform(-bound, bound, (states, width))
    return {"kernel": kernel.astype(np.float32), "bias": np.zeros(width, np.float32)}


def hint_array(hints: Ragged, tokens: Ragged, room: int) -> np.ndarray:
    """Return what compiled steps read, int8 [room, width]: beside each token of ``token_arrays`` its hint.

    Args:
        hints: of the rows.
        tokens: the rows' tokens, perhaps without some at their ends.
        room: for how many tokens there is room.
    """
    held = aligned((room, hints.ids.shape[1]), np.int8)
    whole = len(hints.ids) == len(tokens.ids)
    held[: len(tokens.ids)] = hints.ids if whole else hints.ids[spans(hints.starts, tokens.lengths)]
    return held


def hint_losses(
    states: Float[Array, "batch length states"],
    hints: Int[Array, "batch length width"],
    is_token: Bool[Array, "batch length"],
    hint_map: Params,
) -> Float[Array, " batch"]:
    """Return the mean squared error of the hints as the student's states say them, over each text's tokens.

    Args:
        states: the student's.
        hints: in steps of ``HINT_STEP``.
        is_token: where there is a token; an empty text has the loss 0.
        hint_map: from the one to the other.
    """
    wanted = hints.astype(states.dtype) * HINT_STEP
    errors = jnp.square(states @ hint_map["kernel"] + hint_map["bias"] - wanted).mean(axis=-1)
    return jnp.where(is_token, errors, 0).sum(axis=1) / jnp.maximum(is_token.sum(axis=1), 1)
