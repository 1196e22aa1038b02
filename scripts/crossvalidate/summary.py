"""The tables of a study: for the terminal, as Markdown, and their numbers as JSON."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.console import format_table
from distill_jax.files import atomic_write, read_json
from distill_jax.metrics.interval import Interval
from distill_jax.metrics.resampling import percentile_interval
from distill_jax.reporting.numbers import percentage_points
from distill_jax.results_file import ResultsFile
from distill_jax.students.registry import student_kind
from scripts.crossvalidate.ceiling import LABELS, PANELS, SPLITS, class_cuts, measure_ceiling
from scripts.crossvalidate.folds import PROGRAM, Plan, read_fold
from scripts.crossvalidate.pooled import (
    TEACHER,
    Pooled,
    StudentScores,
    accuracy_interval,
    compare,
    distilled_name,
    group_means,
    score_student,
)
from scripts.crossvalidate.rows import DatasetName
from scripts.crossvalidate.variants import Variant
from teacher_export.data.demo_votes import votes_of

NUMBERS, PAGE, CEILING = "summary.json", "summary.md", "ceiling.json"
RESULTS_FILE = ResultsFile(PROGRAM, frozenset())
_NO_NUMBER = "–"
_MODELS = ("model", "accuracy (95 %)", "macro F1", "kept (95 %)", "gap closed (95 %)", "less the best baseline (95 %)")
_SPREADS = ("model", "accuracy over folds", "kept over folds", "gap closed over folds", "accuracy over seeds")
_DIFFERENCES = ("model", "points of accuracy (95 %)", "points of the share kept (95 %)")


@dataclasses.dataclass(frozen=True)
class VariantSummary:
    """A variant's rows and what its students are worth on them."""

    name: str
    folds: list[int]
    pooled: Pooled
    students: dict[str, StudentScores]
    baseline: str | None


def require_replaceable(output: Path, dataset: DatasetName) -> None:
    """Refuse to replace another's summary, or to take another's ceiling for ours; to be called before the work.

    Studies of before did not name their page beside their numbers: there it is ours if it begins as ours does.

    Raises:
        InputError: something lies there that is not the program's.
    """
    numbers, page = output / NUMBERS, output / PAGE
    is_ours = RESULTS_FILE.wrote(numbers) and _begins_with(page, _heading(dataset))
    RESULTS_FILE.require_replaceable("--output", numbers, *([] if is_ours else [page]))
    RESULTS_FILE.require_replaceable("--output", output / CEILING)


def _heading(dataset: DatasetName) -> str:
    return f"# {dataset}, cross-validated"


def _begins_with(path: Path, line: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(line) + 1) == f"{line}\n".encode()


def write_summary(plan: Plan) -> list[str]:
    """Write the tables of the folds that are done as asked; return them for the terminal. Nothing where none is."""
    summaries, others = [], {}
    for variant in plan.variants:
        there = [fold for fold in range(len(plan.parts)) if plan.result_path(fold, variant).is_file()]
        done = [fold for fold in there if plan.is_done(fold, variant)]
        others[variant.name] = [fold for fold in there if fold not in done]
        if done:
            summaries.append(_summary(plan, variant, done))
    left_out = _left_out(others)
    if not summaries:
        return left_out
    ceiling = _ceiling(plan)
    tables = [table for each in summaries for table in _tables(each)] + _differences(summaries)
    lines = _ceiling_lines(ceiling)
    page = [_heading(plan.dataset), "", _about(plan, summaries)]
    page += [part for line in left_out for part in ("", line)]
    for title, header, body in tables:
        page += ["", f"## {title}", "", *_markdown(header, body)]
    page += ["", "## What a reader can reach", "", *(f"- {line}" for line in lines)]
    numbers = {"ceiling": ceiling, "variants": [_to_json(each) for each in summaries]}
    RESULTS_FILE.write(plan.output / NUMBERS, numbers, plan.output / PAGE)
    with atomic_write(plan.output / PAGE) as stream:
        stream.write(("\n".join(page) + "\n").encode())
    said = [f"\n{title}\n{format_table(header, body)}" for title, header, body in tables]
    return [*said, "", *left_out, *lines]


def _summary(plan: Plan, variant: Variant, done: Sequence[int]) -> VariantSummary:
    folds = [read_fold(plan.result_path(fold, variant)) for fold in done]
    pooled = Pooled.of(folds)
    names = [each["name"] for each in folds[0]["baselines"] if each["name"] in pooled.models]
    baseline = max(names, key=pooled.accuracy, default=None)
    students = [name for name in plan.students if {name, distilled_name(name)} <= set(pooled.models)]
    scores = {name: score_student(pooled, name, baseline) for name in students}
    return VariantSummary(variant.name, list(done), pooled, scores, baseline)


def _left_out(others: Mapping[str, Sequence[int]]) -> list[str]:
    """Return a line on the folds of each variant whose results are of other settings; none where there are none."""
    folds = sorted({fold for each in others.values() for fold in each})
    if not folds:
        return []
    named = "; ".join(f"{name}: {_listed(each)}" for name, each in others.items() if each)
    again = " ".join(map(str, folds))
    line = (
        f"Folds made with other settings are left out ({named}): this command with --only-fold {again} makes them "
        "again, or says why another --output is needed."
    )
    return [line]


def _listed(folds: Sequence[int]) -> str:
    return f"folds {', '.join(map(str, folds))}"


def _about(plan: Plan, summaries: Sequence[VariantSummary]) -> str:
    done = "; ".join(f"{each.name}: {_listed(each.folds)}" for each in summaries)
    rows = max(len(each.pooled.labels) for each in summaries)
    shown = {each.name for each in summaries}
    copies = {each.name: plan.export_words(0, each).augment for each in plan.variants if each.name in shown}
    alike = len(set(copies.values())) == 1
    made = str(next(iter(copies.values()))) if alike else ", ".join(f"{copies[name]} ({name})" for name in copies)
    films = f"{plan.film_reviews:,} sentences of film reviews at most; " if plan.film_reviews else ""
    hints = f"hints of {plan.hint_width} numbers; " if plan.hint_width else ""
    return (
        f"Held-out rows of {len(plan.parts)} folds ({done}), {rows:,} of {len(plan.rows.labels):,}; "
        f"{made} copies of each training text; {films}{hints}{plan.seeds} {'seed' if plan.seeds == 1 else 'seeds'}. "
        "Intervals: 95 %, of resampled groups of near copies, each with every model's answers; *kept* and *gap closed* "
        "are of the pooled rows. ± is the sample standard deviation."
    )


Table = tuple[str, Sequence[str], list[list[str]]]


def _tables(summary: VariantSummary) -> list[Table]:
    pooled, best = summary.pooled, summary.baseline
    body, spreads = [], []
    for model in pooled.models:
        student = model.removesuffix("-distil")
        scores = summary.students.get(student) if model != student else None
        kept = scores.kept if scores else _kept(pooled, model)
        lead = _difference(pooled, model, best) if best and model not in (best, TEACHER) else None
        body.append(
            [
                title(model),
                _number(accuracy_interval(pooled, model)),
                f"{pooled.macro_f1(model):.3f}",
                _percent(kept) if model != TEACHER else _NO_NUMBER,
                _percent(scores.gap_closed) if scores else _NO_NUMBER,
                _points(lead) if lead else _NO_NUMBER,
            ]
        )
        spreads.append(
            [
                title(model),
                _spread(pooled.fold_accuracies(model)),
                _spread(scores.kept_by_fold, percent=True) if scores else _NO_NUMBER,
                _spread(scores.gap_by_fold, percent=True) if scores else _NO_NUMBER,
                _spread(pooled.seed_accuracies(model)),
            ]
        )
    return [(summary.name, _MODELS, body), (f"{summary.name}: how far folds and seeds lie apart", _SPREADS, spreads)]


def _differences(summaries: Sequence[VariantSummary]) -> list[Table]:
    """Return a table for each variant after the first: it less the first, where the same folds are done."""
    first, *others = summaries
    tables: list[Table] = []
    for other in others:
        if other.folds != first.folds:
            continue
        body = []
        for model in other.pooled.models:
            if model in first.pooled.models:
                found = compare(other.pooled, first.pooled, model)
                body.append([title(model), _points(found.accuracy), _points(found.kept) if found.kept else _NO_NUMBER])
        tables.append((f"{other.name} less {first.name}", _DIFFERENCES, body))
    return tables


def _kept(pooled: Pooled, model: str) -> Interval:
    draws = pooled.draws([model, TEACHER])
    return percentile_interval(pooled.accuracy(model) / pooled.accuracy(TEACHER), draws[model] / draws[TEACHER])


def _difference(pooled: Pooled, model: str, other: str) -> Interval:
    draws = pooled.draws([model, other])
    return percentile_interval(pooled.accuracy(model) - pooled.accuracy(other), draws[model] - draws[other])


def _ceiling(plan: Plan) -> dict[str, Any]:
    """Return the ceiling of all rows, measured once."""
    path = plan.output / CEILING
    if path.is_file():
        return read_json(path, "ceiling")["ceiling"]
    rows = plan.rows
    votes = votes_of(rows.reviews)
    found = measure_ceiling([votes[row] for row in rows.kept], class_cuts(rows.reviews.ratings[rows.kept]))
    groups = np.unique(rows.groups, return_inverse=True)[1]

    def interval(values: np.ndarray) -> dict[str, float]:
        return dataclasses.asdict(percentile_interval(float(values.mean()), group_means(values, groups)))

    value = {
        "rows": len(rows.labels),
        "raters": list(found.raters),
        "splits": SPLITS,
        "panels": PANELS,
        "halves": {label: interval(values) for label, values in zip(LABELS, found.halves, strict=True)},
        "known_raters": {label: interval(values) for label, values in zip(LABELS, found.known, strict=True)},
    }
    RESULTS_FILE.write(path, {"ceiling": value})
    return value


def _ceiling_lines(ceiling: dict[str, Any]) -> list[str]:
    fewest, median, most = ceiling["raters"]
    halves, known = (
        {label: _number(Interval(**found)) for label, found in ceiling[name].items()}
        for name in ("halves", "known_raters")
    )
    by_mean, by_majority = LABELS
    texts = f"{ceiling['rows']:,} texts of {fewest} to {most} raters each, in the middle {median}."
    half = (
        f"One half of a text's raters names the class of the other half's mean rating with accuracy {halves[by_mean]}, "
        f"and the class that most of the other half chose with {halves[by_majority]} ({ceiling['splits']} splits): a "
        "perfect reader of labels of all raters reaches more."
    )
    panels = (
        "Who knew the raters' very ratings would name the label of as many new ones, drawn from them, with accuracy "
        f"{known[by_mean]} (mean rating) and {known[by_majority]} (majority): a reader of the text alone cannot be "
        "expected to."
    )
    return [texts, half, panels]


def title(model: str) -> str:
    """Return what a table calls a model."""
    if model == TEACHER:
        return "Teacher"
    student = model.removesuffix("-distil")
    try:
        name = student_kind(student).title
    except ValueError:
        return model
    return f"{name}, {'on labels' if model == student else 'distilled'}"


def _number(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _percent(found: Interval) -> str:
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _points(found: Interval) -> str:
    value, low, high = map(percentage_points, (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _spread(values: Sequence[float], *, percent: bool = False) -> str:
    scale, digits, unit = (100, 1, " %") if percent else (1, 3, "")
    mean = f"{scale * statistics.fmean(values):.{digits}f}"
    return f"{mean}{unit}" if len(values) < 2 else f"{mean} ± {scale * statistics.stdev(values):.{digits}f}{unit}"


def _markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *body)]


def _to_json(summary: VariantSummary) -> dict[str, Any]:
    pooled = summary.pooled
    models = {
        model: {
            "accuracy": dataclasses.asdict(accuracy_interval(pooled, model)),
            "macro_f1": pooled.macro_f1(model),
            "by_fold": pooled.fold_accuracies(model),
            "by_seed": pooled.seed_accuracies(model),
        }
        for model in pooled.models
    }
    return {
        "name": summary.name,
        "folds": summary.folds,
        "rows": len(pooled.labels),
        "models": models,
        "students": {name: dataclasses.asdict(found) for name, found in summary.students.items()},
        "best_baseline": summary.baseline,
    }
