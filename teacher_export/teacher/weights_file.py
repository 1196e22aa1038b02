"""Read weight files without unpickling anything but tensors and plain containers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.errors import InputError, refusing

if TYPE_CHECKING:
    import torch


_WRAPPERS = ("state_dict", "model_state_dict")
_PARALLEL_PREFIX = "module."


def read_state_dict(path: Path) -> "dict[str, torch.Tensor]":
    """Return the weights of a file saved by ``torch.save(model.state_dict(), path)``, or of a ``.safetensors`` file.

    The dict may stand inside ``{"state_dict": …}`` or ``{"model_state_dict": …}``, its names after ``module.``.
    Nothing is unpickled but tensors and plain containers.

    Raises:
        InputError: it is something else.
    """
    import torch

    value = _read_weights_file(path)
    for name in _WRAPPERS:
        if isinstance(value, dict) and isinstance(value.get(name), dict):
            value = value[name]
    if not isinstance(value, dict) or not value or not all(isinstance(item, torch.Tensor) for item in value.values()):
        raise InputError(
            f"--state-dict {path}: expected names and tensors, as torch.save(model.state_dict(), FILE) writes, got "
            f"{type(value).__name__}"
        )
    if all(key.startswith(_PARALLEL_PREFIX) for key in value):
        return {key.removeprefix(_PARALLEL_PREFIX): tensor for key, tensor in value.items()}
    return dict(value)


def require_plain(tensor: "torch.Tensor", what: str, *, is_real: bool) -> None:
    """Raise ``InputError`` unless a model can take a tensor's numbers as they are.

    Args:
        tensor: it.
        what: begins the message.
        is_real: whether the model has floating-point numbers there, or whole ones.
    """
    import torch

    kind = "sparse" if tensor.layout != torch.strided else tensor.device.type
    if kind != "cpu" or tensor.is_floating_point() != is_real or tensor.is_complex():
        found = str(tensor.dtype).removeprefix("torch.") if kind == "cpu" else f"{kind} ones"
        raise InputError(
            f"{what}: expected a dense tensor of {'floating-point' if is_real else 'whole'} numbers, got {found}; "
            "convert the weights before you save them"
        )


def _read_weights_file(path: Path) -> Any:
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        return load_tensors(path, "a file by torch.save(model.state_dict(), FILE), given as --state-dict")
    with refusing(lambda reason: f"--state-dict {path}: expected a safetensors file, this one is damaged ({reason})"):
        return load_file(path)


def load_tensors(path: Path, expected: str) -> Any:
    """Return what ``torch.save`` wrote to ``path``, its tensors on the CPU.

    Args:
        path: the file.
        expected: ends the error message's "FILE: expected …".

    Raises:
        InputError: the file is damaged, or holds other objects than tensors and plain containers.
    """
    import torch

    with refusing(lambda reason: f"{path}: expected {expected}; it is damaged or holds other objects ({reason})"):
        return torch.load(path, map_location="cpu", weights_only=True)
