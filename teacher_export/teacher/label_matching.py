"""Match a teacher's classes to the data's by name, so that no logit ever stands in the wrong column."""

import dataclasses
import re
from collections.abc import Callable, Sequence

from distill_jax.console import shell_line
from distill_jax.errors import InputError
from teacher_export.data.labels import in_order

IN_ORDER = "in-order"
_GENERIC = re.compile(r"LABEL_\d+")
_NAMED = 8


@dataclasses.dataclass(frozen=True)
class Matching:
    """An export's classes, and where the teacher has them.

    Attributes:
        names: the data's classes, and those that the teacher alone has.
        columns: the teacher's column for each, so that ``logits[:, columns]`` stands in the order of ``names``.
        lacking: those that the data lacks, in their order.
    """

    names: tuple[str, ...]
    columns: list[int]
    lacking: tuple[str, ...] = ()


def are_generic(names: Sequence[str]) -> bool:
    """Whether a teacher's class names are the placeholders ``LABEL_0``, ``LABEL_1``, … that say nothing."""
    return all(_GENERIC.fullmatch(name) for name in names)


def match_labels(teacher_names: Sequence[str], data_names: Sequence[str], label_map: Sequence[str]) -> Matching:
    """Match each class of the data to one of the teacher's; what the teacher has beyond them are classes too.

    Names match exactly, or else without regard to case and space; ``label_map`` goes before both. A class that the data
    lacks must have a name that says something, or one of ``label_map``.

    Args:
        teacher_names: the teacher's classes in the order of its logits.
        data_names: the data's classes.
        label_map: ``teacher name=data name`` for each class to map, or the one word ``in-order``.

    Raises:
        InputError: a class of the data is matched by none of the teacher's, or a further one has no name; the message
            lists both sides and a map to paste.
    """
    has_more = len(teacher_names) > len(data_names)
    if len(teacher_names) == len(data_names) and list(label_map) == [IN_ORDER]:
        return Matching(tuple(data_names), list(range(len(data_names))))
    if list(label_map) == [IN_ORDER]:
        raise InputError(
            f"--label-map {IN_ORDER}: the teacher has {len(teacher_names)} classes and the data {len(data_names)}: "
            f"{_both(teacher_names, data_names)}; give TEACHER=DATA entries instead"
        )
    given = parse_label_map(label_map, teacher_names, data_names, takes_others=has_more)
    columns = {data_name: teacher_names.index(name) for name, data_name in given.items()}
    for normalise in (str, _fold):
        _match_free(columns, teacher_names, data_names, normalise)
    unmatched = [name for name in data_names if name not in columns]
    if unmatched:
        raise InputError(_unmatched_words(teacher_names, data_names, columns, unmatched))
    for index, name in enumerate(teacher_names):
        if index not in columns.values():
            _require_name(index, teacher_names, data_names, columns)
            columns[name] = index
    lacking = [name for name in columns if name not in data_names]
    names = _with_others(data_names, lacking)
    return Matching(names, [columns[name] for name in names], tuple(name for name in names if name in lacking))


def _with_others(data_names: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Return classes and others in the usual order of classes, where the first stand in it; else one after another."""
    names = (*data_names, *others)
    return in_order(names) if tuple(data_names) == in_order(data_names) else names


def _unmatched_words(
    teacher_names: Sequence[str], data_names: Sequence[str], columns: dict[str, int], unmatched: Sequence[str]
) -> str:
    """Return why classes of the data that no class of the teacher is matched to are refused."""
    both = _both(teacher_names, data_names)
    if len(teacher_names) < len(data_names):
        return (
            f"the teacher has {len(teacher_names)} classes and the data {len(data_names)}: it has none for "
            f"{listed(unmatched)}: {both}; leave these rows out, take a teacher for these classes, or an encoder "
            "without a head, which is fine-tuned on them"
        )
    say_which = f"say which is which, for example (check it!): {suggest_label_map(teacher_names, data_names, columns)}"
    if len(teacher_names) == len(data_names):
        return f"the teacher's classes do not match the data's by name: {both}; {say_which}"
    return (
        f"none of the teacher's {len(teacher_names)} classes matches {listed(unmatched)} of the data by name: {both}; "
        f"{say_which}; or leave these rows out"
    )


def _require_name(index: int, teacher_names: Sequence[str], data_names: Sequence[str], columns: dict[str, int]) -> None:
    """Raise ``InputError`` where a class that the data lacks has a placeholder's name, a number's or another's."""
    name = teacher_names[index]
    says_nothing = bool(_GENERIC.fullmatch(name)) or name == str(index)
    if not says_nothing and name not in columns:
        return
    fault = "does not say what it is" if says_nothing else "is already taken by another class"
    raise InputError(
        f"the teacher has {len(teacher_names)} classes and the data {len(data_names)}, and the name of {name!r}, which "
        f"the data lacks, {fault}: {_both(teacher_names, data_names)}; name every class, for example (check it!): "
        f"{suggest_label_map(teacher_names, data_names, columns)}"
    )


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
    label_map: Sequence[str], teacher_names: Sequence[str], data_names: Sequence[str], *, takes_others: bool = False
) -> dict[str, str]:
    """Return teacher name → data name of ``--label-map``; a name may itself hold an equals sign.

    Args:
        label_map: the entries.
        teacher_names: the teacher's classes.
        data_names: the data's.
        takes_others: whether an entry may name a class that the data lacks.

    Raises:
        InputError: an entry has no ``=``, names a class that is not there, or repeats one.
    """
    given: dict[str, str] = {}
    for entry in label_map:
        splits = [(entry[: match.start()], entry[match.end() :]) for match in re.finditer("=", entry)]
        if not splits:
            raise InputError(f"--label-map: expected TEACHER=DATA entries or the one word {IN_ORDER}, got {entry!r}")
        known = [(left, right) for left, right in splits if left in teacher_names and right in data_names]
        if takes_others:
            known += [(left, right) for left, right in splits if left in teacher_names and right]
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
    """Return a ready-to-paste ``--label-map`` that pairs what is unmatched in order; others keep their names."""
    free_teacher = [name for index, name in enumerate(teacher_names) if index not in matched.values()]
    free_data = [name for name in data_names if name not in matched]
    pairs = [(teacher_names[index], name) for name, index in matched.items()]
    pairs += list(zip(free_teacher, free_data, strict=False))
    further = free_teacher[len(free_data) :]
    pairs += [(name, f"other {name}" if name in data_names else name) for name in further]
    return shell_line(["--label-map", *(f"{left}={right}" for left, right in pairs)])


def _both(teacher_names: Sequence[str], data_names: Sequence[str]) -> str:
    return f"the teacher's are {list(teacher_names)}, the data's {list(data_names)}"


def listed(names: Sequence[str]) -> str:
    """Return a few classes' names in quotation marks."""
    return ", ".join(map(repr, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
