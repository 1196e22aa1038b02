"""Tables in memory, labelled: Arrow in, Arrow with the answers out. What engines call, batch by batch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.labelling.inputs import require_free_names, texts_of_batch
from distill_jax.labelling.labeller import answer_columns, answers, appended_columns
from distill_jax.labelling.outputs import with_answers
from distill_jax.tables.reading import require_columns

if TYPE_CHECKING:
    from distill_jax.inference.predictor import Predictor

_NAME = Path("the table")  # in messages


class ArrowLabeller:
    """Appends a student's answers to tables; rows and other columns stay as they are. It can be pickled.

    Args:
        predictor: the student.
        text_columns: those of the text, joined as an export joins them.
        probabilities: whether each label's is a column too.
        prefix: what the new columns' names begin with.

    Attributes:
        columns: the columns that are appended.
    """

    def __init__(
        self, predictor: "Predictor", text_columns: tuple[str, ...], *, probabilities: bool = False, prefix: str = ""
    ) -> None:
        self._predictor, self._names = predictor, text_columns
        self._answers = answer_columns(predictor, probabilities=probabilities)
        self.columns = appended_columns(self._answers, prefix)

    def require(self, names: list[str]) -> None:
        """Raise ``InputError`` unless a table's columns have the text's, and none of a name that comes to it."""
        require_columns(_NAME, names, [name for name in self._names if "." not in name])
        require_free_names(_NAME, names, [column.name for column in self.columns])

    def __call__(self, table: Any) -> Any:
        """Return a ``pyarrow.Table`` with the answers; a row without a text has none.

        Raises:
            InputError: a column lacks or is in the way, or a text is of a kind that cannot be used.
        """
        self.require(table.column_names)
        texts: list[str | None] = []
        for batch in table.to_batches():
            texts += texts_of_batch(_NAME, len(texts), batch, self._names)
        return with_answers(table, self.columns, answers(self._predictor, self._answers, texts))
