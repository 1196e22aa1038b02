"""A teacher's states at each token in its middle, where they say the most of what a token means in its place."""

from typing import Any

import numpy as np
import torch

from distill_jax.errors import InputError


def middle_of(layers: int) -> int:
    """Return how many of a teacher's layers are run before its middle."""
    return (layers + 1) // 2


def middle_states(output: Any) -> torch.Tensor | None:
    """Return the states in the middle, [rows, tokens, hidden]: of two stacks, of that which reads.

    Args:
        output: what a model of transformers returns with ``output_hidden_states``.
    """
    for name in ("encoder_hidden_states", "hidden_states"):
        states = getattr(output, name, None)
        if states is not None and len(states) > 1:
            found: torch.Tensor = states[middle_of(len(states) - 1)]  # the first are before all layers
            return found
    return None


def require_hint_width(width: int, hidden: int | None) -> None:
    """Raise ``InputError`` where hints would have more numbers than states; None = how many those have is not known."""
    if hidden is not None and width > hidden:
        raise InputError(f"--hint-width {width}: expected {hidden} at most, the teacher's own width")


def of_tokens(states: torch.Tensor, lengths: np.ndarray) -> torch.Tensor:
    """Return states [rows, width, hidden] one row after the other without their padding, [tokens, hidden].

    Args:
        states: of padded rows.
        lengths: int [rows], their tokens.
    """
    is_token = torch.from_numpy(np.arange(states.shape[1]) < lengths[:, None])
    return states[is_token.to(states.device)]


def normalised(states: torch.Tensor) -> torch.Tensor:
    """Return states [tokens, hidden], each with mean 0 and variance 1 over its own numbers.

    For there are architectures some of whose states are thousands of times as large as the others.
    """
    return torch.nn.functional.layer_norm(states, states.shape[1:])
