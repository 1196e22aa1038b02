"""Attention over short texts on a CPU, where torch's fused kernel takes several times as long as plain products.

Queries come scaled by log₂e / √dim, so that the softmax is one of powers of two: the same numbers, and torch takes a
third of the time for them that it takes for powers of e.
"""

import math

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
