"""The command line of the ablation: arguments → trainings → tables, JSON and the learning curve."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro

from distill_jax.console import EXPORT_COMMAND, parse_options, progress, say, warn
from distill_jax.errors import InputError, require_range
from distill_jax.export.format import Manifest, read_manifest
from distill_jax.files import atomic_write, require_folder
from distill_jax.options import Flag
from distill_jax.results_file import ResultsFile
from distill_jax.students.registry import student_kind
from scripts.ablation.results import Row, Teacher, read_row, read_teacher, to_json
from scripts.ablation.tables import markdown, terminal_table
from scripts.ablation.trainings import Place, train_all
from scripts.ablation.variants import GroupName, Recipe, Variant, group_variants, whole

RESULTS, PAGE, CURVE = "ablation.json", "ablation.md", "learning-curve.png"
_KEYS = {"machine", "versions", "settings", "seeds", "rows", "teacher", "students"}
_SCORES = ResultsFile("scripts.ablation", frozenset(_KEYS))
_ALL_GROUPS: tuple[GroupName, ...] = get_args(GroupName)
_FOLDER, _QUICK_FOLDER = Path("runs/ablation"), Path("runs/ablation-quick")
_EXPORT_OPTIONS = "--validation-fraction 0.1 --unlabelled demo --augment 12"


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to train, how often, and where the results go."""

    export: Path = Path("exports/best")
    """The export folder, with splits transfer and validation."""
    student: Annotated[tuple[str, ...], tyro.conf.arg(metavar="STUDENT…")] = ("fasttext", "cnn")
    """Students."""
    groups: Annotated[tuple[GroupName, ...], tyro.conf.arg(metavar="GROUP…")] = _ALL_GROUPS
    """Tables: take-away, the recipe without one part; alone, a plain baseline with one part; curve, shares of the
    transfer set; loss, other losses; steps, the training texts alone for as many steps as with the transfer set."""
    seeds: int = 3
    """Runs of each variant, with the seeds from 0 on."""
    quick: Annotated[bool, Flag()] = False
    """One epoch, a fiftieth of the transfer set, one seed: whether it runs, not what comes out."""
    output: Annotated[
        Path | None,
        tyro.conf.arg(metavar="PATH", help_behavior_hint=f"(default: {_FOLDER}, with --quick {_QUICK_FOLDER})"),
    ] = None
    """Folder for the runs and the results; runs that are finished there are not trained again."""
    resume_elsewhere: Annotated[bool, Flag()] = False
    """Go on with a run that was begun on another machine, too: its last bits may differ."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, train, write.

    Raises:
        InputError: an option or the export cannot be used, or a training is refused.
        Interrupted: Ctrl-C; the same command goes on.
    """
    options = parse_options(
        Arguments,
        arguments,
        prog="python -m scripts.ablation",
        description="Train the best recipe, distilled, and variants of it, and show what each of its parts is worth.",
    )
    require_range("--seeds", options.seeds, 1, 1000)
    for student in options.student:
        student_kind(student)
    if not options.student or not options.groups:
        raise InputError("expected at least one --student and one of --groups, got none")
    output = options.output or (_QUICK_FOLDER if options.quick else _FOLDER)
    place = Place(options.export, output, elsewhere=options.resume_elsewhere)
    require_folder("--output", place.output)
    _SCORES.require_replaceable("--output", *(place.output / name for name in (RESULTS, PAGE, CURVE)))
    manifest = _read_export(options.export)
    ablation = Ablation(place, range(1 if options.quick else options.seeds), manifest)
    for student in dict.fromkeys(options.student):
        ablation.plan(student, [group for group in _ALL_GROUPS if group in options.groups], quick=options.quick)
    started = time.perf_counter()
    ablation.run()
    ablation.write(dataclasses.asdict(options))
    say(f"{time.perf_counter() - started:.0f} s; written to {place.output / RESULTS} and {place.output / PAGE}")


def _read_export(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if not manifest.labelling.has_classes:
        raise InputError(f"--export {folder}: expected one class a row, got the task {manifest.task}")
    for split in ("validation", "transfer"):
        if not manifest.examples(split):
            raise InputError(
                f"--export {folder}: it has no {split} split, which the ablation needs; make an export with "
                f"{EXPORT_COMMAND} {_EXPORT_OPTIONS} --output FOLDER"
            )
    return manifest


class Ablation:
    """What is asked, and the rows that are there to show for it."""

    def __init__(self, place: Place, seeds: Sequence[int], manifest: Manifest) -> None:
        self.place, self.seeds, self.manifest = place, seeds, manifest
        self.plans: dict[str, tuple[Recipe, dict[GroupName, list[Variant]]]] = {}
        self.tables: dict[str, dict[GroupName, list[Row]]] = {}
        self.wholes: dict[str, Row] = {}
        self.teacher: Teacher | None = None

    def plan(self, student: str, groups: Sequence[GroupName], *, quick: bool) -> None:
        """Ask for a student's tables."""
        rows = (self.manifest.examples(split) for split in ("train", "transfer"))
        recipe = Recipe.of(student, *rows, hints=self.manifest.hint_width > 0, quick=quick)
        self.plans[student] = recipe, {group: group_variants(recipe, group) for group in groups}

    def run(self) -> None:
        """Train what is asked, student by student, and read and say each one's tables."""
        wanted = {student: _different(recipe, groups) for student, (recipe, groups) in self.plans.items()}
        say(f"{len(self.seeds) * sum(map(len, wanted.values()))} trainings, fewer where some are there already")
        for student, (recipe, groups) in self.plans.items():
            with progress(len(self.seeds) * len(wanted[student]), student, "trainings") as bar:
                diverged = train_all(
                    self.place, recipe, wanted[student], self.seeds, bar.set_description, lambda: bar.update(1)
                )
            rows = {group: [self._row(recipe, row, diverged) for row in rows] for group, rows in groups.items()}
            self.tables[student], self.wholes[student] = rows, self._row(recipe, whole(recipe), diverged)
            self._say(student)

    def _row(self, recipe: Recipe, variant: Variant, diverged: dict[Path, str]) -> Row:
        row = read_row(self.place, recipe, variant, self.seeds, diverged)
        if self.teacher is None and row.runs:
            self.teacher = read_teacher(self.place.folder(recipe, variant, next(iter(row.runs))))
        return row

    def _say(self, student: str) -> None:
        for group, rows in self.tables[student].items():
            say("\n" + terminal_table(student, group, rows, self.wholes[student], self._teacher()) + "\n")
            for why in {why for row in rows for why in row.diverged.values()}:
                warn(f"diverged: {why}")

    def _teacher(self) -> Teacher:
        if self.teacher is None:
            raise InputError("every training diverged, so there is nothing to show; is the learning rate too high?")
        return self.teacher

    def write(self, options: dict[str, Any]) -> None:
        """Write ``ablation.json``, ``ablation.md`` and, where it was asked for, ``learning-curve.png``."""
        # Measuring speed and this say the same of the machine.
        from scripts.benchmark.machine import describe_machine, describe_versions

        teacher, output = self._teacher(), self.place.output
        value = {
            "machine": describe_machine(),
            "versions": describe_versions(),
            "settings": {name: str(found) if isinstance(found, Path) else found for name, found in options.items()},
            "seeds": list(self.seeds),
            "rows": {split: self.manifest.examples(split) for split in self.manifest.splits},
            "teacher": dataclasses.asdict(teacher),
            "students": {
                student: {group: [to_json(row, self.wholes[student], teacher) for row in rows] for group, rows in found}
                for student, found in ((student, tables.items()) for student, tables in self.tables.items())
            },
        }
        _SCORES.write(output / RESULTS, value, output / PAGE, output / CURVE)
        page = markdown(self.tables, self.wholes, teacher, self.seeds, str(self.place.export))
        with atomic_write(output / PAGE) as stream:
            stream.write(page.encode())
        self._write_curve(teacher, output / CURVE)

    def _write_curve(self, teacher: Teacher, path: Path) -> None:
        from distill_jax.reporting.chart_style import png
        from scripts.ablation.curve_chart import curve_chart

        curves = {student: tables["curve"] for student, tables in self.tables.items() if "curve" in tables}
        chart = curve_chart(curves, teacher, self.manifest.examples("train")) if curves else None
        if chart is not None:
            with atomic_write(path) as stream:
                stream.write(png(chart))


def _different(recipe: Recipe, groups: dict[GroupName, list[Variant]]) -> list[Variant]:
    """Return every variant once, after the whole recipe, which all are compared with."""
    asked = [whole(recipe), *(variant for rows in groups.values() for variant in rows)]
    return list({variant.key: variant for variant in reversed(asked)}.values())[::-1]
