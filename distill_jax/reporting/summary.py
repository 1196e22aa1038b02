"""What a report says in words: the headline, whether distillation helped, and the notes under the table."""

import dataclasses

from distill_jax.metrics.significance import CLEAR
from distill_jax.reporting.baselines import baseline_notes
from distill_jax.reporting.classes import class_notes
from distill_jax.reporting.numbers import (
    factor,
    join_names,
    percent,
    points,
    points_interval,
    probability,
    score,
    spread,
)
from distill_jax.reporting.results import number_of_texts
from distill_jax.reporting.seeds import seed_notes
from distill_jax.reporting.shares import most_frequent_share, share_kept
from distill_jax.reporting.speed import speed_notes, speed_ratio, speed_sentence
from distill_jax.reporting.table import Row, Table
from distill_jax.reporting.training_notes import still_learns_note, unlearnt_note

# Speeds of two runs on a busy machine differ by chance; from here on it is worth a sentence.
_CLEARLY_FASTER = 1.5
_NAMED_PAIRS = 4
UNLABELLED_TEST = (
    "No test text has a label, so the teacher’s answers stand for the right ones: accuracy is agreement with them."
)
# A class of so many test texts at least is ignored if it is named for no more than this share of their number.
_ENOUGH_ROWS = 5
_IGNORED = 0.05
_NAMED_CLASSES = 8


@dataclasses.dataclass(frozen=True)
class Tile:
    """One headline figure: the large text, and the line below it."""

    figure: str
    caption: str


def headline(table: Table) -> str:
    """Return the paragraph's first sentences: the best student against the teacher, in accuracy, size and speed."""
    best = table.best
    if len(table.students) > 1:
        subject = f"Of the {len(table.students)} students, {best.model} is the most accurate: it"
    else:
        subject = f"The student, {best.model},"
    size = _size_text(best, table.teacher)
    sentence = f"{subject} {standing(best, table)}{f', and is {size}' if size else ''}."
    judged = UNLABELLED_TEST if table.judged_by_teacher else ""
    return " ".join(filter(None, (judged, sentence, speed_sentence(best, table.teacher), _fastest(table))))


def standing(row: Row, table: Table) -> str:
    """Return how a student's accuracy stands to the teacher's, as the rest of a sentence."""
    teacher, texts = table.teacher, number_of_texts(table.test_rows)
    accuracy = score(row.accuracy)
    if row.seeds is not None:
        accuracy = f"{spread(row.seeds.first)}, the mean of {len(row.seeds.seeds)} seeds,"
    if table.judged_by_teacher:
        return f"agrees with its teacher on {percent(row.mean_accuracy)} of {texts}"
    if table.teacher_at_chance:
        return f"has an accuracy of {accuracy} on {texts}"
    above = row.mean_accuracy - teacher.accuracy
    if above <= 0:
        kept = percent(share_kept(row.mean_accuracy, teacher))
        return f"keeps {kept} of the teacher’s accuracy ({accuracy} against {score(teacher.accuracy)} on {texts})"
    return (
        f"is more accurate than its teacher, by {points(above)}{_certainty_of_lead(row)} ({accuracy} against "
        f"{score(teacher.accuracy)} on {texts})"
    )


def _certainty_of_lead(row: Row) -> str:
    lead = row.teacher_lead
    if lead is None or row.seeds is not None:
        return ""
    chance = "" if lead.accuracy_probability >= CLEAR else ", which is within chance"
    return f", 95 % interval {points_interval(lead.accuracy_difference)}{chance}"


def _fastest(table: Table) -> str:
    """Return a sentence on the fastest student, where that is another than the best and clearly faster."""
    best = table.best
    fastest = max(
        (row for row in table.students if row.documents_per_second),
        key=lambda row: (row.documents_per_second or 0.0, row.mean_accuracy),
        default=None,
    )
    if fastest is None or not best.documents_per_second:
        return ""
    if (fastest.documents_per_second or 0.0) / best.documents_per_second < _CLEARLY_FASTER:
        return ""
    return f"The fastest, {fastest.model}, {standing(fastest, table)}. {speed_sentence(fastest, table.teacher)}"


def _size_text(row: Row, teacher: Row) -> str | None:
    if not row.bytes or not teacher.bytes:
        return None
    return _times(teacher.bytes / row.bytes, "smaller", "larger")


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
        sentences.append(
            f"Distillation did not help {_list_gains(hurt)}: it cost accuracy. Use the direct student, which "
            "is clearly better."
        )
    if unclear:
        sentences.append(
            f"Distillation made no clear difference for {_list_gains(unclear)}: "
            f"with {number_of_texts(table.test_rows)} that is within chance."
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
    mean = "" if best.seeds is None else f", mean of {len(best.seeds.seeds)} seeds"
    above = best.mean_accuracy - teacher.accuracy
    if table.judged_by_teacher:
        pass
    elif table.teacher_at_chance:
        found.append(Tile(score(best.mean_accuracy), f"accuracy{mean}"))
    elif above > 0:
        found.append(Tile(points(above), f"accuracy over the teacher’s{mean}"))
    else:
        found.append(Tile(percent(share_kept(best.mean_accuracy, teacher)), f"of the teacher’s accuracy{mean}"))
    if size := _size_text(best, teacher):
        figure, word = size.split(" times ")
        found.append(Tile(f"{figure}×", f"{word} than the teacher"))
    ratio = speed_ratio(best, teacher)
    if ratio is not None:
        found.append(Tile(f"{factor(ratio)}×", "the teacher’s documents a second, from raw text"))
    found.append(Tile(percent(best.measures.agreement), "agreement with the teacher"))
    return found


def notes(table: Table) -> list[str]:
    """Return what a reader of the table must know and cannot see in it."""
    found = [*baseline_notes(table), *_teacher_notes(table), *seed_notes(table)]
    found += class_notes(table)
    undefined = [row.model for row in table.students if row.gain is not None and row.gap_closed is None]
    if undefined and not table.teacher_at_chance:
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
    found += [unlearnt_note(row.model) for row in table.students if row.unlearnt]
    found += [still_learns_note(row.model) for row in table.students if row.still_learns and not row.unlearnt]
    found += speed_notes(table)
    unknown = [
        what
        for what, value in (("size", table.teacher.bytes), ("speed", table.teacher.documents_per_second))
        if value is None
    ]
    if unknown and not table.teacher_is_table:
        found.append(f"The teacher’s {' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not recorded.")
    return found


def _teacher_notes(table: Table) -> list[str]:
    """Return what is wrong with the teacher: the classes that it ignores, and an accuracy that anyone would reach."""
    teacher, found = table.teacher, []
    if table.teacher_is_table:
        found.append("The teacher is a table of answers: it has no size and no speed.")
    if table.teacher_at_chance and not table.judged_by_teacher:
        found.append(
            f"The teacher is no better than naming the most frequent class for every text: accuracy "
            f"{score(teacher.accuracy)} against {score(most_frequent_share(teacher))}. So there is no accuracy "
            "of its own to keep, and no gap to close."
        )
    true, predicted = teacher.confusion.sum(axis=1), teacher.confusion.sum(axis=0)
    ignored = [
        name
        for name, rows, times in zip(table.label_names, true, predicted, strict=True)
        if rows >= _ENOUGH_ROWS and times <= _IGNORED * rows
    ]
    if ignored:
        named = join_names(ignored[:_NAMED_CLASSES])
        more = f" and {len(ignored) - _NAMED_CLASSES} more" if len(ignored) > _NAMED_CLASSES else ""
        it = "it" if len(ignored) == 1 else "them"
        found.append(
            f"The teacher ignores {len(ignored)} of the {int((true > 0).sum())} classes of the test texts, naming {it} "
            f"never or almost never: {named}{more}. Students can hardly learn {it} from the teacher."
        )
    return found
