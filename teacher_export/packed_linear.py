"""Linear maps whose weights are laid out once, as the processor wants them, and not at every batch."""

from collections.abc import Callable

import torch
from torch.nn import functional

Linear = Callable[[torch.Tensor], torch.Tensor]

_ROWS_TO_PACK_FOR = 1024  # a hint: the layout is chosen for batches of about so many tokens


def packed_linear(weight: torch.Tensor, bias: torch.Tensor, dtype: torch.dtype, *, gelu: bool = False) -> Linear:
    """Return the map from inputs [..., in] to inputs · weightᵀ + bias [..., out], with GELU behind it or not.

    Args:
        weight: [out, in].
        bias: [out].
        dtype: that of inputs and outputs; weight and bias are converted to it.
        gelu: whether the outputs go through GELU, inside the product where that is possible.
    """
    weight, bias = weight.detach().to(dtype), bias.detach().to(dtype)

    def plain(inputs: torch.Tensor) -> torch.Tensor:
        outputs = functional.linear(inputs, weight, bias)
        return functional.gelu(outputs) if gelu else outputs

    return _packed(weight, bias, gelu=gelu) or plain


def _packed(weight: torch.Tensor, bias: torch.Tensor, *, gelu: bool) -> Linear | None:
    """Return the map with weights that oneDNN has laid out; None where this torch or processor has no such thing.

    These are the operations that ``torch.compile`` itself calls; they are not part of torch's documented interface, so
    whatever goes wrong with them leaves the plain map.
    """
    try:
        lay_out, apply = (getattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise"))
        layout, name = lay_out(weight, _ROWS_TO_PACK_FOR), "gelu" if gelu else "none"

        def packed(inputs: torch.Tensor) -> torch.Tensor:
            flat = apply(inputs.reshape(-1, inputs.shape[-1]), layout, bias, name, [], "none")
            return flat.unflatten(0, inputs.shape[:-1])

        packed(torch.zeros(1, 1, weight.shape[1], dtype=weight.dtype))
    except (AttributeError, RuntimeError):
        return None
    return packed
