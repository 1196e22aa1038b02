"""What a page is told of a tokenizer, so that its own code cuts texts exactly as the ``tokenizers`` library does."""

import functools
import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers

from distill_jax.data.long_texts import cut_side
from distill_jax.errors import InputError
from distill_jax.packed.vocabulary import words_by_id

_BETWEEN = "0"  # no step makes anything of it
_PLANES = (range(0xD800), range(0xE000, 0x30000), range(0xE0000, 0xE1000), range(0xF0000, 0x110000))  # of any use
_OPTIONS = ("single_word", "lstrip", "rstrip", "normalized")


def page_tokenizer(tokenizer: Tokenizer, max_length: int) -> tuple[dict[str, Any], bytes]:
    """Return a tokenizer's settings as JSON values, and its vocabulary, a piece a line in the order of ids.

    Args:
        tokenizer: it truncates to ``max_length``.
        max_length: the longest row, in tokens.

    Raises:
        InputError: the page's code has no tokenizer of this kind.
    """
    about = json.loads(tokenizer.to_str())
    words = words_by_id(about["model"])
    _require_known(about, words)
    model, normalizer = about["model"], about["normalizer"]
    prefix, suffix = _around(tokenizer)
    strip = normalizer["strip_accents"]
    settings = {
        "normalizer": {
            "clean": normalizer["clean_text"],
            "chinese": normalizer["handle_chinese_chars"],
            "strip": normalizer["lowercase"] if strip is None else strip,
            "lowercase": normalizer["lowercase"],
        },
        "model": {
            "unknown": model["vocab"][model["unk_token"]],
            "continuing": model["continuing_subword_prefix"],
            "mostCharacters": model["max_input_chars_per_word"],
        },
        "added": [[token["content"], token["id"]] for token in about["added_tokens"]],
        "prefix": prefix,
        "suffix": suffix,
        "maxLength": max_length,
        "fromTheRight": cut_side(tokenizer) == "right",
        "characters": characters(),
    }
    return settings, "\n".join(words or ()).encode()


@functools.cache
def characters() -> dict[str, list[int]]:
    """Return the characters that the library treats apart, as ranges [first, last, first, last, …] of their codes.

    ``deleted`` is what cleaning deletes, ``chinese`` what is a word by itself, ``punctuation`` where words are cut,
    ``decomposed`` what is taken apart where accents are stripped, and ``marks`` what is then left out.
    """
    every = [character for plane in _PLANES for character in map(chr, plane) if character != _BETWEEN]
    pieces = {piece for piece, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(_BETWEEN.join(every))}
    cleaned, stripped = _normalized(every, clean_text=True), _normalized(every, strip_accents=True)
    spaced = _normalized(every, handle_chinese_chars=True)
    return {
        "deleted": _ranges(character for character in every if not cleaned[character]),
        "chinese": _ranges(character for character in every if spaced[character] != character),
        "punctuation": _ranges(character for character in every if character in pieces),
        "decomposed": _ranges(character for character in every if stripped[character] not in ("", character)),
        "marks": _ranges(character for character in every if not stripped[character]),
    }


def _normalized(characters: list[str], **steps: bool) -> dict[str, str]:
    """Return what the library's normalizer makes of each character by some of its steps alone."""
    none = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    normalizer = normalizers.BertNormalizer(**{**none, **steps})
    return dict(zip(characters, normalizer.normalize_str(_BETWEEN.join(characters)).split(_BETWEEN), strict=True))


def _ranges(found: Iterable[str]) -> list[int]:
    ranges: list[int] = []
    for code in map(ord, found):
        if ranges and ranges[-1] == code - 1:
            ranges[-1] = code
        else:
            ranges += [code, code]
    return ranges


def _around(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the ids that are put before and after every text."""
    encoding = tokenizer.encode("a")
    special = encoding.special_tokens_mask
    before = special.index(0) if 0 in special else len(special)
    return encoding.ids[:before], encoding.ids[before + special.count(0) :]


def _require_known(about: dict[str, Any], words: list[str] | None) -> None:
    """Refuse what the page's code does not know."""
    for part, kind in (("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer"), ("model", "WordPiece")):
        found = (about.get(part) or {}).get("type")
        if found != kind:
            raise InputError(f"tokenizer: expected {part} {kind}, which a page knows, got {found or 'none'}")
    odd = next((token for token in about["added_tokens"] if any(token[option] for option in _OPTIONS)), None)
    if odd is not None:
        raise InputError(f"tokenizer: expected added tokens without {', '.join(_OPTIONS)}, got {odd['content']!r}")
    if words is None or about["model"]["unk_token"] not in about["model"]["vocab"]:
        raise InputError("tokenizer: expected a vocabulary of one piece an id, the unknown token among them, got none")
