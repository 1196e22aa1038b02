"""Token ids of many texts, several times as fast as the ``tokenizers`` library and exactly equal to it.

A BERT-style tokenizer works on each word alone: its normalizer maps character by character, its pre-tokenizer cuts at
white space and at punctuation, and WordPiece sees one word at a time. So the library is asked about each different
word once, and a text is put together from its words' pieces. Texts are cut into words where every such tokenizer cuts,
at ASCII white space and punctuation; what else happens inside such a word (accents, Chinese characters, other white
space) is left to the library. Any other kind of tokenizer, and any text with an added token in it (``[SEP]``), goes to
the library whole.

What is remembered of a word is one entry of one dictionary: the word's token ids, which no other entry bears upon. An
entry is right from the moment it is there, and a dictionary takes it in one step. So threads may share a tokenizer
without a lock, and nothing that interrupts a call, or forks the process in the middle of one, leaves it half done.
"""

import contextlib
import itertools
import json
import string
from array import array
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from distill_jax.data.long_texts import cut_side, encode_kept, tokenizing
from distill_jax.data.pieces import Pieces, pieces_of
from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer_file import read_tokenizer_file
from distill_jax.errors import InputError, MissingInputError, refusing

WORDS_KEPT = 500_000
BYTES_KEPT = 32_000_000

_END = b"\xff"  # stands in no UTF-8
_MOST_TIMES, _LITTLE = 2, 1_000  # so many ids at most for each token, and so many more
_ID_BYTES = 4
_FEW = 4  # texts that are faster one by one
_BORDER = -1  # stands for no token: where a text ends
_PUNCTUATION = [bytes([character]) for character in string.punctuation.encode()]
# BertNormalizer's clean_text deletes control characters, but for the three that are white space.
_DELETED = bytes(character for character in (*range(32), 127) if character not in b"\t\n\r")
_LOWER = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())


class FastTokenizer:
    """Turns texts into token ids as a tokenizer of the library does, truncated to ``max_length``.

    Threads may share it; it is pickled, and copied, without the words that it has met.

    Args:
        tokenizer: it truncates to ``max_length`` tokens, special ones included, and does not pad.
        max_length: the longest row, in tokens.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        self._tokenizer, self._max_length, self._side = tokenizer, max_length, cut_side(tokenizer)
        self._words = _Words.of(tokenizer, max_length)
        self._added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]

    def __reduce__(self) -> tuple[type["FastTokenizer"], tuple[Tokenizer, int]]:
        """Return how to make it anew."""
        return FastTokenizer, (self._tokenizer, self._max_length)

    @property
    def is_fast(self) -> bool:
        """Whether words are looked up; otherwise the library tokenizes every text."""
        return self._words is not None

    @property
    def unknown_id(self) -> int | None:
        """The id of what the vocabulary does not know; None where the tokenizer spells everything."""
        name = getattr(self._tokenizer.model, "unk_token", None)
        return None if not isinstance(name, str) else self._tokenizer.token_to_id(name)

    def to_json(self) -> str:
        """Return what ``load_tokenizer`` reads, as the library writes it."""
        return str(self._tokenizer.to_str(pretty=True))

    def decode(self, rows: Ragged, pad_id: int) -> list[str]:
        """Return texts with the words of token ids, without what the tokenizer adds to every text."""
        added = [pad_id, *self._tokenizer.encode("").ids]
        words = rows.where(~np.isin(rows.ids, added))
        split = [row.tolist() for row in np.split(words.ids, words.stops[:-1])]
        return list(self._decoder.decode_batch(split, skip_special_tokens=True))

    @cached_property
    def _decoder(self) -> Tokenizer:
        """The tokenizer; one of word pieces that says not how they go together with what puts them together."""
        model = self._tokenizer.model
        if self._tokenizer.decoder is not None or type(model) is not models.WordPiece:
            return self._tokenizer
        decoder = Tokenizer.from_str(self._tokenizer.to_str())
        decoder.decoder = decoders.WordPiece(prefix=model.continuing_subword_prefix, cleanup=False)
        return decoder

    def encode(self, texts: Iterable[str]) -> Ragged:
        """Return the texts' token ids, in their order; of a long text no more is looked at than those take."""
        return encode_kept(list(texts), self._encode, self._max_length, self._side)

    def pieces(self, text: str) -> Pieces:
        """Return the pieces of a text, of which ``encode`` gives the ids, and where they stand in it."""
        ids = self.encode([text]).ids.tolist()
        return pieces_of(self._tokenizer, text, ids, self._max_length, self._side)

    def _encode(self, texts: list[str]) -> Ragged:
        if self._words is None or not texts:
            return self._by_library(texts)
        slow = self._with_added_tokens(texts)
        if not slow:
            return self._words.encode(texts)
        others = set(slow)
        fast = [index for index in range(len(texts)) if index not in others]
        parts = [self._words.encode([texts[index] for index in fast])] if fast else []
        parts.append(self._by_library([texts[index] for index in slow]))
        rows = Ragged.concatenate(parts)
        return rows.take(np.argsort(np.array(fast + slow)))

    def _with_added_tokens(self, texts: list[str]) -> list[int]:
        together = "\n".join(texts)
        present = [token for token in self._added if token in together]
        if not present:
            return []
        return [index for index, text in enumerate(texts) if any(token in text for token in present)]

    def _by_library(self, texts: list[str]) -> Ragged:
        with tokenizing(len(texts)):
            return Ragged.of([encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)])


class _Known(dict[bytes, bytes]):
    """Word → its token ids, as the bytes of int32. A word that is not there is learnt; no entry ever changes.

    Args:
        tokenizer: the library's.
        most: the ids of a word that are kept.
        ending: the ids of ``_END``.

    Attributes:
        size: about how many bytes the words have (threads that add at once may count too few).
    """

    def __init__(self, tokenizer: Tokenizer, most: int, ending: list[int]) -> None:
        super().__init__({_END: _as_bytes(ending)})
        self._tokenizer, self._model, self._most, self.size = tokenizer, tokenizer.model, most, 0

    def __missing__(self, word: bytes) -> bytes:
        text = word.decode()
        with refusing(lambda reason: f"tokenizer: it cannot tokenize {text!r} ({reason})"):
            if word.isascii():  # the normalizer and the pre-tokenizer leave it as it is
                ids = [piece.id for piece in self._model.tokenize(text)]
            else:
                ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        self.size += len(word)
        self[word] = known = _as_bytes(ids[: self._most])
        return known


class _Words:
    """The token ids of words, a bounded number of which it remembers."""

    def __init__(
        self, tokenizer: Tokenizer, *, lowercase: bool, prefix: list[int], suffix: list[int], room: int
    ) -> None:
        # A tokenizer without added tokens, special ones or truncation: what a word alone becomes.
        self._alone = Tokenizer(tokenizer.model)
        self._alone.normalizer, self._alone.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
        self._table = _LOWER if lowercase else None
        self._prefix, self._suffix, self._room = prefix, suffix, room
        self._prefix_bytes, self._suffix_bytes = _as_bytes(prefix), _as_bytes(suffix)
        self._known = self._nothing_known()

    @classmethod
    def of(cls, tokenizer: Tokenizer, max_length: int) -> "_Words | None":
        """Return the words of a tokenizer that works on each word alone; None for any other, or where unsure."""
        if not (
            type(tokenizer.normalizer) is normalizers.BertNormalizer
            and type(tokenizer.pre_tokenizer) is pre_tokenizers.BertPreTokenizer
            and type(tokenizer.model) is models.WordPiece
            and tokenizer.post_processor is not None
        ):
            return None
        normalizer = json.loads(tokenizer.normalizer.__getstate__())
        special = _special_ids(json.loads(tokenizer.post_processor.__getstate__()))
        # Added tokens that are looked for in the normalized text could match where the raw text has none.
        added = tokenizer.get_added_tokens_decoder().values()
        truncation = {"direction": "right", "max_length": max_length, "strategy": "longest_first", "stride": 0}
        if (
            set(normalizer) != {"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"}
            or normalizer["clean_text"] is not True
            or any(token.normalized or not token.content for token in added)
            or special is None
            or tokenizer.truncation != truncation
            or tokenizer.padding is not None
        ):
            return None
        prefix, suffix = special
        room = max_length - len(prefix) - len(suffix)
        if room < 1:
            return None
        return cls(tokenizer, lowercase=normalizer["lowercase"] is True, prefix=prefix, suffix=suffix, room=room)

    def _nothing_known(self) -> _Known:
        # No text has room for more than ``room`` pieces.
        return _Known(self._alone, self._room, [*self._suffix, _BORDER, *self._prefix])

    def encode(self, texts: list[str]) -> Ragged:
        """Return the token ids of texts without added tokens."""
        if len(self._known) > WORDS_KEPT or self._known.size > BYTES_KEPT:
            self._known = self._nothing_known()  # a call under way in another thread goes on with the old one
        if len(texts) <= _FEW:
            return self._few(texts)
        ids = np.frombuffer(b"".join(map(self._known.__getitem__, self._split(texts))), np.int32)
        borders = np.flatnonzero(ids == _BORDER)  # each text's end; the next one's prefix follows
        ids = np.concatenate([np.array(self._prefix, np.int32), np.delete(ids[: borders[-1]], borders[:-1])])
        lengths = np.diff(borders, prepend=-1 - len(self._prefix)) - 1
        return self._truncated(Ragged(ids, lengths))

    def _few(self, texts: list[str]) -> Ragged:
        """Return the token ids of a few texts, without the fixed costs of many."""
        rows = []
        for text in texts:
            words = b"".join(map(self._known.__getitem__, self._split([text])[:-1]))
            rows.append(self._prefix_bytes + words[: _ID_BYTES * self._room] + self._suffix_bytes)
        lengths = np.array([len(row) // _ID_BYTES for row in rows], np.int64)
        return Ragged(np.frombuffer(b"".join(rows), np.int32), lengths)

    def _split(self, texts: list[str]) -> list[bytes]:
        """Return the words of all texts, ``_END`` after each text's."""
        joined = b"".join([(b" " + _END + b" ").join(map(str.encode, texts)), b" ", _END])
        joined = joined.translate(self._table, _DELETED)
        for character in _PUNCTUATION:
            if character in joined:
                joined = joined.replace(character, b" " + character + b" ")
        return joined.split()

    def _truncated(self, rows: Ragged) -> Ragged:
        longest = self._room + len(self._prefix) + len(self._suffix)
        if rows.lengths.max() <= longest:
            return rows
        columns = rows.columns
        from_the_end = np.repeat(rows.lengths, rows.lengths) - columns
        return rows.where((columns < len(self._prefix) + self._room) | (from_the_end <= len(self._suffix)))


def _as_bytes(ids: list[int]) -> bytes:
    return array("i", ids).tobytes()


def _special_ids(post_processor: dict[str, Any]) -> tuple[list[int], list[int]] | None:
    """Return the ids that a template puts before and after a text; None where it is not of that form."""
    if post_processor.get("type") != "TemplateProcessing":
        return None
    template = post_processor["single"]
    texts = [index for index, piece in enumerate(template) if "Sequence" in piece]
    if len(texts) != 1:
        return None
    ids = [
        post_processor["special_tokens"][piece["SpecialToken"]["id"]]["ids"]
        for piece in template
        if "SpecialToken" in piece
    ]
    return list(itertools.chain(*ids[: texts[0]])), list(itertools.chain(*ids[texts[0] :]))


def load_tokenizer(path: Path, max_length: int) -> Tokenizer:
    """Load a ``tokenizer.json`` that truncates to ``max_length`` tokens, special ones included, and does not pad."""
    if not path.is_file():
        raise MissingInputError(f"tokenizer {path}: there is no such file; train again with --overwrite")
    return tokenizer_of(read_tokenizer_file(path), path, max_length)


def tokenizer_of(content: bytes, path: Path, max_length: int) -> Tokenizer:
    """Do what ``load_tokenizer`` does, for the content of a file that ``read_tokenizer_file`` returned."""
    with refusing(lambda reason: f"tokenizer {path}: expected a file of the tokenizers library ({reason})"):
        tokenizer = Tokenizer.from_buffer(content)  # the library opens no path that is not UTF-8
        tokenizer.enable_truncation(max_length, direction=cut_side(tokenizer))
        tokenizer.no_padding()
        special = len(tokenizer.encode("").ids)
        with contextlib.suppress(Exception):  # one without an unknown token may not know these words
            tokenizer.encode("A probe.")
    if special > max_length:
        raise InputError(
            f"tokenizer {path}: it adds {special} tokens to every text, more than the {max_length} (max_length) that a "
            "text may have"
        )
    return tokenizer


def require_ids_below(vocab_size: int, tokenizer: Tokenizer, path: Path, where: str) -> None:
    """Refuse a tokenizer that knows more tokens than the student has embeddings: JAX would clamp ids silently.

    Args:
        vocab_size: the student's.
        tokenizer: the tokenizer.
        path: its file.
        where: the file that names ``vocab_size``.
    """
    tokens = {**tokenizer.get_vocab(), **_special_tokens(tokenizer)}
    token = max(tokens, key=tokens.__getitem__, default="")
    if tokens.get(token, 0) >= vocab_size:
        raise InputError(
            f"tokenizer {path}: expected ids below {vocab_size} (vocab_size in {where}), got {tokens[token]} for "
            f"{token!r}; the two files do not belong together"
        )


def require_plausible_vocabulary(vocab_size: int, tokenizer: Tokenizer, what: str) -> None:
    """Refuse a vocabulary far larger than its tokens, for a student has an embedding for each id.

    Args:
        vocab_size: every id is below it.
        tokenizer: the tokenizer.
        what: names it in the message.
    """
    tokens = tokenizer.get_vocab_size()
    most = _MOST_TIMES * tokens + _LITTLE
    if vocab_size > most:
        raise InputError(
            f"{what}: expected ids below {most:,} for {tokens:,} tokens, got a vocabulary of {vocab_size:,}; number "
            "the tokens from 0 on"
        )


def _special_tokens(tokenizer: Tokenizer) -> dict[str, int]:
    """Return what is added to every text, which the vocabulary need not hold."""
    encoding = tokenizer.encode("")
    names = [*encoding.tokens, *map(str, range(len(encoding.ids)))]  # a template may say more ids than names, or fewer
    return dict(zip(names, encoding.ids, strict=False))
