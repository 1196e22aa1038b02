"""The tables of an ablation: for the terminal, and as Markdown with every row's command."""

from collections.abc import Sequence

from distill_jax.console import format_table
from distill_jax.reporting.numbers import percentage_points
from distill_jax.students.registry import student_kind
from scripts.ablation.results import Row, Spread, Teacher
from scripts.ablation.variants import GROUP_TITLES, GroupName

NO_NUMBER = "–"
_VALIDATION_GROUPS = ("loss",)  # choices that a user has to make, and should not make on the test split
_HEADER = ("variant", "accuracy", "macro F1", "of the teacher's", "points to the whole recipe", "95 % interval")
_CURVE_HEADER = ("transfer texts", *_HEADER[1:])


def header(group: GroupName) -> list[str]:
    """Return a group's columns; the accuracy and macro F1 named first are on the test split."""
    columns = list(_CURVE_HEADER if group == "curve" else _HEADER)
    return columns[:1] + ["validation macro F1"] * (group in _VALIDATION_GROUPS) + columns[1:]


def cells(group: GroupName, row: Row, whole: Row, teacher: Teacher) -> list[str]:
    """Return a row's cells."""
    accuracy = row.spread("accuracy")
    share = NO_NUMBER if accuracy.mean is None else f"{100 * accuracy.mean / teacher.accuracy:.1f} %"
    same = row.variant.key == whole.variant.key
    points, interval = (NO_NUMBER, NO_NUMBER) if same else _points(row, whole)
    title = row.variant.title
    if row.diverged:
        title += f" ({len(row.diverged)} of {len(row.commands)} diverged)"
    validation = [show(row.spread("validation_macro_f1"))] * (group in _VALIDATION_GROUPS)
    return [title, *validation, show(accuracy), show(row.spread("macro_f1")), share, points, interval]


def show(spread: Spread, *, points: bool = False) -> str:
    """Return ``0.512 ± 0.003``, or in percentage points ``−1.2 ± 0.3``; without ± for a single seed."""
    if spread.mean is None:
        return NO_NUMBER
    mean, scale, digits = (percentage_points(spread.mean), 100, 1) if points else (f"{spread.mean:.3f}", 1, 3)
    return mean if spread.sd is None else f"{mean} ± {scale * spread.sd:.{digits}f}"


def _points(row: Row, whole: Row) -> tuple[str, str]:
    interval = row.interval(whole)
    said = NO_NUMBER if interval is None else f"{percentage_points(interval.low)} to {percentage_points(interval.high)}"
    return show(row.difference(whole), points=True), said


def terminal_table(student: str, group: GroupName, rows: Sequence[Row], whole: Row, teacher: Teacher) -> str:
    """Return a group's table under its title, for the terminal."""
    body = [cells(group, row, whole, teacher) for row in rows]
    return f"{student_kind(student).title}: {GROUP_TITLES[group]}\n{format_table(header(group), body)}"


def markdown(
    found: dict[str, dict[GroupName, list[Row]]],
    wholes: dict[str, Row],
    teacher: Teacher,
    seeds: Sequence[int],
    export: str,
) -> str:
    """Return the page: what was measured, a table a student and group, then every row's command."""
    spread = f"Mean ± sample standard deviation over the seeds {_listed(seeds)}" if len(seeds) > 1 else "One seed"
    about = (
        f"Students of the teacher in `{export}`, which reaches accuracy {teacher.accuracy:.3f} and macro F1 "
        f"{teacher.macro_f1:.3f} on the same {teacher.rows:,} test texts. {spread}. The interval is that of the "
        "points, paired, by bootstrap over the test texts."
    )
    lines = ["# Ablation", "", about]
    for student, groups in found.items():
        for group, rows in groups.items():
            lines += ["", f"## {student_kind(student).title}: {GROUP_TITLES[group]}", ""]
            body = [cells(group, row, wholes[student], teacher) for row in rows]
            lines += _markdown_table(header(group), body)
    return "\n".join([*lines, *_commands(found, seeds)]) + "\n"


def _markdown_table(columns: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (columns, rule, *body)]


def _commands(found: dict[str, dict[GroupName, list[Row]]], seeds: Sequence[int]) -> list[str]:
    lines = ["", "## Commands", ""]
    if len(seeds) > 1:
        lines += [f"Those of seed {seeds[0]}; the others differ in `--seed` and `--workdir` and stand in the JSON.", ""]
    said: set[str] = set()
    for student, groups in found.items():
        for group, rows in groups.items():
            for row in rows:
                command = row.commands[seeds[0]]
                if command not in said:  # the same training may stand in several tables
                    said.add(command)
                    lines += [f"{student_kind(student).title}, {GROUP_TITLES[group]}: {row.variant.title}", ""]
                    lines += ["```", command, "```", ""]
    return lines[:-1]


def _listed(seeds: Sequence[int]) -> str:
    return f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
