"""The command line of the cross-validation: arguments → folds → commands → results and tables."""

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, say, warn
from distill_jax.errors import InputError, require_range
from distill_jax.files import require_folder
from distill_jax.locks import exclusive
from distill_jax.students.registry import student_kind
from scripts.crossvalidate.folds import Plan
from scripts.crossvalidate.plan import describe_plan
from scripts.crossvalidate.rows import DatasetName, StudyRows, draw_folds, write_tables
from scripts.crossvalidate.summary import require_replaceable, write_summary
from scripts.crossvalidate.variants import Variant, read_variants

_FOLDER = Path("runs/crossvalidation")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What is cross-validated, and where the results go."""

    dataset: DatasetName = "demo"
    """The rows: the demo's reviews, tweets or editorials. The others are unlabelled texts, beside --film-reviews."""
    folds: int = 5
    """Parts of the rows; each is held out once. Copies and near copies are never divided."""
    students: Annotated[tuple[str, ...], tyro.conf.arg(metavar="STUDENT…")] = ("fasttext", "cnn", "bilstm")
    """Students, each trained on labels and distilled."""
    seeds: int = 1
    """Trainings of each student, with the seeds from 0 on."""
    augment: int = 12
    """Changed copies of each training text in the transfer set."""
    film_reviews: int = 150_000
    """Sentences of film reviews in the transfer set, at most; 0 = none."""
    hint_width: int = 64
    """Numbers of each token's hint, which a distilled BiLSTM learns from; 0 = none."""
    recipe: str = "best"
    """The students' recipe."""
    variants: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: one)")] = None
    """TOML: a table for each way to export and to train, with lists of further words: export = ["--augment", "2"],
    train (distilled students), direct (students of labels), students.cnn. Ways are compared row by row."""
    only_fold: Annotated[tuple[int, ...], tyro.conf.arg(metavar="FOLD…")] = ()
    """Run these alone, of 0 and up; the tables are of all that are done with the same settings."""
    split_seed: int = 0
    """Draws the folds."""
    plan: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Say what would be run and how long that may take, and stop."""
    output: Annotated[
        Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint=f"(default: {_FOLDER}/<data set>)")
    ] = None
    """Folder for everything; what is done there is not done again."""

    def __post_init__(self) -> None:
        require_range("--folds", self.folds, 2, 100)
        require_range("--seeds", self.seeds, 1, 1000)
        require_range("--augment", self.augment, 0, 10_000)
        require_range("--film-reviews", self.film_reviews, 0, float("inf"))
        require_range("--hint-width", self.hint_width, 0, 4096)
        require_range("--split-seed", self.split_seed, 0, 2**32 - 1)
        for fold in self.only_fold:
            require_range("--only-fold", fold, 0, self.folds - 1)
        if not self.students or len(set(self.students)) < len(self.students):
            raise InputError(f"--students: expected different students, got {' '.join(self.students) or 'none'}")


def main(arguments: list[str] | None = None) -> None:
    """Parse, run what is not done, write.

    Raises:
        InputError: an option cannot be used, or a command refused.
        Interrupted: Ctrl-C; the same command goes on.
    """
    options = parse_options(
        Arguments,
        arguments,
        prog="python -m scripts.crossvalidate",
        description=(
            "Run the whole pipeline (teacher, transfer set, students on labels and distilled, simple baselines) on "
            "each fold of a data set, and say how much students keep, with intervals over all rows."
        ),
    )
    for student in options.students:
        student_kind(student)
    variants = [Variant("default")] if options.variants is None else read_variants(options.variants)
    for variant in variants:
        variant.check(options.students, options.recipe)
    output = options.output or _FOLDER / options.dataset
    require_folder("--output", output)
    require_replaceable(output, options.dataset)
    rows = StudyRows.of(options.dataset)
    parts = draw_folds(rows.labels, rows.groups, options.folds, options.split_seed)
    students = tuple(options.students)
    plan = Plan(
        *(output, options.dataset, rows, parts, students, options.seeds, options.recipe),
        augment=options.augment,
        film_reviews=options.film_reviews,
        hint_width=options.hint_width,
        variants=tuple(variants),
    )
    asked = sorted(set(options.only_fold)) or list(range(options.folds))
    for variant in variants:
        plan.export_words(0, variant)  # refuses wrong words
    for line in describe_plan(plan, asked):
        say(line)
    if options.plan:
        return
    output.mkdir(parents=True, exist_ok=True)
    with exclusive(output, "study"):
        write_tables(output, options.dataset, rows, parts)
        started = time.perf_counter()
        for fold in asked:
            for variant in variants:
                plan.run(fold, variant, warn)
            for line in write_summary(plan):
                say(line)
        say(f"{time.perf_counter() - started:,.0f} s; results are in {output}")
