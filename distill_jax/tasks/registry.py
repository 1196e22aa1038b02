"""Which tasks there are, by name."""

from distill_jax.errors import InputError
from distill_jax.tasks.single_label import SingleLabel
from distill_jax.tasks.task import Task

SINGLE_LABEL = SingleLabel()
_TASKS: dict[str, Task] = {task.name: task for task in (SINGLE_LABEL,)}


def task_named(name: object) -> Task:
    """Return the task of a name.

    Raises:
        InputError: there is none: data of another task is never taken for this one's.
    """
    if not isinstance(name, str) or name not in _TASKS:
        raise InputError(f"task: expected one of {', '.join(_TASKS)}, got {name!r}; a newer distill-jax may know it")
    return _TASKS[name]
