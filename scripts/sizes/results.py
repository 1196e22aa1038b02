"""The scores of a case: simple baselines, the teacher, every student's seeds; and the table of all cases."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.baselines.tfidf import trained_baselines
from distill_jax.data.exports import Export
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError
from distill_jax.runs.folder import read_config
from distill_jax.runs.seed_scores import read_seeds
from scripts.ablation.results import Spread
from scripts.ablation.tables import show
from scripts.sizes.cases import Case

ACCURACY, MACRO_F1 = "accuracy", "macro F1"
_NO_NUMBER = "–"


@dataclasses.dataclass(frozen=True)
class Row:
    """A case's line: scores on its test rows.

    Attributes:
        case: which.
        classes: how many.
        train_rows: rows it learns from, without the transfer set.
        transfer_rows: those of the transfer set that the students read; 0 = none.
        metric: accuracy, or where one class is rare macro F1.
        others: the baselines' and the teacher's, by name.
        students: each student's, by name; without those that are not trained yet.
    """

    case: Case
    classes: int
    train_rows: int
    transfer_rows: int
    metric: str
    others: dict[str, float]
    students: dict[str, Spread]

    @property
    def best_baseline(self) -> float:
        """The better baseline's score."""
        return max(score for name, score in self.others.items() if name != "teacher")

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = dataclasses.asdict(self)
        students = {name: spread.to_json() for name, spread in self.students.items()}
        return {**values, "case": self.case.key, "students": students}


def other_scores(export: Export, metric: str) -> dict[str, float]:
    """Return the score of each simple baseline, trained on the export's training rows, and of the teacher."""
    task, tokenizer = export.manifest.labelling, FastTokenizer(export.load_tokenizer(), export.manifest.max_length)
    train, test = export.train, export.test
    texts, tested = (tokenizer.decode(rows.tokens, export.manifest.pad_id) for rows in (train, test))
    trained = trained_baselines(task, texts, train.labels, train.teacher_logits, len(export.label_names))
    logits = {each.name: each.logits(tested) for each in trained}
    assert test.teacher_logits is not None
    return {
        name: float(task.scores(test.labels, np.asarray(task.answers(found)))[metric == MACRO_F1])
        for name, found in {**logits, "teacher": test.teacher_logits}.items()
    }


def student_scores(folder: Path, export: Export, metric: str, seeds: int) -> Spread | None:
    """Return a student's scores of the first seeds; None where so many are not trained yet.

    Raises:
        InputError: the folder's run is of another export.
    """
    found = read_seeds(folder, export.manifest.labelling)
    if found is None:
        return None
    if read_config(folder)["export"].get("fingerprint") != export.manifest.fingerprint:
        raise InputError(
            f"{folder}: it was trained on another export than {export.folder} is now; name another --output, or "
            "delete it"
        )
    if len(found.seeds) < seeds:
        return None
    return Spread((found.second if metric == MACRO_F1 else found.first).values[:seeds])


def markdown(rows: Sequence[Row], students: Sequence[str], seeds: int) -> str:
    """Return the table; a student's score is bold where its mean is no less than both baselines'."""
    columns = ["data", "classes", "rows", "transfer", "score", "baselines: labels", "teacher’s logits", *students]
    lines = [columns, ["---"] * 2 + ["---:"] * (len(columns) - 2), *(_cells(row, students) for row in rows)]
    about = f"Test scores, mean ± sample standard deviation of {seeds} seeds; bold is no less than both baselines."
    return "\n".join([about, "", *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def _cells(row: Row, students: Sequence[str]) -> list[str]:
    teacher = row.others["teacher"]
    baselines = [score for name, score in row.others.items() if name != "teacher"]
    named = [f"{score:.3f}" for score in baselines] + [_NO_NUMBER] * (2 - len(baselines))
    score = f"{row.metric}, teacher {teacher:.3f}"
    shown = []
    for name in students:
        spread = row.students.get(name)
        text = _NO_NUMBER if spread is None else show(spread)
        good = spread is not None and spread.mean is not None and spread.mean >= row.best_baseline
        shown.append(f"**{text}**" if good else text)
    transfer = f"{row.transfer_rows:,}" if row.transfer_rows else _NO_NUMBER
    return [row.case.key, str(row.classes), f"{row.train_rows:,}", transfer, score, *named, *shown]
