"""What a report says in words: the headline, whether distillation helped, and the notes under the table."""

import dataclasses

from distill_jax.metrics.significance import CLEAR
from distill_jax.reporting.numbers import count, factor, join_names, percent, points, probability, score, spread
from distill_jax.reporting.seeds import kept_by_mean, seed_notes
from distill_jax.reporting.table import Row, Table

# Speeds of two runs on a busy machine differ by chance; from here on it is worth a sentence.
_CLEARLY_FASTER = 1.5
_NAMED_PAIRS = 4


@dataclasses.dataclass(frozen=True)
class Tile:
    """One headline figure: the large text, and the line below it."""

    figure: str
    caption: str


def headline(table: Table) -> str:
    """Return the paragraph's first sentences: the best student against the teacher."""
    best, teacher = table.best, table.teacher
    if len(table.students) > 1:
        subject = f"Of the {len(table.students)} students, {best.model} is the most accurate: it"
    else:
        subject = f"The student, {best.model},"
    kept = kept_by_mean(best, teacher)
    if kept is None:
        right = percent(best.accuracy)
        return f"{subject} gets {right} of the {count(table.test_rows)} test texts right; the teacher, none."
    accuracy = score(best.accuracy)
    if best.seeds is not None:
        accuracy = f"{spread(best.seeds.test_acc)}, the mean of {len(best.seeds.seeds)} seeds,"
    sentence = (
        f"{subject} {_keeps(kept)} of the teacher’s accuracy ({accuracy} against "
        f"{score(teacher.accuracy)} on {count(table.test_rows)} test texts)"
    )
    comparisons = [text for text in (_size_text(best, teacher), _speed_text(best, teacher)) if text]
    return f"{sentence}{', and is ' + ' and '.join(comparisons) if comparisons else ''}.{_fastest(table)}"


def _keeps(kept: float) -> str:
    return f"{'keeps' if kept <= 1 else 'reaches'} {percent(kept)}"


def _fastest(table: Table) -> str:
    """Return a sentence on the fastest student, where that is another than the best and clearly faster."""
    best = table.best
    fastest = max(
        (row for row in table.students if row.documents_per_second),
        key=lambda row: (row.documents_per_second or 0.0, row.mean_accuracy),
        default=None,
    )
    kept = None if fastest is None else kept_by_mean(fastest, table.teacher)
    if fastest is None or not best.documents_per_second or kept is None:
        return ""
    ratio = (fastest.documents_per_second or 0.0) / best.documents_per_second
    if ratio < _CLEARLY_FASTER:
        return ""
    versus_teacher = _speed_text(fastest, table.teacher)
    speed = f"{versus_teacher} than the teacher" if versus_teacher else f"{factor(ratio)} times faster than that"
    mean = "" if fastest.seeds is None else f" in the mean of {len(fastest.seeds.seeds)} seeds"
    return f" The fastest, {fastest.model}, {_keeps(kept)}{mean} and is {speed}."


def _size_text(row: Row, teacher: Row) -> str | None:
    if not row.bytes or not teacher.bytes:
        return None
    return _times(teacher.bytes / row.bytes, "smaller", "larger")


def _speed_text(row: Row, teacher: Row) -> str | None:
    if not row.documents_per_second or not teacher.documents_per_second:
        return None
    return _times(row.documents_per_second / teacher.documents_per_second, "faster", "slower")


def _times(ratio: float, better: str, worse: str) -> str:
    return f"{factor(ratio)} times {better}" if ratio >= 1 else f"{factor(1 / ratio)} times {worse}"


def distillation(table: Table) -> str:
    """Return, for each distilled student with a direct twin, whether learning from the teacher helped it.

    A difference is called unclear unless the probability of a better accuracy is at least ``significance.CLEAR``, or
    that of a worse one.
    """
    pairs = [row for row in table.students if row.gain is not None]
    if not pairs:
        return (
            "Whether distillation helped cannot be told from these runs: none is a distilled student whose direct "
            "twin, trained on the labels with the same settings, is here too."
        )
    helped = [row for row in pairs if _better(row) >= CLEAR]
    hurt = [row for row in pairs if _better(row) <= 1 - CLEAR]
    unclear = [row for row in pairs if row not in helped and row not in hurt]
    sentences = []
    if helped:
        sentences.append(f"Learning from the teacher instead of the labels helped {_list_gains(helped)}.")
    if hurt:
        sentences.append(f"Distillation did not help {_list_gains(hurt)}: it cost accuracy.")
    if unclear:
        sentences.append(
            f"Distillation made no clear difference for {_list_gains(unclear)}: "
            f"with {count(table.test_rows)} test texts that is within chance."
        )
    return " ".join(sentences)


def _gain(row: Row) -> float:
    return row.gain or 0.0


def _better(row: Row) -> float:
    """Return the probability that a distilled student is more accurate than its direct twin."""
    return 0.5 if row.lead is None else row.lead.accuracy_probability


def _list_gains(rows: list[Row]) -> str:
    """Return the direct twins' names with their gains; of more than four, how many they are and the gains' range."""
    if len(rows) > _NAMED_PAIRS:
        gains = sorted(_gain(row) for row in rows)
        return f"{len(rows)} students ({points(gains[0])} to {points(gains[-1])} accuracy)"
    return join_names(
        [
            f"{row.twin} ({points(_gain(row))} accuracy{_closed(row)}; probability of being better "
            f"{probability(_better(row))})"
            for row in rows
        ]
    )


def _closed(row: Row) -> str:
    if row.gap_closed is None or row.gap_closed <= 0:
        return ""
    return f", {percent(row.gap_closed)} of the gap to the teacher"


def tiles(table: Table) -> list[Tile]:
    """Return the best student's headline figures, those that are known."""
    best, teacher = table.best, table.teacher
    found = []
    kept = kept_by_mean(best, teacher)
    if kept is not None:
        mean = "" if best.seeds is None else f", mean of {len(best.seeds.seeds)} seeds"
        found.append(Tile(percent(kept), f"of the teacher’s accuracy{mean}"))
    for text, unit in (
        (_size_text(best, teacher), "than the teacher"),
        (_speed_text(best, teacher), "than the teacher"),
    ):
        if text:
            figure, word = text.split(" times ")
            found.append(Tile(f"{figure}×", f"{word} {unit}"))
    found.append(Tile(percent(best.measures.agreement), "agreement with the teacher"))
    return found


def notes(table: Table) -> list[str]:
    """Return what a reader of the table must know and cannot see in it."""
    found = seed_notes(table)
    undefined = [row.model for row in table.students if row.gain is not None and row.gap_closed is None]
    if undefined:
        found.append(
            f"The gap closed is undefined for {join_names(undefined)}: the teacher is not more accurate than the "
            "direct student, so there is no gap to close."
        )
    alone = [row.model for row in table.students if row.distilled and row.gain is None]
    if alone:
        found.append(
            f"The gap closed is unknown for {join_names(alone)}: no run here is the same student, with the same "
            "settings and as many epochs, trained on the labels."
        )
    found += [
        f"{row.model} has done {row.epochs_done} of {row.epochs} epochs."
        for row in table.students
        if row.epochs and row.epochs_done is not None and row.epochs_done < row.epochs
    ]
    unknown = [
        what
        for what, value in (("size", table.teacher.bytes), ("speed", table.teacher.documents_per_second))
        if value is None
    ]
    if unknown:
        found.append(f"The teacher’s {' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not recorded.")
    return found
