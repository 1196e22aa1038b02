"""A teacher's transformers tokenizer: found, loaded in its fast form, and what the students take over of it."""

from typing import Any

from distill_jax.data.tokenizer_file import read_tokenizer_file
from distill_jax.errors import InputError, MissingInputError, refusing
from distill_jax.extras import require_packages
from teacher_export.teacher.source import VOCABULARY_FILES, TeacherSource

_SENTENCEPIECE = ".model"
_IN_TEXTS = ("bos_token_id", "eos_token_id", "unk_token_id", "sep_token_id", "cls_token_id", "mask_token_id")


def load_tokenizer(source: TeacherSource) -> Any:
    """Return the transformers tokenizer of a teacher; it is a fast one.

    Raises:
        InputError: there is none, it has no fast (Rust) form, or sentencepiece is missing to make it.
    """
    from transformers import AutoTokenizer

    _require_vocabulary(source)
    if (source.folder / "tokenizer.json").is_file():
        read_tokenizer_file(source.folder / "tokenizer.json", "teacher's tokenizer")
    with refusing(
        lambda reason: (
            f"teacher {source.name}: no fast tokenizer could be loaded from {source.folder} ({reason}); it needs a "
            "tokenizer.json, saved by tokenizer.save_pretrained"
        )
    ):
        tokenizer = AutoTokenizer.from_pretrained(str(source.folder), trust_remote_code=False)
    if not getattr(tokenizer, "is_fast", False) or not hasattr(tokenizer, "backend_tokenizer"):
        raise InputError(
            f"teacher {source.name}: its tokenizer {type(tokenizer).__name__} has no fast form (tokenizer.json), and "
            "the students need one; save one with tokenizer.save_pretrained"
        )
    return tokenizer


def _require_vocabulary(source: TeacherSource) -> None:
    # Without a vocabulary transformers makes a tokenizer that knows no word, and says nothing.
    found = [name for name in VOCABULARY_FILES if (source.folder / name).is_file()]
    if not found:
        raise MissingInputError(
            f"teacher {source.name}: expected its tokenizer in {source.folder} (tokenizer.json), found none; save it "
            "there with tokenizer.save_pretrained"
        )
    if all(name.endswith(_SENTENCEPIECE) for name in found):
        require_packages("sentencepiece", what=f"teacher {source.name}: its tokenizer {found[0]}, SentencePiece's,")


def cut_texts(saved_tokenizer: Any, max_length: int) -> Any:
    """Return the ``tokenizers.Tokenizer`` inside, set to cut texts on the side that the teacher's does, not to pad."""
    tokenizer = saved_tokenizer.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, direction=saved_tokenizer.truncation_side)
    return tokenizer


def own_pad_id(saved_tokenizer: Any) -> int | None:
    """Return the pad token's id; None where there is none, or texts have it too, as an end or an unknown word."""
    known = saved_tokenizer.pad_token_id
    others = {getattr(saved_tokenizer, name, None) for name in _IN_TEXTS}
    return None if known is None or known in others else int(known)
