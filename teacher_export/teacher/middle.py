"""A teacher's states at each token in its middle, where they say the most of what a token means in its place."""

from typing import Any

import torch

from distill_jax.errors import InputError


def middle_states(output: Any) -> torch.Tensor | None:
    """Return the states after half of the layers, [rows, tokens, hidden]: of two stacks, of that which reads.

    Args:
        output: what a model of transformers returns with ``output_hidden_states``.
    """
    for name in ("encoder_hidden_states", "hidden_states"):
        states = getattr(output, name, None)
        if states is not None and len(states) > 1:
            found: torch.Tensor = states[len(states) // 2]
            return found
    return None


def require_hint_width(width: int, hidden: int | None) -> None:
    """Raise ``InputError`` where hints would have more numbers than states; None = how many those have is not known."""
    if hidden is not None and width > hidden:
        raise InputError(f"--hint-width {width}: expected {hidden} at most, the teacher's own width")


def normalised(states: torch.Tensor) -> torch.Tensor:
    """Return states [tokens, hidden], each with mean 0 and variance 1 over its own numbers.

    For there are architectures some of whose states are thousands of times as large as the others.
    """
    return torch.nn.functional.layer_norm(states, states.shape[1:])
