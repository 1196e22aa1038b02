"""The state dict in a checkpoint's file."""

from pathlib import Path

import numpy as np

from distill_jax.errors import InputError, refusing


def read_state(source: Path) -> dict[str, np.ndarray]:
    """Read a file of ``torch.save(model.state_dict(), FILE)``, unpickling nothing but tensors: name → float32 array.

    Raises:
        InputError: it is no such file, or a number in it is not finite.
    """
    import torch

    expected = "expected a file of torch.save(model.state_dict(), FILE), got something else"
    with refusing(lambda reason: f"checkpoint {source}: {expected} ({reason})"):
        found = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(found, dict):
        raise InputError(f"checkpoint {source}: expected a state dict, got {type(found).__name__}")
    state = {}
    for key, tensor in found.items():
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            what = f"a tensor of {tensor.dtype}" if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise InputError(
                f"checkpoint {source}: {key}: expected a tensor of floating-point numbers, got {what}; "
                "save model.state_dict() itself"
            )
        state[str(key)] = tensor.detach().to(torch.float32).numpy()
        if not np.isfinite(state[str(key)]).all():
            raise InputError(
                f"checkpoint {source}: {key}: expected finite numbers, got NaN or infinity; train it again"
            )
    return state
