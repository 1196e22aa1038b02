"""Which tasks there are, by name."""

from collections.abc import Sequence

from distill_jax.errors import InputError
from distill_jax.tasks import AS_THEY_ARE
from distill_jax.tasks.multi_label import MultiLabel
from distill_jax.tasks.score import Score
from distill_jax.tasks.single_label import SingleLabel
from distill_jax.tasks.task import Task

SINGLE_LABEL = SingleLabel()
_TASKS: dict[str, Task] = {task.name: task for task in (SINGLE_LABEL, MultiLabel(), Score())}


def task_named(name: object, standardisation: Sequence[float] = AS_THEY_ARE) -> Task:
    """Return the task of a name.

    Args:
        name: what a manifest or a configuration says.
        standardisation: what the task knows of the training split (``Task.standardised_by``).

    Raises:
        InputError: there is none: data of another task is never taken for this one's.
    """
    if not isinstance(name, str) or name not in _TASKS:
        raise InputError(f"task: expected one of {', '.join(_TASKS)}, got {name!r}; a newer distill-jax may know it")
    return _TASKS[name].standardised_by(tuple(standardisation))
