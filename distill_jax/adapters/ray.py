"""Labelling on Ray: a data set's rows, or a folder's tables; the extra ``ray`` (docs/scale.md, "Labelling")."""

from pathlib import Path
from typing import Any

import ray
from ray.util import ActorPool

from distill_jax.labelling.arrow_tables import ArrowLabeller
from distill_jax.labelling.inputs import BLOCK_ROWS
from distill_jax.labelling.label_folder import FolderTask
from distill_jax.labelling.labeller import load_student


def label_dataset(dataset: Any, student: Path, *text_columns: str, workers: int = 2, **columns: Any) -> Any:
    """Return a ``ray.data.Dataset`` with a student's answers as further columns.

    Rows stay in order where Ray is told so (``DataContext.get_current().execution_options.preserve_order = True``).

    Args:
        dataset: has the texts.
        student: where it lies; this process alone must see it.
        text_columns: those of the text.
        workers: actors, a processor each.
        columns: ``probabilities`` and ``prefix``, as ``ArrowLabeller`` has them.
    """
    made_of = (ray.put(ArrowLabeller(load_student(student), text_columns, **columns)),)
    batches = {"batch_size": BLOCK_ROWS, "batch_format": "pyarrow", "concurrency": workers}
    return dataset.map_batches(_Batches, fn_constructor_args=made_of, **batches)


def label_folder(task: FolderTask, *, workers: int = 2, resume: bool = False) -> int:
    """Label a folder's tables, the same bytes as ``predict`` writes; return how many rows were labelled now.

    Args:
        task: the work; all machines see its paths.
        workers: actors, a processor each; one that dies is replaced, and its table is gone on with.
        resume: go on with what is there.
    """
    task.begin(resume=resume, overwrite=False)
    left = task.left(task.names())
    actors = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(_Tables)
    pool = ActorPool([actors.remote(task) for _ in range(workers)])
    return sum(pool.map_unordered(lambda actor, name: actor.label.remote(name), left))


class _Batches:
    def __init__(self, labeller: Any) -> None:
        self._label = ray.get(labeller)

    def __call__(self, table: Any) -> Any:
        return self._label(table)


class _Tables:
    def __init__(self, task: FolderTask) -> None:
        self._label = task.labeller()

    def label(self, name: str) -> int:
        return self._label(name).rows
