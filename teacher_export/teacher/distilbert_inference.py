"""DistilBERT's logits on a CPU, with less work than transformers does for them.

The classifier reads the first token alone, so the last layer computes that token alone: for six layers a sixth less
arithmetic. Weights are converted, and laid out as the processor wants them, once and not at every batch; queries, keys
and values are one matrix product; GELU is applied inside the product; attention is two plain products.

What is rounded to bfloat16 is what ``torch.autocast`` rounds: the operands of products. Sums along the layers,
normalisation and softmax stay in float32.
"""

from typing import Any

import torch
from torch.nn import functional

from teacher_export.teacher.cpu_kernels import LOG2_E, attention, packed_linear, softmax2
from teacher_export.teacher.middle import middle_of


def is_supported(model: Any) -> bool:
    """Whether a model is what this module computes: a DistilBERT classifier as transformers has it, on a CPU."""
    from transformers import DistilBertForSequenceClassification

    return (
        type(model) is DistilBertForSequenceClassification
        and next(model.parameters()).device.type == "cpu"
        and model.config.activation == "gelu"
        and len(model.distilbert.transformer.layer) > 0
    )


class DistilBertInference:
    """A DistilBERT classifier prepared for prediction; later changes of the model's weights are not seen."""

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        """Take a model's weights.

        Args:
            model: a supported model in float32.
            dtype: in which products are computed: float32, bfloat16 or float16.
        """
        self._embed, self._dense, self._classifier = model.distilbert.embeddings, model.pre_classifier, model.classifier
        *layers, last = model.distilbert.transformer.layer
        self._layers, self._last = [_Layer(layer, dtype) for layer in layers], _LastLayer(last, dtype)

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the logits, float32 [n, classes], of token ids and their mask, both int64 [n, length]."""
        return self.with_states(input_ids, attention_mask)[0]

    def with_states(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the logits, and the states after half of the layers, float32 [n, length, dim]; None of one layer."""
        hidden, masked, bias = self._embed(input_ids), attention_mask == 0, None
        masked &= ~masked.all(dim=1, keepdim=True)  # a row without any token has finite logits too
        if bool(masked.any()):
            bias = torch.zeros(masked.shape).masked_fill_(masked, torch.finfo(torch.float32).min)[:, None, None, :]
        states, middle = None, middle_of(len(self._layers) + 1)
        for number, layer in enumerate(self._layers, start=1):
            hidden = layer(hidden, bias)
            if number == middle:
                states = hidden
        return self._classifier(functional.relu(self._dense(self._last(hidden, bias)))), states


class _Layer:
    """A transformer layer of every position."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        of = layer.attention
        weights, biases = zip(_queries(of), *((each.weight, each.bias) for each in (of.k_lin, of.v_lin)), strict=True)
        self._maps = packed_linear(torch.cat(weights), torch.cat(biases), dtype)
        self._heads, self._dtype, self._after = of.n_heads, dtype, _AfterAttention(layer, dtype)

    def __call__(self, hidden: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the next layer's input; hidden is float32 [n, length, dim], bias as attention takes it."""
        maps = self._maps(hidden.to(self._dtype)).chunk(3, dim=-1)
        queries, keys, values = (each.unflatten(-1, (self._heads, -1)).transpose(1, 2) for each in maps)
        return self._after(attention(queries, keys, values, bias).transpose(1, 2).flatten(2), hidden)


class _LastLayer:
    """A transformer layer of the first position, without a key and a value for every token.

    With one query q to a head, q · (K x + k) is (Kᵀ q) · x and a constant, which the softmax does not see, and the sum
    of weights · (V x + v) is V (sum of weights · x) + v. So K and V are applied once a row, not once a token.
    """

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        of = layer.attention
        self._queries, self._after = packed_linear(*_queries(of), dtype), _AfterAttention(layer, dtype)
        self._heads, self._dtype = of.n_heads, dtype
        self._keys, self._values = (  # [heads, dim of a head, dim]
            each.weight.detach().to(dtype).unflatten(0, (self._heads, -1)) for each in (of.k_lin, of.v_lin)
        )
        self._values_bias = of.v_lin.bias.detach()

    def __call__(self, hidden: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the layer's output at the first position, float32 [n, dim]; arguments as for any layer."""
        inputs = hidden.to(self._dtype)
        queries = self._queries(inputs[:, 0]).unflatten(-1, (self._heads, -1)).transpose(0, 1)  # [heads, n, ...]
        probes = torch.matmul(queries, self._keys).transpose(0, 1)  # [n, heads, dim]
        weights = softmax2(torch.matmul(probes, inputs.transpose(1, 2)), None if bias is None else bias[:, 0])
        pooled = torch.matmul(weights.to(self._dtype), inputs).transpose(0, 1)  # [heads, n, dim]
        context = torch.matmul(pooled, self._values.transpose(1, 2)).transpose(0, 1).flatten(1)
        return self._after((context + self._values_bias).to(self._dtype), hidden[:, 0])


class _AfterAttention:
    """What follows attention in a layer, position by position."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        output, expand, contract = layer.attention.out_lin, layer.ffn.lin1, layer.ffn.lin2
        self._output, self._contract = (packed_linear(each.weight, each.bias, dtype) for each in (output, contract))
        self._expand = packed_linear(expand.weight, expand.bias, dtype, gelu=True)
        self._attention_norm, self._output_norm, self._dtype = layer.sa_layer_norm, layer.output_layer_norm, dtype

    def __call__(self, context: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, float32, of the attention's context and the layer's input, both [..., dim]."""
        attended = self._attention_norm(self._output(context) + hidden)
        return self._output_norm(self._contract(self._expand(attended.to(self._dtype))) + attended)


def _queries(attention: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weight and the bias of an attention's queries, scaled for a softmax of powers of two."""
    scale = LOG2_E * (attention.q_lin.out_features // attention.n_heads) ** -0.5
    return attention.q_lin.weight * scale, attention.q_lin.bias * scale
