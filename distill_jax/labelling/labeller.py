"""From a block of a table to the bytes that are written of it; whichever process it is done in."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.extras import are_installed
from distill_jax.labelling.inputs import Block
from distill_jax.labelling.outputs import OutputForm
from distill_jax.storage.mirror import local_copy
from distill_jax.tasks.answer_columns import WHY, AnswerColumn, AnswerColumns

if TYPE_CHECKING:
    from distill_jax.inference.predictor import Predictor


def load_student(path: Path) -> "Predictor":
    """Load a trained student, at a path or an address, with JAX set up as commands have it, where it is installed."""
    path = local_copy(path)
    # A packed file needs none of them, nor does a linear student.
    if path.is_dir() and are_installed("jax", "flax", "platformdirs"):
        from distill_jax.jax_setup import configure_jax

        configure_jax()
    from distill_jax.formats.registry import load

    return load(path)


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A block that is done.

    Attributes:
        content: what is written.
        rows: how many rows it has.
        missing: how many of them have no text, and so no answer.
    """

    content: bytes
    rows: int
    missing: int


@dataclasses.dataclass(frozen=True)
class Labeller:
    """Labels blocks.

    Attributes:
        predictor: answers.
        columns: what is written of an answer.
        form: how it is written.
        explain: whether each answer's reasons are a further column.
    """

    predictor: "Predictor"
    columns: AnswerColumns
    form: OutputForm
    explain: bool = False

    def label(self, block: Block) -> Labelled:
        """Return a block's rows with their answers; a row without a text has none."""
        texts = block.texts
        values = answers(self.predictor, self.columns, texts)
        if self.explain:
            asked = [text for text in texts if text is not None]
            why = [each.why_json() for each in self.predictor.explainer.explain(asked)]
            values.append(_spread(why, texts))
        return Labelled(self.form.piece(block.rows, values), len(block.rows), texts.count(None))


def answers(predictor: "Predictor", columns: AnswerColumns, texts: Sequence[str | None]) -> list[list[Any]]:
    """Return each column's values, one a text; None for a text that is None."""
    values = columns.values(predictor.logits([text for text in texts if text is not None]))
    return [_spread(column, texts) for column in values]


def _spread(values: Sequence[Any], texts: Sequence[str | None]) -> list[Any]:
    """Return the values of texts, with None where a text is None."""
    given = iter(values)
    return [None if text is None else next(given) for text in texts]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a labeller is made of, in a process of its own.

    Attributes:
        student: where it lies.
        probabilities: whether each label's is written.
        form: how a table is written.
        explain: whether reasons are.
    """

    student: Path
    probabilities: bool
    form: OutputForm
    explain: bool = False

    def label(self) -> Callable[[Block], Labelled]:
        """Load the student and return what labels a block."""
        predictor = load_student(self.student)
        columns = answer_columns(predictor, probabilities=self.probabilities)
        return Labeller(predictor, columns, self.form, self.explain).label


def answer_columns(predictor: "Predictor", *, probabilities: bool) -> AnswerColumns:
    """Return what a student's answers are as columns."""
    return predictor.task.answer_columns(predictor.label_names, probabilities=probabilities)


def appended_columns(columns: AnswerColumns, prefix: str, *, explain: bool = False) -> tuple[AnswerColumn, ...]:
    """Return the columns of answers, and of reasons, with the names that they have in the table."""
    all_ = (*columns.columns, WHY) if explain else columns.columns
    return tuple(dataclasses.replace(column, name=prefix + column.name) for column in all_)
