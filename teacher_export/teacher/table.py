"""A teacher that is a table: the answers of an LLM or of people, beside the texts. No PyTorch."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.console import say
from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.export.format import Manifest
from distill_jax.metrics.interval import finite
from distill_jax.tasks import SINGLE_LABEL_NAME
from distill_jax.tasks.registry import SINGLE_LABEL
from teacher_export.config import ExportConfig
from teacher_export.data.output_logits import FLOOR
from teacher_export.identity import describe_export
from teacher_export.options.data import DEMO_VOTES
from teacher_export.options.table_teacher import TRAIN, VOCABULARY
from teacher_export.teacher.labeller import Expected, Labeller, RowLabeller, RowsAsked, TeacherKind, TokenStates
from teacher_export.teacher.source import canonical_json
from teacher_export.teacher.table_embeddings import embeddings_beside
from teacher_export.teacher.table_tokenizer import TableTokenizer

if TYPE_CHECKING:
    from teacher_export.data.answered_table import AnsweredTable
    from teacher_export.data.dataset import Dataset

_COLUMNS_NAMED = 6
_ROWS_AT_ONCE = 1 << 14


class TableKind(TeacherKind):
    """The columns of a table that hold a teacher's answers."""

    def __init__(self, config: ExportConfig, texts_folder: Path | None = None) -> None:
        super().__init__(config, texts_folder)
        name = config.table_teacher.tokenizer
        # A wrong path is worth knowing before large files are read.
        self._given, self._embeddings = None, None
        if name != TRAIN:
            self._given = TableTokenizer.given(name, config.teacher.max_length)
            self._embeddings = embeddings_beside(name, self._given.vocab_size)

    @cached_property
    def _table(self) -> "AnsweredTable":
        asked = self.config.table_teacher
        if self.config.data.dataset == DEMO_VOTES:
            from teacher_export.data.demo_votes import load_demo_votes

            return load_demo_votes(self.config.data, asked.smoothing_of("votes"))
        if self.config.data.task != SINGLE_LABEL_NAME:
            from teacher_export.data.task_rows import load_answered_task

            return load_answered_task(self.config.data, asked, self._texts_folder)
        from teacher_export.data.output_rows import load_answered

        return load_answered(self.config.data, asked, self._texts_folder)

    @property
    def dataset(self) -> "Dataset":
        """The table, whose rows have their answers' logits."""
        return self._table.dataset

    def expected(self, manifest: Manifest) -> Expected | None:
        """Return what a whole export says; a vocabulary follows from the texts and is not learnt again."""
        found = manifest.config.get("tokenizer_sha256", "") if self._given is None else self._given.sha256
        part_rows = self.config.output.part_rows or manifest.config.get("part_rows", 0)
        described = _described(self.config, self._table, found, part_rows, self._given, self._embeddings)
        return Expected(self.dataset.label_names, described, _fingerprint(self._table))

    def load(self) -> Labeller:
        """Make the tokenizer ready."""
        if self._given is not None:
            return TableLabeller(self.config, self._table, self._given, self._embeddings)
        size = self.config.table_teacher.vocabulary or VOCABULARY
        trained = TableTokenizer.trained(self.dataset.splits["train"].texts, size, self.config.teacher.max_length)
        say(f"a vocabulary of {trained.vocab_size:,} word pieces was learnt from the training texts")
        return TableLabeller(self.config, self._table, trained)


def _described(
    config: ExportConfig,
    table: "AnsweredTable",
    tokenizer_sha256: str,
    part_rows: int,
    given: TableTokenizer | None,
    embeddings: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the manifest's ``config``; ``given`` is a tokenizer that was not learnt, with embeddings or without."""
    asked = config.table_teacher
    teacher = {
        "teacher_outputs": {
            "columns": list(table.columns),
            "are": table.kind,
            "votes_smoothing": table.smoothing,
            "floor": None if table.kind in ("logits", "score") else FLOOR,
            "fingerprint": table.fingerprint,
        },
        "part_rows": part_rows,
        "vocabulary": (asked.vocabulary or VOCABULARY) if given is None else None,
        "given_tokenizer": None if given is None else {"pad_id": given.pad_id, "vocab_size": given.vocab_size},
        "tokenizer_sha256": tokenizer_sha256,
    }
    if embeddings is not None:
        teacher["given_embeddings"] = hashlib.sha256(embeddings.tobytes()).hexdigest()
    return describe_export(config, table.dataset, teacher)


def _fingerprint(table: "AnsweredTable") -> str:
    content = [table.fingerprint, list(table.dataset.label_names), table.kind, table.smoothing, FLOOR]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


class TableRows(RowLabeller):
    """Rows that have their answers, and a tokenizer to go with them.

    Args:
        tokenizer: a ``tokenizers.Tokenizer`` that cuts texts and does not pad.
        max_length: where it cuts them.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer, self._fast = tokenizer, FastTokenizer(tokenizer, max_length)

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return texts' token ids: a table has so many rows that the tokenizer is what takes the time."""
        return self._fast.encode(texts)

    def logits(self, asked: RowsAsked, advance: Callable[[int], object]) -> np.ndarray:
        """Return the rows' answers as they were read."""
        logits = asked.split.teacher_logits
        assert logits is not None  # load_answered gives every split its own
        found = logits[asked.rows]
        advance(len(found))
        return found

    @property
    def how(self) -> str:
        """Where the answers are from."""
        return "with the table's answers"


class TableLabeller(TableRows, Labeller):
    """A table's answers, and a tokenizer to go with them."""

    def __init__(
        self,
        config: ExportConfig,
        table: "AnsweredTable",
        tokenizer: TableTokenizer,
        embeddings: np.ndarray | None = None,
    ) -> None:
        super().__init__(tokenizer.tokenizer, config.teacher.max_length)
        self.config, self._table, self._tokenizer, self._embeddings = config, table, tokenizer, embeddings
        self.dataset, self.name, self.fingerprint = table.dataset, _name(table.columns), _fingerprint(table)
        self.pad_id, self.vocab_size = tokenizer.pad_id, tokenizer.vocab_size
        self._facts = _facts(table)

    def describe(self, tokenizer_sha256: str) -> dict[str, Any]:
        """Return the manifest's ``config``."""
        given = None if self.config.table_teacher.tokenizer == TRAIN else self._tokenizer
        return _described(self.config, self._table, tokenizer_sha256, self.part_rows, given, self._embeddings)

    def introduce(self) -> None:
        """Say how sure the answers are, whether they agree with the labels, and what was done to them."""
        for sentence in sentences(self._facts):
            say(sentence)

    def prepare(self) -> None:
        """Do nothing: the answers are there."""

    def token_states(self) -> TokenStates:
        """Return the embeddings of the model beside the given tokenizer, where there is one."""
        return TokenStates(self._embeddings)

    def handed_on(self) -> dict[str, Any]:
        """Return where texts are cut: the answers go with the rows, and the export has the tokenizer."""
        return {"max_length": self.config.teacher.max_length}

    def figures(self) -> dict[str, Any]:
        """Return what kind of teacher it is, and what was done to its answers."""
        return {"kind": "table", "outputs": self._facts}


def _name(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:_COLUMNS_NAMED])
    more = f" and {len(columns) - _COLUMNS_NAMED} more" if len(columns) > _COLUMNS_NAMED else ""
    return f"table: {shown}{more}"


def _facts(table: "AnsweredTable") -> dict[str, Any]:
    """Return what is known of a table's answers: counts of rows, agreement with the labels, entropy in nats."""
    if not table.dataset.task.has_classes:
        return _task_facts(table)
    labelled, agreed, entropy = 0, 0, 0.0
    for split in table.dataset.splits.values():
        assert split.teacher_logits is not None  # load_answered gives every split its own
        for start in range(0, len(split), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            logits, labels = split.teacher_logits[rows], split.labels[rows]
            labelled += int(SINGLE_LABEL.is_labelled(labels).sum())
            agreed += int((SINGLE_LABEL.answers(logits) == labels).sum())  # never with -1
            entropy += _entropy(logits)
    splits = table.dataset.splits.values()
    count, all_labels = sum(map(len, splits)), np.concatenate([split.labels for split in splits])
    hashes = np.fromiter((hash(text) for split in splits for text in split.texts), np.int64, count)
    return {
        "rows": count,
        "labelled": labelled,
        "agreement_with_labels": agreed / labelled if labelled else None,
        "mean_entropy": entropy / count,
        **dataclasses.asdict(table.counts),
        "texts_with_several_labels": _contradicted(hashes, all_labels),
    }


def _task_facts(table: "AnsweredTable") -> dict[str, Any]:
    """Return what is known of answers that are no classes: counts of rows, and the scores over all labelled ones."""
    task, splits = table.dataset.task, table.dataset.splits.values()
    labels = np.concatenate([split.labels for split in splits])
    logits = np.concatenate([split.teacher_logits for split in splits if split.teacher_logits is not None])
    known = task.is_labelled(labels)
    scores = {metric.name: metric.of(labels[known], logits[known]) for metric in task.metrics} if known.any() else {}
    return {
        "rows": len(labels),
        "labelled": int(known.sum()),
        "scores": {name: finite(value) for name, value in scores.items()},
        "floored": table.counts.floored,
    }


def _task_sentences(facts: dict[str, Any]) -> list[str]:
    scores = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}" for name, value in facts["scores"].items() if value is not None
    )
    judged = (
        f"against the labels of {facts['labelled']:,}: {scores}"
        if scores
        else ("no row has a label, so students are judged by the teacher alone")
    )
    found = [f"the teacher's answers: {facts['rows']:,} rows; {judged}"]
    if facts["floored"]:
        found.append(
            f"{facts['floored']:,} rows have a probability nearer than {FLOOR:g} to 0 or 1, which it was set to"
        )
    return found


def _entropy(logits: np.ndarray) -> float:
    """Return the sum over rows of -Σ p·log p, in nats."""
    shares = SINGLE_LABEL.probabilities(logits)
    return -float((shares * np.log(np.maximum(shares, np.finfo(float).tiny))).sum())


def _contradicted(hashes: np.ndarray, labels: np.ndarray) -> int:
    """Return how many different texts, of which each row has the hash, stand with two labels or more."""
    hashes = hashes[labels >= 0]
    pairs = np.unique(np.stack([hashes, labels[labels >= 0]], axis=1), axis=0)
    _, counts = np.unique(pairs[:, 0], return_counts=True)
    return int((counts > 1).sum())


def sentences(facts: dict[str, Any]) -> list[str]:
    """Return what a user should know of a table's answers before training on them."""
    if "scores" in facts:
        return _task_sentences(facts)
    first = f"the teacher's answers: {facts['rows']:,} rows, mean entropy {facts['mean_entropy']:.3f} nats"
    if facts["agreement_with_labels"] is None:
        first += "; no row has a label, so students are judged by their agreement with the teacher alone"
    else:
        of = "" if facts["labelled"] == facts["rows"] else f" of the {facts['labelled']:,} rows that have one"
        first += f"; they agree with the label in {facts['agreement_with_labels']:.1%}{of}"
    found = [first]
    if facts["normalised"]:
        found.append(f"{facts['normalised']:,} rows of probabilities did not sum to 1 and were divided by their sum")
    if facts["completed"]:
        found.append(
            f"{facts['completed']:,} rows do not name every class: what they leave to 1 was spread over the others as "
            "in the mean of all rows"
        )
    if facts["floored"]:
        found.append(f"{facts['floored']:,} rows have a class of less than {FLOOR:g}, which it was raised to")
    if facts["texts_with_several_labels"]:
        found.append(f"{facts['texts_with_several_labels']:,} texts stand in the table with different labels")
    return found
