"""A tiny random teacher of each family of transformers, with a tokenizer of the family's kind."""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from tiny_teacher import LABEL_NAMES, make_tokenizer, reviews

LONGEST = 24  # tokens that every teacher below reads
_SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_SPREAD = {"initializer_range": 0.2}
_NAMES = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}


def _template(tokenizer, single, names):
    from tokenizers import processors

    special = [(name, tokenizer.token_to_id(name)) for name in names]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)


def _wrapped(tokenizer, single, names, **options):
    from transformers import PreTrainedTokenizerFast

    used = [name for name in ("<s>", "</s>", "<cls>", "<sep>") if name in single]
    if used:
        _template(tokenizer, single, used)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=10**30, **names, **options)


def byte_level(single="<s> $A </s>", names=_NAMES, **options):
    """Return a byte-level BPE tokenizer, like RoBERTa's and GPT-2's."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(names.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(reviews(60)[0], trainer)
    return _wrapped(tokenizer, single, names, **options)


def unigram(single="<s> $A </s>", names=_NAMES, **options):
    """Return a Unigram tokenizer, as SentencePiece's are converted to."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = sorted({word for text in reviews(60)[0] for word in text.split()})
    letters = sorted({letter for word in words for letter in word})
    special = [(name, 0.0) for name in names.values()]
    pieces = [*special, ("▁", -3.0), *((f"▁{word}", -2.0) for word in words), *((letter, -6.0) for letter in letters)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=list(names.values()).index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(list(names.values()))
    return _wrapped(tokenizer, single, names, **options)


@dataclasses.dataclass(frozen=True)
class Family:
    """A family's name in ``docs/teachers.md``, its configuration class, what that is given, and its tokenizer."""

    name: str
    config: str
    fields: dict[str, Any]
    tokenizer: Callable[[], Any]
    encoder: str = "AutoModel"


def _ids(tokenizer):
    """Return the numbers of special tokens that a configuration names."""
    kinds = ("pad", "bos", "eos")
    return {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in kinds}


_IDS = ["input_ids", "attention_mask"]
_TYPED = ["input_ids", "token_type_ids", "attention_mask"]
_ENDED = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
_XLNET = {"unk_token": "<unk>", "sep_token": "<sep>", "pad_token": "<pad>", "cls_token": "<cls>"}
_DECODER = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
_SEQ2SEQ = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "init_std": 0.2,
    "max_position_embeddings": 24,
}
_POSITIONS = {"max_position_embeddings": 24, **_SMALL, **_SPREAD}
_BEHIND_PAD = {**_POSITIONS, "max_position_embeddings": 25}  # the pad token's number is 0: positions begin at 1

FAMILIES = (
    Family("BERT", "BertConfig", _POSITIONS, make_tokenizer),
    Family(
        "DistilBERT",
        "DistilBertConfig",
        {"n_layers": 2, "n_heads": 2, "dim": 16, "hidden_dim": 32, "max_position_embeddings": 24, **_SPREAD},
        make_tokenizer,
    ),
    Family("ELECTRA", "ElectraConfig", {**_POSITIONS, "embedding_size": 8}, make_tokenizer),
    Family("ALBERT", "AlbertConfig", {**_POSITIONS, "embedding_size": 8}, lambda: unigram(model_input_names=_TYPED)),
    Family("RoBERTa", "RobertaConfig", _BEHIND_PAD, lambda: byte_level(model_input_names=_IDS)),
    Family("XLM-RoBERTa", "XLMRobertaConfig", _BEHIND_PAD, lambda: unigram(model_input_names=_IDS)),
    Family("CamemBERT", "CamembertConfig", _BEHIND_PAD, lambda: unigram(model_input_names=_IDS)),
    Family(
        "MPNet",
        "MPNetConfig",
        {**_POSITIONS, "max_position_embeddings": 26},
        lambda: byte_level(
            names={"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
            model_input_names=_IDS,
        ),
    ),
    Family(
        "DeBERTa-v2, v3",
        "DebertaV2Config",
        {
            **_POSITIONS,
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
            "conv_kernel_size": 3,
        },
        lambda: unigram(model_input_names=_TYPED),
    ),
    Family(
        "ModernBERT",
        "ModernBertConfig",
        {**_POSITIONS, "local_attention": 8, "global_attn_every_n_layers": 2, "cls_token_id": 2, "sep_token_id": 3},
        lambda: byte_level(model_input_names=_IDS),
    ),
    Family(
        "XLNet",
        "XLNetConfig",
        {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32, **_SPREAD},
        lambda: unigram("$A:0 <sep>:0 <cls>:2", _XLNET, padding_side="left", model_input_names=_TYPED),
    ),
    Family(
        "GPT-2",
        "GPT2Config",
        {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24, **_SPREAD},
        lambda: byte_level("$A", _DECODER, model_input_names=_IDS),
    ),
    Family(
        "Llama",
        "LlamaConfig",
        {**_POSITIONS, "num_key_value_heads": 1},
        lambda: byte_level("<s> $A", _DECODER, model_input_names=_IDS),
    ),
    Family(
        "Qwen",
        "Qwen3Config",
        {**_POSITIONS, "num_key_value_heads": 1, "head_dim": 8},
        lambda: byte_level("$A", _NAMES, padding_side="left", model_input_names=_IDS),
    ),
    Family(
        "T5",
        "T5Config",
        {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0},
        lambda: unigram("$A </s>", _ENDED, model_input_names=_IDS),
    ),
    Family("BART", "BartConfig", {**_SEQ2SEQ, "decoder_start_token_id": 3}, lambda: byte_level(model_input_names=_IDS)),
    Family(
        "Longformer",
        "LongformerConfig",
        {**_BEHIND_PAD, "attention_window": [4, 4]},
        lambda: byte_level(model_input_names=_IDS),
    ),
    Family(
        "BigBird",
        "BigBirdConfig",
        {**_POSITIONS, "block_size": 4, "num_random_blocks": 1, "attention_type": "block_sparse"},
        lambda: unigram(model_input_names=_IDS),
    ),
)


def save_family(family, folder, *, head=True):
    """Save a random teacher of a family, whose ``num_labels`` are the five stars, and its tokenizer; return both."""
    import transformers

    tokenizer = family.tokenizer()
    classes = {"id2label": dict(enumerate(LABEL_NAMES)), "label2id": {n: i for i, n in enumerate(LABEL_NAMES)}}
    fields = {**_ids(tokenizer), "vocab_size": len(tokenizer), **family.fields, **(classes if head else {})}
    config = getattr(transformers, family.config)(**fields)
    torch.manual_seed(0)
    kind = transformers.AutoModelForSequenceClassification if head else transformers.AutoModel
    model = kind.from_config(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer
