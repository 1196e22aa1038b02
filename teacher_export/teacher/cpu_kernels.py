"""Attention over short texts on a CPU, where torch's fused kernel takes several times as long as plain products.

Queries come scaled by log₂e / √dim, so that the softmax is one of powers of two: the same numbers, and torch takes a
third of the time for them that it takes for powers of e.
"""

import math
from collections.abc import Callable

import torch
from torch.nn import functional

LOG2_E = math.log2(math.e)
# Powers of two of scores within ± this, and sums of them, are well inside float32's range (2⁻¹²⁶ to 2¹²⁷): there no
# maximum need be taken out first, which is half of what a softmax costs.
_LARGEST_SCORE = 100.0
# Above so many attention weights in a batch (64 MB of float32) the fused kernel saves their memory.
_MOST_WEIGHTS = 1 << 24


def attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Return softmax₂(queries · keys + bias) · values, [n, heads, queries, dim].

    Args:
        queries: [n, heads, queries, dim], scaled by log₂e / √dim.
        keys: [n, heads, keys, dim].
        values: [n, heads, keys, dim].
        bias: float32 [n, 1, 1, keys], 0 or the lowest number, with a 0 in every row; None for no mask.
    """
    if queries.shape[:3].numel() * keys.shape[2] > _MOST_WEIGHTS:
        bias = None if bias is None else bias.to(queries.dtype)
        return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=1 / LOG2_E)
    return torch.matmul(softmax2(torch.matmul(queries, keys.transpose(2, 3)), bias).to(values.dtype), values)


def softmax2(scores: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return 2^(scores + bias) divided by its sum over the last axis, float32; float32 scores are overwritten."""
    low, high = (float(end) for end in torch.aminmax(scores))
    weights = scores.float()
    if bias is not None:
        weights.add_(bias)
    if max(-low, high) > _LARGEST_SCORE:
        return weights.mul_(1 / LOG2_E).softmax(dim=-1)
    weights.exp2_()
    return weights.div_(weights.sum(dim=-1, keepdim=True))


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
