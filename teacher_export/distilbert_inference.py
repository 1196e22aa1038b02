"""DistilBERT's logits on a CPU, with less work than transformers does for them.

The classifier reads the first token alone, so the last layer computes that token alone: for six layers a seventh less
arithmetic. Weights are converted, and laid out as the processor wants them, once and not at every batch; keys and
values are one matrix product; GELU is applied inside the product. Attention over short texts is two plain matrix
products, for which torch's fused kernel takes several times as long.

What is rounded to bfloat16 is what ``torch.autocast`` rounds: the operands of products. Sums along the layers,
normalisation and softmax stay in float32.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

# Above so many attention weights in a batch (64 MB of float32) the fused kernel saves their memory.
_MOST_WEIGHTS = 1 << 24
_ROWS_TO_PACK_FOR = 1024  # a hint: the layout is chosen for batches of about so many tokens


def is_supported(model: Any) -> bool:
    """Whether a model is what this module computes: a DistilBERT classifier as transformers has it, on a CPU."""
    from transformers import DistilBertForSequenceClassification

    return (
        type(model) is DistilBertForSequenceClassification
        and next(model.parameters()).device.type == "cpu"
        and model.config.activation == "gelu"
    )


class DistilBertInference:
    """A DistilBERT classifier prepared for prediction; later changes of the model's weights are not seen."""

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        """Take a model's weights.

        Args:
            model: a supported model in float32.
            dtype: in which products are computed: float32, bfloat16 or float16.
        """
        self._embed, self._heads, self._dtype = model.distilbert.embeddings, model.config.n_heads, dtype
        self._dense, self._classifier = model.pre_classifier, model.classifier
        self._layers = [_Layer.of(block, dtype) for block in model.distilbert.transformer.layer]

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the logits, float32 [n, classes], of token ids and their mask, both int64 [n, length]."""
        hidden, masked = self._embed(input_ids), attention_mask == 0
        bias = None
        if bool(masked.any()):  # the lowest number and not −∞: a row without any token has finite logits too
            bias = torch.zeros(masked.shape).masked_fill_(masked, torch.finfo(torch.float32).min)[:, None, None, :]
        for layer in self._layers[:-1]:
            hidden = self._block(layer, hidden, hidden.shape[1], bias)
        first = self._block(self._layers[-1], hidden, 1, bias)[:, 0]
        return self._classifier(functional.relu(self._dense(first)))

    def _block(self, layer: "_Layer", hidden: torch.Tensor, length: int, bias: torch.Tensor | None) -> torch.Tensor:
        """Return what a layer makes of the first ``length`` positions, which look at all of them."""
        inputs = hidden.to(self._dtype)
        maps = layer.queries(inputs[:, :length]), *layer.keys_values(inputs).chunk(2, dim=-1)
        queries, keys, values = (x.unflatten(-1, (self._heads, -1)).transpose(1, 2) for x in maps)
        context = _attention(queries, keys, values, bias).transpose(1, 2).flatten(2)
        attended = layer.attention_norm(layer.output(context) + hidden[:, :length])
        expanded = layer.expand(attended.to(self._dtype))
        return layer.output_norm(layer.contract(expanded) + attended)


def _attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Return softmax(queries · keys / √dim + bias) · values, [n, heads, queries, dim]; ``bias`` is [n, 1, 1, keys]."""
    if queries.shape[:3].numel() * keys.shape[2] > _MOST_WEIGHTS:
        bias = None if bias is None else bias.to(queries.dtype)
        return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    weights = torch.matmul(queries, keys.transpose(2, 3)).float().mul_(queries.shape[-1] ** -0.5)
    if bias is not None:
        weights.add_(bias)
    return torch.matmul(weights.softmax(dim=-1).to(values.dtype), values)


Linear = Callable[[torch.Tensor], torch.Tensor]


@dataclasses.dataclass(frozen=True)
class _Layer:
    """A transformer layer's maps."""

    queries: Linear
    keys_values: Linear
    output: Linear
    attention_norm: Callable[[torch.Tensor], torch.Tensor]
    expand: Linear
    contract: Linear
    output_norm: Callable[[torch.Tensor], torch.Tensor]

    @classmethod
    def of(cls, block: Any, dtype: torch.dtype) -> "_Layer":
        attention, ffn = block.attention, block.ffn
        return cls(
            queries=_linear([attention.q_lin], dtype),
            keys_values=_linear([attention.k_lin, attention.v_lin], dtype),
            output=_linear([attention.out_lin], dtype),
            attention_norm=block.sa_layer_norm,
            expand=_linear([ffn.lin1], dtype, gelu=True),
            contract=_linear([ffn.lin2], dtype),
            output_norm=block.output_layer_norm,
        )


def _linear(maps: list[Any], dtype: torch.dtype, *, gelu: bool = False) -> Linear:
    """Return the maps side by side as one, with GELU behind it or not."""
    weight = torch.cat([each.weight for each in maps]).detach().to(dtype)
    bias = torch.cat([each.bias for each in maps]).detach().to(dtype)

    def plain(inputs: torch.Tensor) -> torch.Tensor:
        outputs = functional.linear(inputs, weight, bias)
        return functional.gelu(outputs) if gelu else outputs

    return _packed(weight, bias, gelu=gelu) or plain


def _packed(weight: torch.Tensor, bias: torch.Tensor, *, gelu: bool) -> Linear | None:
    """Return a map whose weights oneDNN has laid out beforehand; None where this torch or processor has no such thing.

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
