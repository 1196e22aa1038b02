"""Whether a teacher's head answers what the data's task asks: no softmax is taken for anything else, or the reverse."""

import contextlib
from collections.abc import Iterator
from typing import Any

from distill_jax.errors import InputError
from distill_jax.tasks import MULTI_LABEL_NAME, SCORE_NAME, SINGLE_LABEL_NAME

_MULTI_LABEL, _SINGLE_LABEL, _SCORE = "multi_label_classification", "single_label_classification", "regression"
PROBLEM_TYPES: dict[str, str | None] = {
    SINGLE_LABEL_NAME: None,
    MULTI_LABEL_NAME: _MULTI_LABEL,
    SCORE_NAME: _SCORE,
}
"""What the configuration of a new head says of each task."""
_WANTED: dict[str, str] = {
    SINGLE_LABEL_NAME: "a classifier of one class a text, a softmax over two classes or more",
    MULTI_LABEL_NAME: f"a multi-label classifier (problem_type {_MULTI_LABEL})",
    SCORE_NAME: f"a regression model of one output (num_labels 1, problem_type {_SCORE} or none)",
}


def task_of_head(config: Any) -> str | None:
    """Return the task that a model's configuration says its head is for; None where it is for none of ours."""
    kind, outputs = config.problem_type, config.num_labels
    if kind == _MULTI_LABEL:
        return MULTI_LABEL_NAME
    if outputs == 1 and kind in (None, _SCORE):
        return SCORE_NAME
    return SINGLE_LABEL_NAME if outputs > 1 and kind in (None, _SINGLE_LABEL) else None


def require_head(name: str, model: Any, task: str) -> None:
    """Raise ``InputError`` for a trained head that answers something else than a task asks."""
    found = task_of_head(model.config)
    if found == task:
        return
    kind, outputs = model.config.problem_type, model.config.num_labels
    shown: dict[str, str] = {
        MULTI_LABEL_NAME: "a multi-label one (each class yes or no by itself)",
        SCORE_NAME: "one that gives a text a score",
        SINGLE_LABEL_NAME: "one of one class a text",
    }
    remedy = f", or --task {found}, which is its own" if found is not None else ""
    raise InputError(
        f"teacher {name}: expected {_WANTED[task]}, got {shown[found or SCORE_NAME]}: its configuration "
        f"says problem_type {kind or 'nothing'}, num_labels {outputs}; give another teacher, or an encoder without a "
        f"head, which gets one for the data's labels and is fine-tuned{remedy}"
    )


def last_linear(model: Any) -> Any:
    """Return the linear layer whose outputs are a model's logits: the last one outside its encoder."""
    from torch.nn import Linear

    encoder = f"{model.base_model_prefix}."
    found = [module for name, module in model.named_modules() if not name.startswith(encoder)]
    return [module for module in found if isinstance(module, Linear)][-1]


def rescale(model: Any, factor: float, summand: float) -> None:
    """Let a head give its logits times a factor, and a summand more; one without a bias has none."""
    import torch

    linear = last_linear(model)
    with torch.no_grad():
        linear.weight.mul_(factor)
        if linear.bias is not None:
            linear.bias.mul_(factor).add_(summand)


@contextlib.contextmanager
def score_in_float32(model: Any) -> Iterator[None]:
    """Let the last layer of a model of one score compute in float32 under autocast.

    A class's logit counts beside the others; a score counts as it is, and bfloat16 has none between 700 and 704.
    """
    import torch
    from torch.nn import functional

    def exactly(linear: Any, inputs: tuple[Any, ...], _: Any) -> Any:
        with torch.autocast(inputs[0].device.type, enabled=False):
            return functional.linear(inputs[0].float(), linear.weight, linear.bias)

    if model.config.num_labels > 1:
        yield
        return
    handle = last_linear(model).register_forward_hook(exactly)
    try:
        yield
    finally:
        handle.remove()
