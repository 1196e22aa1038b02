"""The tokenizer of an export whose teacher is a table: trained on the training texts, or one that is given."""

import dataclasses
import hashlib
import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from distill_jax.console import say
from distill_jax.data.tokenizer import require_plausible_vocabulary
from distill_jax.data.tokenizer_file import read_tokenizer_file
from distill_jax.errors import InputError, MissingInputError, reason_of, refusing
from teacher_export.options.table_teacher import TRAIN
from teacher_export.teacher.source import looks_like_path

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
_SPECIAL = (PAD, UNKNOWN, START, END)
TRAINING_TEXTS = 200_000
_TEXT_CHARACTERS = 2_000  # of a text; a book among reviews would decide the vocabulary
_PAD_NAMES = (PAD, "<pad>", "<PAD>", "<|pad|>", "<|padding|>")
_FILE = "tokenizer.json"
_ALPHABET_SHARE = 4  # letters are a quarter of the vocabulary at most, and as many may stand inside words
_TEXTS_AT_ONCE = 1_000


@dataclasses.dataclass(frozen=True)
class TableTokenizer:
    """A tokenizer, and what an export says of it.

    Attributes:
        tokenizer: a ``tokenizers.Tokenizer`` that cuts texts and does not pad.
        pad_id: the token that fills short texts up; no text has it.
        vocab_size: every token id, the pad token's too, is below it.
    """

    tokenizer: Any
    pad_id: int
    vocab_size: int

    @classmethod
    def given(cls, name: str, max_length: int) -> "TableTokenizer":
        """Return the tokenizer of a ``tokenizer.json``: the file, a folder that has it, or a hub's name.

        Raises:
            InputError: it is not there, is no such file, or adds more tokens to a text than ``max_length``.
        """
        tokenizer = _read(name)
        sizes = _pad_of(tokenizer)  # before its padding is taken off
        require_plausible_vocabulary(sizes[1], tokenizer, f"--tokenizer {name}")
        _cut_at(tokenizer, max_length, name)
        return cls(tokenizer, *sizes)

    @classmethod
    def trained(cls, texts: Sequence[str], vocabulary: int, max_length: int) -> "TableTokenizer":
        """Return a WordPiece tokenizer that is learnt from texts; the same texts give the same bytes.

        Args:
            texts: the training split's, shuffled.
            vocabulary: how many tokens at most, special ones included.
            max_length: tokens of a text.
        """
        tokenizer = _train(texts, vocabulary)
        _cut_at(tokenizer, max_length, TRAIN)
        return cls(tokenizer, *_pad_of(tokenizer))

    @property
    def sha256(self) -> str:
        """The hash of the export's ``tokenizer.json``."""
        return hashlib.sha256(self.tokenizer.to_str().encode()).hexdigest()


def _train(texts: Sequence[str], vocabulary: int) -> Any:
    """Return a WordPiece tokenizer of texts, BERT's in all but its words.

    It sees the beginnings of the first 200,000 texts. Whether letters are upper or lower case makes no difference.

    The library numbers letters inside words in the order in which it meets them, which is that of a hash table, and
    breaks ties by these numbers. So it is given all of them beforehand, in their order.
    """
    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    seen = [text[:_TEXT_CHARACTERS] for text in texts[:TRAINING_TEXTS]]
    letters, inside = _letters(seen, normalizer, vocabulary // _ALPHABET_SHARE)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        special_tokens=[*_SPECIAL, *letters, *(f"##{letter}" for letter in inside)],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    learner = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    learner.normalizer, learner.pre_tokenizer = normalizer, splitter
    learner.train_from_iterator(seen, trainer, length=len(seen))
    tokens = learner.get_vocab()
    tokenizer = Tokenizer(models.WordPiece(dict(sorted(tokens.items(), key=lambda item: item[1])), unk_token=UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B:1 {END}:1",
        special_tokens=[(token, tokens[token]) for token in (START, END)],
    )
    return tokenizer


def _letters(texts: Sequence[str], normalizer: Any, most: int) -> tuple[list[str], list[str]]:
    """Return the letters of texts, of too many the most frequent, and those that stand inside words; in their order."""
    words: Counter[str] = Counter()
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        words.update(normalizer.normalize_str("\n".join(texts[start : start + _TEXTS_AT_ONCE])).split())
    counts: Counter[str] = Counter()
    inside: set[str] = set()
    for word, times in words.items():
        inside.update(word[1:])
        for letter in word:
            counts[letter] += times
    letters = sorted(sorted(counts, key=lambda letter: (-counts[letter], letter))[:most])
    # Punctuation is cut off words; of anything else it does no harm to be one too many.
    return letters, [letter for letter in letters if letter in inside and letter not in string.punctuation]


def _read(name: str) -> Any:
    path = _find(name)
    content = read_tokenizer_file(path)
    with refusing(lambda reason: f"--tokenizer {name}: expected a file of the tokenizers library ({reason})"):
        return Tokenizer.from_buffer(content)


def _find(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        if not (path / _FILE).is_file():
            raise MissingInputError(
                f"--tokenizer {name}: expected a {_FILE} in the folder, found none; AutoTokenizer.from_pretrained(…)"
                ".save_pretrained(FOLDER) writes one"
            )
        return path / _FILE
    if looks_like_path(name) or path.suffix == ".json":
        raise MissingInputError(f"--tokenizer {name}: there is no such file or folder")
    return _download(name)


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    say(f"looking for the tokenizer of {name} on the Hugging Face hub")
    try:
        return Path(hf_hub_download(name, _FILE))
    except Exception as error:  # noqa: BLE001 - the hub's client lets its HTTP library's errors through
        raise MissingInputError(
            f"--tokenizer {name}: it is no file or folder here, and the hub gave no {_FILE} of it "
            f"({reason_of(error)}); check the name and the network, name a local file, or give --tokenizer train"
        ) from None


def _cut_at(tokenizer: Any, max_length: int, name: str) -> None:
    """Let a tokenizer cut texts at ``max_length`` tokens, special ones included, and pad none.

    Raises:
        InputError: the special tokens alone are more.
    """
    with refusing(lambda reason: f"--tokenizer {name}: it cannot be used ({reason})"):
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)
        special = len(tokenizer.encode("").ids)
    if special > max_length:
        raise InputError(
            f"--max-length {max_length}: the tokenizer {name} adds {special} tokens to every text; give more"
        )


def _pad_of(tokenizer: Any) -> tuple[int, int]:
    """Return the pad token's id, and the size of a vocabulary in which every id is.

    A tokenizer that names no pad token has one beyond its own: a token of a text would be taken for padding.
    """
    ids = {
        **tokenizer.get_vocab(),
        **{token.content: id_ for id_, token in tokenizer.get_added_tokens_decoder().items()},
    }
    size = max(ids.values(), default=-1) + 1
    padding = tokenizer.padding
    if padding is not None and ids.get(padding["pad_token"], -1) == padding["pad_id"]:  # the library's default is 0
        return int(padding["pad_id"]), size
    known = next((ids[name] for name in _PAD_NAMES if name in ids), None)
    return (size, size + 1) if known is None else (known, size)
