"""What is run on a fold, and what comes of it: a JSON file with every model's answer to every held-out row."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.files import atomic_write, read_json
from distill_jax.machine import machine
from distill_jax.metrics.classification import accuracy, macro_f1
from scripts.crossvalidate.rows import PARTS, TABLE, TEST, UNLABELLED, DatasetName, StudyRows, fold_column
from scripts.crossvalidate.steps import EXPORT, TRAIN, Step, Steps
from scripts.crossvalidate.variants import ExportWords, Variant
from teacher_export.options.transfer_set import FILM_REVIEWS

PROGRAM = "scripts.crossvalidate"
RESULTS = "results"


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A student that is to be trained on a fold."""

    student: str
    distil: bool
    seed: int
    folder: Path
    step: Step


@dataclasses.dataclass(frozen=True)
class Plan:
    """A study: what is run on every fold.

    Attributes:
        output: its folder.
        dataset: its data.
        rows: theirs.
        parts: int8 [folds, rows], what each row is in each fold.
        students: the students' names.
        seeds: how many trainings of each.
        recipe: theirs.
        augment: copies of each training text.
        film_reviews: sentences of film reviews among the unlabelled texts, at most; 0 = none.
        hint_width: numbers of each token's hint; 0 = none.
        variants: what is compared.
    """

    output: Path
    dataset: DatasetName
    rows: StudyRows
    parts: np.ndarray
    students: tuple[str, ...]
    seeds: int
    recipe: str
    augment: int
    film_reviews: int
    hint_width: int
    variants: tuple[Variant, ...]

    def result_path(self, fold: int, variant: Variant) -> Path:
        """Return the file of a fold's results."""
        return self.output / RESULTS / variant.name / f"fold-{fold}.json"

    def folder(self, fold: int) -> Path:
        """Return where a fold's exports, teachers and runs lie."""
        return self.output / f"fold-{fold}"

    def export_words(self, fold: int, variant: Variant) -> ExportWords:
        """Return a variant's export of a fold."""
        further = [FILM_REVIEWS, "--unlabelled-rows", str(self.film_reviews)] if self.film_reviews else []
        files = ["--data", str(self.output / TABLE), "--unlabelled", str(self.output / UNLABELLED), *further]
        columns = ["--text-column", "text", "--label-column", "label", "--split-column", fold_column(fold)]
        return ExportWords.of(variant, self.dataset, ["--dataset", "table", *files, *columns], self._numbers)

    @property
    def _numbers(self) -> dict[str, int]:
        return {"augment": self.augment, "hint_width": self.hint_width}

    def export(self, fold: int, variant: Variant) -> tuple[Path, Step]:
        """Return a variant's export folder, and the step that makes it."""
        export = self.export_words(fold, variant)
        folder = self.folder(fold) / "exports" / export.key
        teacher = self.folder(fold) / "teachers" / export.teacher_key
        where = ("--output", str(folder), "--finetune-output", str(teacher))
        return folder, Step(f"export {export.key}", f"export {variant.name}", EXPORT, (*export.words, *where))

    def runs(self, fold: int, variant: Variant) -> list[PlannedRun]:
        """Return a variant's trainings, each student's on labels first."""
        return [
            self._run(fold, variant, student, seed, distil=distil)
            for student in self.students
            for distil in (False, True)
            for seed in range(self.seeds)
        ]

    def _run(self, fold: int, variant: Variant, student: str, seed: int, *, distil: bool) -> PlannedRun:
        export, _ = self.export(fold, variant)
        # A student of labels is the same wherever its export and its words are.
        place = Path("runs", variant.name) if distil else Path("direct", export.name, *_hashed(variant.direct))
        model = f"{student}-distil" if distil else student
        folder = self.folder(fold) / place / model / f"seed-{seed}"
        words = variant.of_student(student, self.recipe, distil=distil)
        own = ("--export", str(export), "--workdir", str(folder), "--seed", str(seed), "--resume")
        name = f"train {'/'.join(place.parts[1:])} {model} seed {seed}"
        return PlannedRun(student, distil, seed, folder, Step(name, f"train {model}", TRAIN, (*words, *own)))

    def steps(self, fold: int, variant: Variant) -> list[Step]:
        """Return all commands of a fold and variant."""
        return [self.export(fold, variant)[1], *(run.step for run in self.runs(fold, variant))]

    def run(self, fold: int, variant: Variant, say: Callable[[str], object]) -> None:
        """Run what is not done of a fold and write its results.

        Raises:
            InputError: a command refused.
            Interrupted: Ctrl-C.
        """
        if self.is_done(fold, variant):
            return
        steps, asked = Steps(self.folder(fold)), self.steps(fold, variant)
        steps.require_same(asked)
        for step in asked:
            steps.run(step, say)
        seconds = {step.name: steps.done[step.name]["seconds"] for step in asked}
        found = self._results(fold, variant, say)
        write_compact(self.result_path(fold, variant), {**found, "asked": self._asked(variant), "seconds": seconds})

    def is_done(self, fold: int, variant: Variant) -> bool:
        """Return whether a fold's results are there, of the same rows, students, seeds and words."""
        path = self.result_path(fold, variant)
        if not path.is_file():
            return False
        found = read_fold(path)
        return found.get("asked") == self._asked(variant) and found.get("example_ids") == self._test(fold).tolist()

    def _test(self, fold: int) -> np.ndarray:
        return np.flatnonzero(self.parts[fold] == PARTS.index(TEST))

    def _asked(self, variant: Variant) -> dict[str, Any]:
        own = {"export": list(variant.export), "train": list(variant.train), "direct": list(variant.direct)}
        students = {name: list(variant.students.get(name, ())) for name in self.students}
        numbers = {"seeds": self.seeds, "recipe": self.recipe, "augment": self.augment, "folds": len(self.parts)}
        further = {"film_reviews": self.film_reviews, "hint_width": self.hint_width}
        return {**own, "students": students, **numbers, **{name: value for name, value in further.items() if value}}

    def _results(self, fold: int, variant: Variant, say: Callable[[str], object]) -> dict[str, Any]:
        test = self._test(fold)
        export, _ = self.export(fold, variant)
        models, teacher, fingerprint = [], None, read_manifest(export).fingerprint
        for run in self.runs(fold, variant):
            found, teacher_logits = _model(run, fingerprint, test, self.rows.labels[test])
            models.append(found)
            teacher = teacher_logits.argmax(axis=1) if teacher is None else teacher
        assert teacher is not None
        labels = self.rows.labels[test]
        return {
            "program": PROGRAM,
            "dataset": self.dataset,
            "variant": variant.name,
            "fold": fold,
            "machine": machine(),
            "example_ids": test.tolist(),
            "groups": self.rows.groups[test].tolist(),
            "labels": _digits(labels),
            "teacher": {"answers": _digits(teacher), **_scores(labels, teacher)},
            "models": models,
            "baselines": _baselines(export, test, labels, say),
        }


def write_compact(path: Path, value: dict[str, Any]) -> None:
    """Write JSON on one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        stream.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")


def read_fold(path: Path) -> dict[str, Any]:
    """Read a fold's results.

    Raises:
        InputError: it is no file of this program.
    """
    found = read_json(path, "fold's results")
    if found.get("program") != PROGRAM:
        raise InputError(f"{path}: expected the results of a fold, of python -m {PROGRAM}")
    return found


def classes_of(digits: str) -> np.ndarray:
    """Return the classes, int64 [n], that a file has as a string, a digit each."""
    return np.frombuffer(digits.encode(), np.uint8).astype(np.int64) - ord("0")


def _digits(classes: np.ndarray) -> str:
    """Return classes below 10 as a string: the data sets have five."""
    return "".join(map(str, classes.tolist()))


def _scores(labels: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    return {"accuracy": accuracy(labels, answers), "macro_f1": macro_f1(labels, answers)}


def _model(
    run: PlannedRun, fingerprint: str, test: np.ndarray, labels: np.ndarray
) -> tuple[dict[str, Any], np.ndarray]:
    """Return what a run's student answered, and the teacher's logits, in the order of ``test``."""
    from distill_jax.runs.folder import read_run

    found = read_run(run.folder)
    if found.config["export"].get("fingerprint") != fingerprint:
        raise InputError(
            f"{run.folder}: it was trained on another export than the fold's is now; name another --output"
        )
    predictions = found.predictions
    order = np.argsort(predictions.example_ids)
    if not np.array_equal(predictions.example_ids[order], test):
        raise InputError(f"{run.folder}: its test rows are not those of the fold; name another --output")
    answers = predictions.logits[order].argmax(axis=1)
    return {
        "student": run.student,
        "name": found.model,
        "distilled": run.distil,
        "seed": run.seed,
        "answers": _digits(answers),
        **_scores(labels, answers),
        "kept_epoch": found.metrics.get("kept_epoch"),
        "train_seconds": found.metrics.get("train_seconds"),
    }, predictions.teacher_logits[order]


def _baselines(
    export: Path, test: np.ndarray, labels: np.ndarray, say: Callable[[str], object]
) -> list[dict[str, Any]]:
    """Train the simple baselines on a fold's export; return their answers to ``test``."""
    from distill_jax.baselines.of_export import answered_baselines
    from distill_jax.data.exports import Export

    say("training the simple baselines …")
    example_ids, found = answered_baselines(Export.open(export))
    order = np.argsort(example_ids)
    if not np.array_equal(example_ids[order], test):
        raise InputError(f"{export}: its test rows are not those of the fold; name another --output")
    results = []
    for each in found:
        answers = each.logits[order].argmax(axis=1)
        scores = _scores(labels, answers)
        results.append({"name": each.name, "answers": _digits(answers), **scores, "rows": each.rows})
    return results


def _hashed(words: Sequence[str]) -> tuple[str, ...]:
    import hashlib

    return (hashlib.sha256(repr(tuple(words)).encode()).hexdigest()[:10],) if words else ()
