"""DistilBERT's logits on a GPU, from rows that stand one behind the other: no product is spent on padding.

Attention keeps to each row by torch's kernel for rows of varying length. The classifier reads the first token alone, so
the last layer computes that token alone. Products take operands rounded to bfloat16 or float16; sums along the layers
and normalisation stay in float32, so that the logits are nearer to float32's than under ``torch.autocast``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from distill_jax.data.ragged import Ragged
from teacher_export.teacher.middle import middle_of

# (queries, keys, values, rows' bounds among queries, among keys, longest row of queries, of keys) → context; arrays are
# [tokens, heads, dim of a head], bounds int32 [rows + 1].
Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int, int], torch.Tensor]
_AMPERE = 8  # the first generation that the attention's kernel runs on
_HEAD_DIMS = range(8, 257, 8)  # and what it takes


def is_supported(model: Any, dtype: torch.dtype) -> bool:
    """Whether a model is what this module computes, on a GPU and in a precision that torch has the kernel for."""
    from transformers import DistilBertForSequenceClassification

    device = next(model.parameters()).device
    return (
        type(model) is DistilBertForSequenceClassification
        and device.type == "cuda"
        and dtype != torch.float32
        and model.config.activation == "gelu"
        and model.config.n_layers > 0
        and model.config.dim // model.config.n_heads in _HEAD_DIMS
        and torch.cuda.get_device_capability(device)[0] >= _AMPERE
        and _varying_length_attention() is not None
    )


def _varying_length_attention() -> Attention | None:
    """Return torch's attention over rows of varying length; None where this torch has none."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    attention: Attention = varlen_attn
    return attention


class PackedDistilBert:
    """A DistilBERT classifier prepared for prediction; later changes of the model's weights are not seen."""

    def __init__(self, model: Any, dtype: torch.dtype, pad_id: int, attention: Attention | None = None) -> None:
        """Take a model's weights.

        Args:
            model: a DistilBERT classifier in float32, on the device that is to be used.
            dtype: that of products' operands.
            pad_id: stands for a row without any token.
            attention: computes attention; None = torch's kernel.
        """
        attention = attention or _varying_length_attention()
        assert attention is not None
        self._embed, self._dense, self._classifier = model.distilbert.embeddings, model.pre_classifier, model.classifier
        self._layers = [_Layer(layer, dtype, attention) for layer in model.distilbert.transformer.layer]
        self._device, self._pad_id = next(model.parameters()).device, pad_id

    def __call__(self, rows: Ragged) -> torch.Tensor:
        """Return the logits, float32 [rows, classes], of rows of token ids."""
        return self.with_states(rows)[0]

    def with_states(self, rows: Ragged) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the logits, and the tokens' states after half of the layers, float32 [tokens, dim]; None of one."""
        empty = rows.lengths == 0
        ids = np.insert(rows.ids, rows.starts[empty], self._pad_id)
        lengths = np.maximum(rows.lengths, 1)
        bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        places = (np.arange(len(ids)) - np.repeat(bounds[:-1], lengths)).astype(np.int32)
        tokens, positions, starts = (self._on_device(array) for array in (ids, places, bounds))
        embed = self._embed
        hidden = embed.LayerNorm(embed.word_embeddings(tokens) + embed.position_embeddings(positions))
        *layers, last = self._layers
        longest = int(lengths.max())
        states, middle = None, middle_of(len(layers) + 1)
        for number, layer in enumerate(layers, start=1):
            hidden = layer(hidden, starts, longest)
            if number == middle:
                states = hidden
        if states is not None and empty.any():  # a row without any token has no state
            real = np.insert(np.ones(len(rows.ids), bool), rows.starts[empty], False)
            states = states[self._on_device(real)]
        first = last.of_first_tokens(hidden, starts, longest)
        return self._classifier(functional.relu(self._dense(first))), states

    def _on_device(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if self._device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)  # beside the last batch's arithmetic


class _Layer:
    """A transformer layer; hidden is float32 [tokens, dim], starts int32 [rows + 1]."""

    def __init__(self, layer: Any, dtype: torch.dtype, attention: Attention) -> None:
        of, ffn = layer.attention, layer.ffn
        self._maps = [_lowered(each, dtype) for each in (of.q_lin, of.k_lin, of.v_lin)]
        weights, biases = (torch.cat(parts) for parts in zip(*self._maps, strict=True))
        self._all_maps = weights, biases
        self._output, self._expand, self._contract = (
            _lowered(each, dtype) for each in (of.out_lin, ffn.lin1, ffn.lin2)
        )
        self._attention_norm, self._output_norm = layer.sa_layer_norm, layer.output_layer_norm
        self._heads, self._dtype, self._attention = of.n_heads, dtype, attention

    def __call__(self, hidden: torch.Tensor, starts: torch.Tensor, longest: int) -> torch.Tensor:
        """Return the layer's output at every token."""
        maps = functional.linear(hidden.to(self._dtype), *self._all_maps).unflatten(1, (3, self._heads, -1))
        queries, keys, values = maps.unbind(1)
        context = self._attention(queries, keys, values, starts, starts, longest, longest)
        return self._after_attention(context, hidden)

    def of_first_tokens(self, hidden: torch.Tensor, starts: torch.Tensor, longest: int) -> torch.Tensor:
        """Return the layer's output at each row's first token, float32 [rows, dim]."""
        inputs, first = hidden.to(self._dtype), starts[:-1].long()
        queries, keys, values = (
            functional.linear(each, *weights).unflatten(1, (self._heads, -1))
            for each, weights in zip((inputs[first], inputs, inputs), self._maps, strict=True)
        )
        rows = torch.arange(len(starts), dtype=torch.int32, device=starts.device)
        return self._after_attention(self._attention(queries, keys, values, rows, starts, 1, longest), hidden[first])

    def _after_attention(self, context: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        attended = self._attention_norm(functional.linear(context.flatten(1), *self._output) + hidden)
        expanded = functional.gelu(functional.linear(attended.to(self._dtype), *self._expand))
        return self._output_norm(functional.linear(expanded, *self._contract) + attended)


def _lowered(linear: Any, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a linear layer's weight and bias in ``dtype``."""
    return linear.weight.detach().to(dtype), linear.bias.detach().to(dtype)
