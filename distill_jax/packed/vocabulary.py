"""A tokenizer as streams: the words of a WordPiece vocabulary apart from the rest, a line each, in the order of ids."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.packed.coding import compressed, decompressed

_TOKENIZER, _VOCABULARY = "tokenizer", "vocabulary"
_LARGEST = 3 << 24  # bytes


def tokenizer_streams(tokenizer: str) -> tuple[dict[str, int], dict[str, bytes]]:
    """Return the sizes and the streams of a ``tokenizer.json``."""
    about = json.loads(tokenizer)
    contents = {}
    words = words_by_id(about.get("model", {}))
    if words is not None:
        about["model"]["vocab"] = {}
        contents[_VOCABULARY] = "\n".join(words).encode()
    contents[_TOKENIZER] = json.dumps(about, ensure_ascii=False, separators=(",", ":")).encode()
    sizes = {name: len(content) for name, content in contents.items()}
    return sizes, {name: compressed(content) for name, content in contents.items()}


def tokenizer_of_streams(sizes: Mapping[str, Any], streams: Mapping[str, bytes]) -> bytes:
    """Return the ``tokenizer.json`` of what ``tokenizer_streams`` gave.

    Raises:
        InputError: the streams are not of these sizes, or of no tokenizer.
    """
    contents = {}
    for name in sizes:
        size = sizes[name]
        if name not in streams or not isinstance(size, int) or not 0 <= size <= _LARGEST:
            raise InputError(f"{name}: expected a stream of at most {_LARGEST:,} bytes, got {size!r}")
        contents[name] = decompressed(streams[name], size)
    if _VOCABULARY not in contents:
        return contents[_TOKENIZER]
    about = json.loads(contents[_TOKENIZER])
    words = contents[_VOCABULARY].decode().split("\n")
    about["model"]["vocab"] = {word: id_ for id_, word in enumerate(words) if word}
    return json.dumps(about, ensure_ascii=False).encode()


def vocabulary_ids(tokenizer: str) -> np.ndarray:
    """Return the ids that a ``tokenizer.json`` of a WordPiece vocabulary knows; of another, whatever is in it."""
    about = json.loads(tokenizer)
    vocabulary = about.get("model", {}).get("vocab", {})
    ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else range(len(vocabulary))
    return np.array([*ids, *(token["id"] for token in about.get("added_tokens", []))], np.int64)


def without_unused(tokenizer: str, used: np.ndarray) -> str:
    """Return a tokenizer without the pieces of its WordPiece vocabulary that are not used; another as it is.

    Single characters stay, so that a word that is spelt otherwise is still read, and whatever the tokenizer adds to
    texts. Ids stay as they are.

    Args:
        tokenizer: its ``tokenizer.json``.
        used: bool [ids], which are.
    """
    about = json.loads(tokenizer)
    if words_by_id(about.get("model", {})) is None:
        return tokenizer
    prefix = about["model"].get("continuing_subword_prefix", "##")
    added = {token["content"] for token in about.get("added_tokens", [])} | {about["model"].get("unk_token")}
    about["model"]["vocab"] = {
        word: id_
        for word, id_ in about["model"]["vocab"].items()
        if word in added or len(word.removeprefix(prefix)) == 1 or (id_ < len(used) and used[id_])
    }
    return json.dumps(about, ensure_ascii=False)


def words_by_id(model: Mapping[str, Any]) -> list[str] | None:
    """Return a WordPiece vocabulary's words in the order of ids, empty where there is none; None of any other."""
    vocabulary = model.get("vocab")
    if model.get("type") != "WordPiece" or not isinstance(vocabulary, dict) or not vocabulary:
        return None
    if len(set(vocabulary.values())) < len(vocabulary) or any(not word or "\n" in word for word in vocabulary):
        return None
    words = [""] * (max(vocabulary.values()) + 1)
    for word, id_ in vocabulary.items():
        words[id_] = word
    return words
