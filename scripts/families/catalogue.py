"""The families that are measured, each as large as MiniLM, with random weights; and what they read."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from distill_jax.data.ragged import Ragged

LONGEST = 128  # tokens
PAD_ID, FIRST_ID, END_ID = 0, 101, 102  # where BERT's word pieces have them
_FIRST_WORD = 1000
_VOCABULARY, _OCCURRING, _CLASSES = 30_522, 12_000, 5
_MEAN_LENGTH = 26.0  # tokens, as the demo's sentences have
_POSITIONS = LONGEST + 2  # RoBERTa and MPNet begin behind the pad token's number
_GAIN = 1.0  # products neither grow nor shrink what they are given, so that texts have different logits


@dataclasses.dataclass(frozen=True)
class Size:
    """How large the models are, and how many texts they read."""

    layers: int = 6
    width: int = 384
    heads: int = 12
    texts: int = 512

    @property
    def spread(self) -> float:
        """The deviation of random weights."""
        return float(_GAIN / self.width**0.5)


FULL, QUICK = Size(), Size(layers=2, width=16, heads=2, texts=64)


def _encoder(size: Size, **more: Any) -> dict[str, Any]:
    """Return what BERT, and those who name their options as it does, are given."""
    return {
        "hidden_size": size.width,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "intermediate_size": 4 * size.width,
        "max_position_embeddings": _POSITIONS,
        "initializer_range": size.spread,
        **more,
    }


def _distilbert(size: Size) -> dict[str, Any]:
    options = {"n_layers": size.layers, "n_heads": size.heads, "dim": size.width, "hidden_dim": 4 * size.width}
    return {**options, "max_position_embeddings": _POSITIONS, "initializer_range": size.spread}


def _deberta(size: Size) -> dict[str, Any]:
    return _encoder(
        size,
        relative_attention=True,
        position_buckets=64,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        type_vocab_size=0,
    )


def _xlnet(size: Size) -> dict[str, Any]:
    options = {"n_layer": size.layers, "n_head": size.heads, "d_model": size.width, "d_inner": 4 * size.width}
    return {**options, "initializer_range": size.spread}


def _gpt2(size: Size) -> dict[str, Any]:
    options = {"n_layer": size.layers, "n_head": size.heads, "n_embd": size.width, "n_positions": LONGEST}
    return {**options, "initializer_range": size.spread}


def _t5(size: Size) -> dict[str, Any]:
    """Return T5's options: half of the layers encode, half decode."""
    layers = {"num_layers": size.layers // 2, "num_decoder_layers": size.layers // 2, "num_heads": size.heads}
    widths = {"d_model": size.width, "d_kv": size.width // size.heads, "d_ff": 4 * size.width}
    return {**layers, **widths, "decoder_start_token_id": PAD_ID}


def _bart(size: Size) -> dict[str, Any]:
    """Return BART's options: half of the layers encode, half decode."""
    options = {"d_model": size.width, "init_std": size.spread, "max_position_embeddings": LONGEST}
    for half in ("encoder", "decoder"):
        options |= {f"{half}_layers": size.layers // 2, f"{half}_attention_heads": size.heads}
        options |= {f"{half}_ffn_dim": 4 * size.width}
    return {**options, "decoder_start_token_id": FIRST_ID}


# The names of docs/teachers.md → transformers' configuration, and what it is given.
FAMILIES: dict[str, tuple[str, Callable[[Size], dict[str, Any]]]] = {
    "BERT": ("BertConfig", _encoder),
    "DistilBERT": ("DistilBertConfig", _distilbert),
    "ELECTRA": ("ElectraConfig", lambda size: _encoder(size, embedding_size=size.width // 2)),
    "ALBERT": ("AlbertConfig", lambda size: _encoder(size, embedding_size=size.width // 2)),
    "RoBERTa": ("RobertaConfig", _encoder),
    "XLM-RoBERTa": ("XLMRobertaConfig", _encoder),
    "CamemBERT": ("CamembertConfig", _encoder),
    "MPNet": ("MPNetConfig", _encoder),
    "DeBERTa-v2, v3": ("DebertaV2Config", _deberta),
    "ModernBERT": ("ModernBertConfig", lambda size: _encoder(size, cls_token_id=FIRST_ID, sep_token_id=END_ID)),
    "XLNet": ("XLNetConfig", _xlnet),
    "GPT-2": ("GPT2Config", _gpt2),
    "Llama": ("LlamaConfig", _encoder),
    "Qwen": (
        "Qwen3Config",
        lambda size: _encoder(size, num_key_value_heads=size.heads // 2, head_dim=size.width // size.heads),
    ),
    "T5": ("T5Config", _t5),
    "BART": ("BartConfig", _bart),
    # Texts are filled up to whole windows: published ones of 512 tokens would measure the filling.
    "Longformer": ("LongformerConfig", lambda size: _encoder(size, attention_window=[64] * size.layers)),
    # Sparse attention is refused: it draws at random what longer texts attend to.
    "BigBird": ("BigBirdConfig", lambda size: _encoder(size, attention_type="original_full")),
}


def build(name: str, size: Size) -> Any:
    """Return a family's sequence classifier, in evaluation mode; the same weights every time."""
    import torch
    import transformers

    config, options = FAMILIES[name]
    special = {"pad_token_id": PAD_ID, "bos_token_id": FIRST_ID, "eos_token_id": END_ID}
    made = getattr(transformers, config)(vocab_size=_VOCABULARY, num_labels=_CLASSES, **special, **options(size))
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(made).eval()


def made_up_tokens(texts: int) -> "Ragged":
    """Return texts' tokens: lengths like the demo's, the first and the last token special, the rest by Zipf's law."""
    from distill_jax.data.ragged import Ragged
    from scripts.benchmark.synthetic import Language, draw_lengths

    rng = np.random.default_rng(0)
    lengths = draw_lengths(texts, LONGEST, _MEAN_LENGTH, rng)
    classes = np.repeat(rng.integers(0, _CLASSES, texts), lengths)
    words = Language(_VOCABULARY - _FIRST_WORD, _OCCURRING).draw(int(lengths.sum()), rng, classes)
    tokens = Ragged(words + np.int32(_FIRST_WORD), lengths)
    tokens.ids[tokens.starts], tokens.ids[tokens.stops - 1] = FIRST_ID, END_ID
    return tokens
