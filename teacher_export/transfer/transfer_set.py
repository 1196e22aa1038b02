"""The transfer set: texts without classes that the teacher labels for the student, beyond the training texts.

Unlabelled texts come first, then copies of the training texts. Left out is what has no word, what is there already
(in the training split, or earlier here), and every copy or near copy of a test or validation text. A training text that
is such a near copy itself is not copied at all: masks could hide where its copies come from.
"""

import collections
import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.console import format_table, progress, say
from distill_jax.errors import InputError
from teacher_export.config import ExportConfig
from teacher_export.data.dataset import SEEN_BY_NONE
from teacher_export.transfer.augment import Augmenter
from teacher_export.transfer.draw import drawn_texts
from teacher_export.transfer.near_copies import NearCopyIndex
from teacher_export.transfer.unlabelled import find_unlabelled
from teacher_export.transfer.word_classes import learn_word_classes
from teacher_export.transfer.words import normalised_words

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset, Split


TRANSFER = "transfer"
PROTECTED_SPLITS = ("test", "validation")
_VERSION = 1  # raise it whenever the same options come to other texts
_CHUNK, _CHUNK_CHARACTERS = 4096, 1 << 22
_AUGMENTED = "augmented"
_EXAMPLES_SHOWN = 3
_NO_WORD = "wordless"
_DUPLICATE = "repeated"
_NEAR_COPY = "near copies"
_REASONS = (_NO_WORD, _DUPLICATE, _NEAR_COPY)
_LEGEND = (
    "dropped: wordless = of punctuation and masks alone; repeated = there already, or a training text; near copies = "
    "much like a test or validation text"
)


@dataclasses.dataclass(frozen=True)
class TransferSet:
    """The transfer split and what is known of it.

    Attributes:
        split: its texts; ids count from 0, every label is -1.
        description: what the manifest says of it (``describe_transfer``).
    """

    split: "Split"
    description: dict[str, Any]


def describe_transfer(config: ExportConfig, mask_token: str, fingerprint: str) -> dict[str, Any]:
    """Return what the manifest's ``config`` says of the transfer set: everything that decides its texts.

    Args:
        config: what the user asked for.
        mask_token: what masks a word.
        fingerprint: SHA-256 over the transfer set's texts, in order.
    """
    settings = config.transfer_set
    sources = find_unlabelled(config)
    described: dict[str, Any] = {
        "version": _VERSION,
        "unlabelled": [
            {"name": source.name, "sha256": source.fingerprint(), "columns": list(source.columns)} for source in sources
        ],
        "augment": settings.augment,
        "fingerprint": fingerprint,
    }
    if settings.unlabelled_rows is not None:
        described["unlabelled_rows"] = settings.unlabelled_rows
    if settings.augment:
        described["mask_token"] = mask_token
        described.update(settings.probabilities())
    return described


def build_transfer_set(config: ExportConfig, dataset: "Dataset", mask_token: str) -> TransferSet:
    """Read, augment, filter, and say what came of it.

    Args:
        config: which texts and how many.
        dataset: its training texts are copied; nothing like its other texts is let in.
        mask_token: what masks a word; "" deletes it.

    Raises:
        InputError: a file cannot be read, or no text is left.
    """
    from teacher_export.data.dataset import Split

    builder = _Builder(dataset, mask_token)
    for source in find_unlabelled(config):
        builder.add(source.name, source.described, _taken(source.texts(), config))
    train, folds = dataset.splits["train"], [SEEN_BY_NONE] * len(builder.texts)
    if config.transfer_set.augment:
        clean = train.take(builder.clean(train.texts))
        for fold in _add_copies(builder, clean, config, mask_token):
            folds.extend([fold] * (len(builder.texts) - len(folds)))
        if len(clean) < len(train):
            say(f"training texts of which no copies are made ({_NEAR_COPY}, {_NO_WORD}): {len(train) - len(clean):,}")
    builder.say_summary()
    if not builder.texts:
        raise InputError("the transfer set: no text is left of --unlabelled and --augment; see the reasons above")
    rows = len(builder.texts)
    split = Split(
        np.arange(rows, dtype=np.int64),
        builder.texts,
        dataset.task.unlabelled(rows, len(dataset.label_names)),
        folds=None if train.folds is None else np.array(folds, np.int32),
    )
    return TransferSet(split, describe_transfer(config, mask_token, _fingerprint(builder.texts)))


def _taken(texts: Iterable[str], config: ExportConfig) -> Iterable[str]:
    rows = config.transfer_set.unlabelled_rows
    return texts if rows is None else drawn_texts(texts, rows, config.data.seed)


def _add_copies(builder: "_Builder", train: "Split", config: ExportConfig, mask_token: str) -> Iterator[int]:
    """Add copies of training texts, and yield each fold as its copies are there.

    Texts with folds are crossed within a fold, so that the teacher that has not seen it has seen neither half. What
    one part of speech is was learnt from all of them; that takes no label.
    """
    settings, seed = config.transfer_set, config.data.seed
    classes = learn_word_classes(train.texts if settings.pos_probability else (), seed)
    folds = np.zeros(len(train), np.int32) if train.folds is None else train.folds
    with progress(len(train) * settings.augment, "augmenting") as bar:
        for fold in np.unique(folds).tolist():
            texts = train.take(np.flatnonzero(folds == fold)).texts
            copies = Augmenter(texts, settings, classes, mask_token, seed + fold)
            builder.add(_AUGMENTED, f"{settings.augment} copies of {len(train):,} training texts", copies, bar)
            yield fold


class _Builder:
    """Takes texts in as long as they are new and nothing like a protected one."""

    def __init__(self, dataset: "Dataset", mask_token: str) -> None:
        protected = (dataset.splits[name].texts for name in PROTECTED_SPLITS if name in dataset.splits)
        self._index = NearCopyIndex(itertools.chain.from_iterable(protected))
        self._seen = {_digest(normalised_words(text)) for text in dataset.splits["train"].texts}
        self._mask = set(normalised_words(mask_token))
        self.texts: list[str] = []
        self._origins: list[tuple[str, str, range, Mapping[str, int]]] = []

    def clean(self, texts: Sequence[str]) -> np.ndarray:
        """Return the numbers of the texts that have words and are no near copies, int64 [m]."""
        kept: list[bool] = []
        for chunk in _chunks(texts):
            words = [normalised_words(text) for text in chunk]
            copied = self._index.find(words)
            kept.extend(bool(of_text) and not copy for of_text, copy in zip(words, copied, strict=True))
        return np.flatnonzero(kept)

    def add(self, name: str, description: str, texts: Iterable[str], bar: Any = None) -> None:
        """Take in what may be taken of an origin's texts; those of the origin before go on where it is the same."""
        dropped: collections.Counter[str] = collections.Counter()
        first = len(self.texts)
        if self._origins and self._origins[-1][:2] == (name, description) and name == _AUGMENTED:
            _, _, taken, before = self._origins.pop()
            first, dropped = taken.start, collections.Counter(before)
        for chunk in _chunks(texts):
            self._add_chunk(chunk, dropped)
            if bar is not None:
                bar.update(len(chunk))
        self._origins.append((name, description, range(first, len(self.texts)), dropped))

    def _add_chunk(self, chunk: Sequence[str], dropped: collections.Counter[str]) -> None:
        words = [normalised_words(text) for text in chunk]
        copied = self._index.find(words)
        for text, of_text, copy in zip(chunk, words, copied, strict=True):
            digest = _digest(of_text)
            if self._mask.issuperset(of_text):
                dropped[_NO_WORD] += 1
            elif digest in self._seen:
                dropped[_DUPLICATE] += 1
            elif copy:
                dropped[_NEAR_COPY] += 1
            else:
                self._seen.add(digest)
                self.texts.append(text)

    def say_summary(self) -> None:
        """Say how many texts of each origin there are, why others were dropped, and show some."""
        from teacher_export.data.dataset import shortened

        say("\nThe transfer set, by origin:")
        rows = [
            [description, f"{len(taken):,}", *(f"{dropped.get(reason, 0):,}" for reason in _REASONS)]
            for _, description, taken, dropped in self._origins
        ]
        say(format_table(["origin", "texts", *_REASONS], rows))
        say(_LEGEND)
        for name, _, taken, _ in self._origins:
            for index in taken[:: max(1, len(taken) // _EXAMPLES_SHOWN)][:_EXAMPLES_SHOWN]:
                say(f"{name}: {shortened(self.texts[index])}")


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in lists that are neither long nor large."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if len(chunk) == _CHUNK or size > _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _digest(words: Sequence[str]) -> bytes:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=12).digest()


def _fingerprint(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()
