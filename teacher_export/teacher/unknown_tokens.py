"""Training texts that a tokenizer does not know, being of another language or script than it was made of."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from teacher_export.teacher.tokens import encode

_TEXTS = 1_000
_MOST = 0.5


def unknown_sentence(tokenizer: Any, texts: Sequence[str]) -> str | None:
    """Return a warning where half of the first thousand texts' tokens or more are unknown ones, or where none has any.

    Args:
        tokenizer: a ``tokenizers.Tokenizer`` that truncates.
        texts: the training texts.
    """
    tokens = encode(tokenizer, texts[:_TEXTS]).ids
    own = tokens[~np.isin(tokens, encode(tokenizer, [""]).ids)]
    unknown = _unknown_id(tokenizer)
    if not len(own):
        found = "the tokenizer finds no token in the training texts"
    elif unknown is not None and (share := float((own == unknown).mean())) >= _MOST:
        found = (
            f"{share:.0%} of the training texts' tokens are {tokenizer.id_to_token(unknown)}, unknown to the tokenizer"
        )
    else:
        return None
    return (
        f"WARNING: {found}: it was made for another language or script, and students see nothing in such texts; take a "
        "teacher, or a --tokenizer, for these"
    )


def _unknown_id(tokenizer: Any) -> int | None:
    """Return the id of what the vocabulary does not know; None where the tokenizer spells everything."""
    name = getattr(tokenizer.model, "unk_token", None)
    if isinstance(name, str):
        known = tokenizer.token_to_id(name)
        return None if known is None else int(known)
    if type(tokenizer.model).__name__ != "Unigram":
        return None
    found = json.loads(tokenizer.to_str())["model"].get("unk_id")  # the library shows it nowhere else
    return found if isinstance(found, int) else None
