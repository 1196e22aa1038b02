"""The command line: arguments → matches → a table, and every turn in a file."""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, progress, say
from distill_jax.errors import InputError
from distill_jax.extras import require_packages
from distill_jax.processors import usable_processors
from distill_jax.results_file import ResultsFile
from scripts.benchmark.catalogue import packages_of
from scripts.benchmark.machine import describe_machine, describe_versions
from scripts.benchmark.options import StudyOptions
from scripts.benchmark.rows import Match, RowResult
from scripts.families.catalogue import FAMILIES, FULL, QUICK, Size
from scripts.families.matches import match_of, results_of
from scripts.families.report import as_json, remarks, table

TABLE = "families.json"
_FOUND = ResultsFile("scripts.families", frozenset({"machine", "versions", "settings", "teachers"}))
_INT8 = "DistilBERT"


@dataclasses.dataclass(frozen=True)
class Arguments(StudyOptions):
    """Which teachers, how often, and where the results go (families.json)."""

    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FAMILY…")] = ()
    """Families to measure, by the names of docs/teachers.md (default: all)."""
    teacher: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="(default: none)")] = None
    """A fine-tuned teacher to measure too, on the demo's texts."""
    repeats: int = 3
    """Turns that each side takes; the median counts."""


def main(words: list[str] | None = None) -> None:
    """Parse, measure, write.

    Raises:
        InputError: an option cannot be used, or a package is missing.
    """
    options = parse_options(
        Arguments,
        words,
        prog="python -m scripts.families",
        description="Measure a teacher's pass for each family, beside ONNX Runtime's of the same weights and texts.",
    )
    _FOUND.require_replaceable("--output", options.output / TABLE)
    if options.teacher is not None and not (options.teacher / "config.json").is_file():
        raise InputError(
            f"--teacher {options.teacher}: expected a fine-tuned teacher's folder, found no config.json in it"
        )
    started, repeats = time.perf_counter(), 1 if options.quick else options.repeats
    with tempfile.TemporaryDirectory(prefix="distill-jax-families-") as folder:
        matches = _matches(options, Path(folder))
        require_packages(*packages_of((match, match.rows) for match in matches), what="the study")
        measured = _play(matches, repeats, options.output / TABLE, _size(options))
    say("\n" + "\n".join([table(measured), "", *remarks(measured)]))
    say(f"\n{time.perf_counter() - started:.0f} s; every turn is in {options.output / TABLE}")


def _size(options: Arguments) -> Size:
    return QUICK if options.quick else FULL


def _matches(options: Arguments, folder: Path) -> list[Match]:
    from teacher_export.teacher.hardware import cpu_has_fast_bfloat16

    unknown = [name for name in options.only if name not in FAMILIES]
    if unknown:
        raise InputError(f"--only: expected families among {', '.join(FAMILIES)}, got {unknown[0]!r}")
    chosen = [name for name in FAMILIES if not options.only or name in options.only]
    own = [] if options.teacher is None else [str(options.teacher.absolute())]
    matches = []
    for number, name in enumerate([*chosen, *own]):
        place = folder / str(number)
        place.mkdir()
        extra = {"bfloat16": cpu_has_fast_bfloat16(), "int8": name in (_INT8, *own)}
        matches.append(match_of(name, _size(options), place, **extra))
    return matches


def _play(matches: list[Match], repeats: int, path: Path, size: Size) -> list[list[RowResult]]:
    """Return each teacher's results; the file has what is measured so far."""
    settings = {"size": dataclasses.asdict(size), "repeats": repeats, "threads": usable_processors()}
    about = {"machine": describe_machine(), "versions": describe_versions(), "settings": settings}
    measured, refused = [], {}
    with progress(sum(len(match.sides) * (1 + repeats) for match in matches), "measuring", "turns") as bar:
        for match in matches:
            bar.set_description(match.rows[0].title)
            results, reason = results_of(match, repeats, lambda: bar.update(1))
            measured.append(results)
            if reason is not None:
                refused[match.rows[0].title] = reason
            _FOUND.write(path, {**about, "teachers": as_json(measured, refused)})
    return measured
