"""What a report says of speed: raw text to label on both sides, and a ratio only where one machine made both."""

from distill_jax.reporting.numbers import count, factor, join_names, two_digits
from distill_jax.reporting.table import Row, Table


def speed_sentence(row: Row, teacher: Row) -> str:
    """Return how fast a student labels raw texts, and how fast its teacher did in the export; nothing if unknown."""
    speed = row.text_speed
    if speed is None:
        return ""
    said = (
        f"From raw text to label it makes {two_digits(speed.median)} documents/s ({two_digits(speed.low)} to "
        f"{two_digits(speed.high)} in {count(speed.repeats)} repeats) on {_place(speed.device, speed.machine)}"
    )
    if not teacher.documents_per_second:
        return f"{said}."
    said += (
        f"; the teacher’s pass in the export made {two_digits(teacher.documents_per_second)}, tokenizing and writing "
        "included,"
    )
    ratio = speed_ratio(row, teacher)
    if ratio is not None:
        return f"{said} on the same: {_times(ratio)}."
    if teacher.device is None or teacher.machine is None:
        return f"{said} on a machine that it does not name, so the two are not compared."
    return f"{said} on {_place(teacher.device, teacher.machine)}, so the two are not compared."


def speed_ratio(row: Row, teacher: Row) -> float | None:
    """Return a student's speed / the teacher's, both from raw text; None unless measured on equal machines."""
    speed = row.text_speed
    if speed is None or not teacher.documents_per_second:
        return None
    if (speed.device, speed.machine) != (teacher.device, teacher.machine):
        return None
    return speed.median / teacher.documents_per_second


def speed_notes(table: Table) -> list[str]:
    """Return a sentence on the students whose runs know their speed from token ids alone."""
    old = [row for row in table.students if row.text_speed is None and row.token_speed]
    if not old:
        return []
    speeds = join_names([f"{row.model} {two_digits(row.token_speed or 0.0)}" for row in old])
    sentence = (
        "Older runs know their documents/s from token ids alone, without tokenizing, which cannot be compared with the "
        f"teacher’s: {speeds}."
    )
    return [sentence]


def _place(device: str, machine: str) -> str:
    return machine if device == "cpu" else device


def _times(ratio: float) -> str:
    return f"about {factor(ratio)} times as fast" if ratio >= 1 else f"about {factor(1 / ratio)} times as slow"
