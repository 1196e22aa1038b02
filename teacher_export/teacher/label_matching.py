"""Match a teacher's classes to the data's by name, so that no logit ever stands in the wrong column."""

import re
from collections.abc import Callable, Sequence

from distill_jax.console import shell_line
from distill_jax.errors import InputError

IN_ORDER = "in-order"
_GENERIC = re.compile(r"LABEL_\d+")


def are_generic(names: Sequence[str]) -> bool:
    """Whether a teacher's class names are the placeholders ``LABEL_0``, ``LABEL_1``, … that say nothing."""
    return all(_GENERIC.fullmatch(name) for name in names)


def match_labels(teacher_names: Sequence[str], data_names: Sequence[str], label_map: Sequence[str]) -> list[int]:
    """Return the teacher's column for each class of the data.

    Names match exactly, or else without regard to case and space; ``label_map`` goes before both.

    Args:
        teacher_names: the teacher's classes in the order of its logits.
        data_names: the data's classes.
        label_map: ``teacher name=data name`` for each class to map, or the one word ``in-order``.

    Returns:
        ``columns`` with ``logits[:, columns]`` in the data's order.

    Raises:
        InputError: the names are no one-to-one match; the message lists both sides and a map to paste.
    """
    if len(teacher_names) != len(data_names):
        raise InputError(
            f"the teacher has {len(teacher_names)} classes and the data {len(data_names)}: "
            f"{_both(teacher_names, data_names)}; use a teacher for these classes, or other data"
        )
    if list(label_map) == [IN_ORDER]:
        return list(range(len(data_names)))
    given = parse_label_map(label_map, teacher_names, data_names)
    columns: dict[str, int] = {data_name: teacher_names.index(name) for name, data_name in given.items()}
    for normalise in (str, _fold):
        _match_free(columns, teacher_names, data_names, normalise)
    if len(columns) < len(data_names):
        raise InputError(
            f"the teacher's classes do not match the data's by name: {_both(teacher_names, data_names)}; say which is "
            f"which, for example (check it!): {suggest_label_map(teacher_names, data_names, columns)}"
        )
    return [columns[name] for name in data_names]


def _match_free(
    columns: dict[str, int], teacher_names: Sequence[str], data_names: Sequence[str], fold: Callable[[str], str]
) -> None:
    """Match what is free on both sides where a folded name stands exactly once on each."""
    free_teacher = [index for index in range(len(teacher_names)) if index not in columns.values()]
    free_data = [name for name in data_names if name not in columns]
    folded = [fold(teacher_names[index]) for index in free_teacher]
    for name in free_data:
        wanted = fold(name)
        if folded.count(wanted) == 1 and [fold(other) for other in free_data].count(wanted) == 1:
            columns[name] = free_teacher[folded.index(wanted)]


def _fold(name: str) -> str:
    return "".join(name.casefold().split())


def parse_label_map(
    label_map: Sequence[str], teacher_names: Sequence[str], data_names: Sequence[str]
) -> dict[str, str]:
    """Return teacher name → data name of ``--label-map``; a name may itself hold an equals sign.

    Raises:
        InputError: an entry has no ``=``, names a class that is not there, or repeats one.
    """
    given: dict[str, str] = {}
    for entry in label_map:
        splits = [(entry[: match.start()], entry[match.end() :]) for match in re.finditer("=", entry)]
        if not splits:
            raise InputError(f"--label-map: expected TEACHER=DATA entries or the one word {IN_ORDER}, got {entry!r}")
        known = [(left, right) for left, right in splits if left in teacher_names and right in data_names]
        if not known:
            left, right = splits[0]
            side = (
                f"the teacher has no class {left!r}"
                if left not in teacher_names
                else f"the data has no class {right!r}"
            )
            raise InputError(f"--label-map {entry!r}: {side}: {_both(teacher_names, data_names)}")
        name, data_name = known[0]
        if name in given or data_name in given.values():
            raise InputError(f"--label-map {entry!r}: expected each class once, got {name!r} or {data_name!r} twice")
        given[name] = data_name
    return given


def suggest_label_map(teacher_names: Sequence[str], data_names: Sequence[str], matched: dict[str, int]) -> str:
    """Return a ready-to-paste ``--label-map`` that pairs what is unmatched in order."""
    free_teacher = [name for index, name in enumerate(teacher_names) if index not in matched.values()]
    free_data = [name for name in data_names if name not in matched]
    pairs = [(teacher_names[index], name) for name, index in matched.items()]
    pairs += list(zip(free_teacher, free_data, strict=True))
    return shell_line(["--label-map", *(f"{left}={right}" for left, right in pairs)])


def _both(teacher_names: Sequence[str], data_names: Sequence[str]) -> str:
    return f"the teacher's are {list(teacher_names)}, the data's {list(data_names)}"
