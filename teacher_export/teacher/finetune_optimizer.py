"""Where a transformer's weights stand, from its embeddings up to its head: layers kept as they are, rates by layer."""

from typing import Any

import torch

from distill_jax.errors import InputError

WEIGHT_DECAY = 0.01
WARM_UP = 0.1


def layers_of(model: Any) -> list[str]:
    """Return the names of a model's layers, the lowest first: the members of its outermost lists of modules."""
    lists: list[str] = []
    for name, module in model.named_modules():
        is_within = any(name.startswith(f"{outer}.") for outer in lists)
        if isinstance(module, torch.nn.ModuleList) and len(module) and not is_within:
            lists.append(name)
    return [f"{outer}.{index}" for outer in lists for index in range(len(model.get_submodule(outer)))]


def depths(model: Any) -> dict[str, int]:
    """Return each weight's depth: 0 for the embeddings, 1 for the first layer, …, one more than the last's above it.

    What stands between two layers has the lower one's; what is no part of the encoder is above it.
    """
    layers, encoder = layers_of(model), f"{model.base_model_prefix}."
    found: dict[str, int] = {}
    reached = 0
    for name, _ in model.named_parameters():
        inside = next((depth for depth, layer in enumerate(layers, 1) if name.startswith(f"{layer}.")), None)
        reached = max(reached, inside or 0)
        is_above = not name.startswith(encoder) or (inside is None and reached == len(layers))
        found[name] = len(layers) + 1 if is_above else inside or reached
    return found


def freeze(model: Any, layers: int | None) -> None:
    """Let the embeddings and the first layers stay as they are.

    Args:
        model: the classifier.
        layers: how many; 0 = the embeddings alone, None = all are trained.

    Raises:
        InputError: it has fewer.
    """
    if layers is None:
        return
    there = len(layers_of(model))
    if layers > there:
        raise InputError(f"--finetune-freeze: expected at most {there}, the layers of this teacher, got {layers}")
    of = depths(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(of[name] > layers)


def set_training(model: Any) -> None:
    """Put a model into training mode, but for the parts that stay as they are: dropout would only blur these."""
    model.train()
    for module in model.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()


def make_optimizer(model: Any, learning_rate: float, layer_decay: float = 1.0) -> torch.optim.AdamW:
    """Return AdamW that decays matrices and leaves biases and LayerNorm weights alone.

    Args:
        model: the classifier; weights that stay as they are are left out.
        learning_rate: the head's.
        layer_decay: what a layer's rate is of the one's above it.
    """
    of = {} if layer_decay == 1 else depths(model)
    by_depth: dict[int, list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            by_depth.setdefault(of.get(name, 0), []).append(parameter)
    top = max(of.values(), default=0)
    groups = []
    for depth, parameters in sorted(by_depth.items()):
        rate = learning_rate * layer_decay ** (top - depth)
        matrices = [parameter for parameter in parameters if parameter.ndim > 1]
        others = [parameter for parameter in parameters if parameter.ndim <= 1]
        groups.append({"params": matrices, "weight_decay": WEIGHT_DECAY, "lr": rate})
        groups.append({"params": others, "weight_decay": 0.0, "lr": rate})
    # One pass over the weights, in a sixth of the time of a pass for each operation: a sixth of a bfloat16 step less.
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def rate_factor(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: up in a line over the first tenth, then down to 0."""
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return max(0.0, (steps - step) / max(1, steps - warm_up))
