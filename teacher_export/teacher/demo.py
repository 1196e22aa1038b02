"""The demo teacher: the packaged MiniLM BERT as a DistilBERT of exactly the same hidden states.

A DistilBERT is a BERT without token types, pooler and next-sentence head. With one segment every token has type 0, so
row 0 of the token-type table can be added to every position embedding beforehand; the rest is renaming.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.errors import InputError
from distill_jax.files import read_json

if TYPE_CHECKING:
    import torch


_LAYER_NAMES = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
_LAYER_NORM_EPSILON = 1e-12  # fixed in DistilBERT's code


def distilbert_config(bert: dict[str, Any], label_names: tuple[str, ...], problem_type: str | None = None) -> Any:
    """Return the ``DistilBertConfig`` of a BERT's configuration, with a head for the labels.

    Raises:
        InputError: the BERT has something a DistilBERT cannot have.
    """
    from transformers import DistilBertConfig

    if bert.get("layer_norm_eps", _LAYER_NORM_EPSILON) != _LAYER_NORM_EPSILON:
        raise InputError(f"demo teacher: expected layer_norm_eps {_LAYER_NORM_EPSILON}, got {bert['layer_norm_eps']}")
    if bert.get("position_embedding_type", "absolute") != "absolute":
        raise InputError(f"demo teacher: expected absolute positions, got {bert['position_embedding_type']!r}")
    return DistilBertConfig(
        vocab_size=bert["vocab_size"],
        max_position_embeddings=bert["max_position_embeddings"],
        n_layers=bert["num_hidden_layers"],
        n_heads=bert["num_attention_heads"],
        dim=bert["hidden_size"],
        hidden_dim=bert["intermediate_size"],
        dropout=bert["hidden_dropout_prob"],
        attention_dropout=bert["attention_probs_dropout_prob"],
        activation=bert["hidden_act"],
        initializer_range=bert["initializer_range"],
        pad_token_id=bert.get("pad_token_id", 0),
        id2label=dict(enumerate(label_names)),
        label2id={name: index for index, name in enumerate(label_names)},
        problem_type=problem_type,
    )


def distilbert_weights(bert: "dict[str, torch.Tensor]", layers: int) -> "dict[str, torch.Tensor]":
    """Return the state dict of a ``DistilBertModel`` that computes what the ``BertModel`` with weights ``bert`` does.

    Args:
        bert: ``BertModel``'s state dict; the pooler is left out.
        layers: the number of transformer layers.
    """
    weights = {
        "embeddings.word_embeddings.weight": bert["embeddings.word_embeddings.weight"],
        "embeddings.position_embeddings.weight": bert["embeddings.position_embeddings.weight"]
        + bert["embeddings.token_type_embeddings.weight"][0],
    }
    for kind in ("weight", "bias"):
        weights[f"embeddings.LayerNorm.{kind}"] = bert[f"embeddings.LayerNorm.{kind}"]
        for layer in range(layers):
            for old, new in _LAYER_NAMES.items():
                weights[f"transformer.layer.{layer}.{new}.{kind}"] = bert[f"encoder.layer.{layer}.{old}.{kind}"]
    return weights


def load_demo_model(folder: Path, label_names: tuple[str, ...], problem_type: str | None = None) -> Any:
    """Return a ``DistilBertForSequenceClassification`` of the BERT in ``folder``, its head drawn from torch's seed."""
    from safetensors.torch import load_file
    from transformers import DistilBertForSequenceClassification

    bert = read_json(folder / "config.json", "demo teacher's configuration")
    model = DistilBertForSequenceClassification(distilbert_config(bert, label_names, problem_type))
    weights = distilbert_weights(load_file(folder / "model.safetensors"), bert["num_hidden_layers"])
    model.distilbert.load_state_dict(weights)
    return model
