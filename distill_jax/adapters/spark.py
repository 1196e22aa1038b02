"""Labelling on Spark: a frame's rows, or a folder's tables; the extra ``spark`` (docs/scale.md, "Labelling")."""

from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, types

from distill_jax.labelling.arrow_tables import ArrowLabeller
from distill_jax.labelling.label_folder import FolderTask
from distill_jax.labelling.labeller import load_student
from distill_jax.labelling.part_folder import Done

_TYPES = {"text": types.StringType(), "number": types.DoubleType(), "texts": types.ArrayType(types.StringType())}


def label_frame(frame: DataFrame, student: Path, *text_columns: str, **columns: Any) -> DataFrame:
    """Return a frame with a student's answers as further columns; a partition's rows stay in their order.

    By ``mapInArrow``: through pandas a column of whole numbers with a null in it would become one of fractions.

    Args:
        frame: has the texts.
        student: where it lies; the driver alone must see it.
        text_columns: those of the text.
        columns: ``probabilities`` and ``prefix``, as ``ArrowLabeller`` has them.

    Raises:
        InputError: the frame lacks a column of the text, or has one of a name that comes to it.
    """
    label = ArrowLabeller(load_student(student), text_columns, **columns)
    label.require(frame.columns)

    def labelled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from label(pa.Table.from_batches([batch])).combine_chunks().to_batches()

    added = [types.StructField(column.name, _TYPES[column.kind]) for column in label.columns]
    return frame.mapInArrow(labelled, types.StructType([*frame.schema.fields, *added]))


def label_folder(session: SparkSession, task: FolderTask, *, resume: bool = False) -> int:
    """Label a folder's tables, the same bytes as ``predict`` writes; return how many rows were labelled now.

    Args:
        session: Spark's.
        task: the work, each table a task of Spark's; all machines see its paths.
        resume: go on with what is there.
    """
    task.begin(resume=resume, overwrite=False)
    left = task.left(task.names())
    tables = session.sparkContext.parallelize(left, max(1, len(left)))
    return sum(tables.mapPartitions(lambda names: map(_rows, names, repeat(task.labeller()))).collect())


def _rows(name: str, label: Callable[[str], Done]) -> int:
    return label(name).rows
