"""The seam between an export and what labels its rows: a transformer, or a table of answers; a file for each."""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.export.format import Manifest
from teacher_export.config import ExportConfig
from teacher_export.transfer.transfer_set import TRANSFER

if TYPE_CHECKING:
    import numpy as np

    from distill_jax.data.ragged import Ragged
    from teacher_export.data.dataset import Dataset, Split
    from teacher_export.transfer.transfer_set import TransferSet


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a whole export's manifest says if it is the one that the options ask for.

    Attributes:
        label_names: its classes.
        config: its ``config``.
        fingerprint: its teacher's.
    """

    label_names: tuple[str, ...]
    config: dict[str, Any]
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class RowsAsked:
    """Rows of a split that are to be labelled.

    Attributes:
        split: the split.
        rows: which of its rows.
        tokens: those rows' tokens.
        where: names them, for messages.
        are_learnt: whether students learn from them: then they have hints, where the teacher keeps any.
    """

    split: "Split"
    rows: slice
    tokens: "Ragged"
    where: str
    are_learnt: bool = False


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a teacher says of rows.

    Attributes:
        logits: float32 [rows, classes], in the order of the export's classes.
        hints: int8 [tokens, width], or None.
    """

    logits: "np.ndarray"
    hints: "np.ndarray | None" = None


@dataclasses.dataclass(frozen=True)
class TokenStates:
    """What a teacher says of tokens, whatever the text: what all parts of an export share.

    Attributes:
        table: what students' embeddings may start from, float32 [vocab_size, dim]; None = there is nothing.
        hint_directions: what hints are made along, float32 [dim, width]; None = there are none.
    """

    table: "np.ndarray | None"
    hint_directions: "np.ndarray | None" = None


class RowLabeller(abc.ABC):
    """A teacher that is ready to label rows: all that a part of an export is made by.

    Attributes:
        tokenizer: a ``tokenizers.Tokenizer`` that cuts texts at the maximal length and does not pad.
    """

    tokenizer: Any

    def encode(self, texts: Sequence[str]) -> "Ragged":
        """Return texts' token ids, cut at the maximal length."""
        from teacher_export.teacher.tokens import encode

        return encode(self.tokenizer, texts)

    @abc.abstractmethod
    def logits(self, asked: RowsAsked, advance: Callable[[int], object]) -> "np.ndarray":
        """Return logits, float32 [rows, classes], in the order of the export's classes.

        Args:
            asked: the rows.
            advance: is called with the number of rows done since its last call.
        """

    def answers(self, asked: RowsAsked, advance: Callable[[int], object]) -> Answers:
        """Return all that it says of rows; arguments as for ``logits``."""
        return Answers(self.logits(asked, advance))

    def keep_hints(self, table: "np.ndarray", directions: "np.ndarray") -> None:  # noqa: B027 - most teachers keep none
        """Keep hints from now on, by the export's table of embeddings and directions (``hint_map``)."""

    @property
    @abc.abstractmethod
    def how(self) -> str:
        """How it labels rows, in words that go on a sentence (``in float32 on cpu``)."""

    def place(self) -> dict[str, Any] | None:
        """Return where it computes (``device``, ``threads``); None where its speed means nothing."""
        return None


class Labeller(RowLabeller):
    """A teacher that is ready, or nearly so: what an export asks of it.

    Attributes:
        config: what the user asked for.
        dataset: the rows, their labels among all classes that it answers.
        name: what to call it.
        fingerprint: it differs for a teacher that would give other logits; for one that is still to be fine-tuned it
            is what a begun export says.
        pad_id: the token that fills short texts up; no text has it.
        vocab_size: every token id is below it.
        transfer: further texts that it labels, or None.
        order_is_known: whether nobody need doubt which logit is which class's.
    """

    config: ExportConfig
    dataset: "Dataset"
    name: str
    fingerprint: str
    pad_id: int
    vocab_size: int
    transfer: "TransferSet | None" = None
    order_is_known = True

    @abc.abstractmethod
    def describe(self, tokenizer_sha256: str) -> dict[str, Any]:
        """Return the manifest's ``config``: everything that decides an export's bytes, and no folder's name."""

    @abc.abstractmethod
    def introduce(self) -> None:
        """Say of it what should be looked at before the work begins."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Do what must be done before it can label rows (fine-tuning)."""

    @abc.abstractmethod
    def token_states(self) -> TokenStates:
        """Return what it says of tokens, whatever the text."""

    @abc.abstractmethod
    def figures(self) -> dict[str, Any]:
        """Return what the manifest says of it beside its scores."""

    @abc.abstractmethod
    def handed_on(self) -> dict[str, Any]:
        """Return, as JSON, what another process makes the same ``RowLabeller`` of (``kinds.row_labeller_of``)."""

    @property
    def splits(self) -> "dict[str, Split]":
        """All rows that it labels: the data set's splits, and the further texts."""
        further = {} if self.transfer is None else {TRANSFER: self.transfer.split}
        return {**self.dataset.splits, **further}

    @property
    def part_rows(self) -> int:
        """How many rows a part has."""
        return self.config.output.rows_of_part(sum(map(len, self.splits.values())))


class TeacherKind(abc.ABC):
    """A teacher as the options name it; what is looked at now is cheap.

    Args:
        config: what the user asked for.
        texts_folder: where the texts of data files go, if not into the memory.
    """

    def __init__(self, config: ExportConfig, texts_folder: Path | None = None) -> None:
        self.config, self._texts_folder = config, texts_folder

    @property
    @abc.abstractmethod
    def dataset(self) -> "Dataset":
        """The data that it is asked about, read when it is first asked for."""

    def read_data(self) -> None:
        """Read the data, so that what is wrong with it is said before anything is written."""
        _ = self.dataset

    @abc.abstractmethod
    def expected(self, manifest: Manifest) -> Expected | None:
        """Return what a whole export's manifest says if it is this one's.

        What follows from the rest, and only work would tell, is taken from the manifest. None = it is another's.
        """

    @abc.abstractmethod
    def load(self) -> Labeller:
        """Return it ready to label rows.

        Raises:
            InputError: it does not fit the data or the options.
        """
