"""A student and a folder of tables for engines to label."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tiny_export import tiny_texts
from untrained_student import write_student


@pytest.fixture
def student(tmp_path):
    """The run folder of a student that was never trained."""
    return write_student(tmp_path / "student")


@pytest.fixture
def folder(tmp_path):
    """Three tables of Parquet, with whole numbers of which some are null, and a text that is."""
    texts, _ = tiny_texts(60, 4)
    (tmp_path / "in").mkdir()
    for number in range(3):
        rows = texts[20 * number : 20 * number + 20]
        columns = {"id": range(20 * number, 20 * number + 20), "text": [None, *rows[1:]], "stars": [None, *range(19)]}
        pq.write_table(pa.table(columns), tmp_path / "in" / f"part-{number}.parquet")
    return tmp_path / "in"


@pytest.fixture
def whole(tmp_path, student, folder):
    """The folder as ``predict`` labels it."""
    from distill_jax.labelling.label_folder import label_folder
    from distill_jax.labelling.options import TableOptions
    from distill_jax.tables.dialect_options import DialectConfig

    options = TableOptions(text_column=("text",), output=tmp_path / "whole", workers=1)
    label_folder(folder, student, options, DialectConfig())
    return tmp_path / "whole"


@pytest.fixture
def task(tmp_path, student, folder):
    """The same work, for an engine."""
    from distill_jax.labelling.label_folder import FolderTask
    from distill_jax.labelling.options import TableOptions

    return FolderTask(folder, tmp_path / "out", student, TableOptions(text_column=("text",)))
