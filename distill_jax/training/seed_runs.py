"""Train one student several times, with seeds that follow one another, and say how far the results lie apart."""

import dataclasses
import math
from pathlib import Path

from distill_jax.console import say, warn
from distill_jax.errors import Interrupted
from distill_jax.runs.folder import Run, read_run, scored
from distill_jax.runs.seed_scores import SEEDS, SeedScores, Spread, read_seeds, seed_folder, write_seeds
from distill_jax.runs.writer import tidy_run
from distill_jax.tasks.task import Task
from distill_jax.training.run import TrainRun, held_folders, run_state, train_in_held_folder, train_run
from distill_jax.training.run_data import TrainData

_TITLES = {"test_acc": "accuracy", "test_f1_macro": "macro F1", "validation_f1_macro": "validation macro F1"}


def train_seeds(run: TrainRun, count: int) -> None:
    """Train ``count`` students, of ``run``'s seed and the following ones; one alone is ``train_run``.

    The first seed's run lies in the run folder itself, those of the others below it. Runs that are there and finished
    are kept.

    Raises:
        InputError: as ``train_run``; before anything is trained where a seed's folder holds something else.
        Interrupted: as ``train_run``.
    """
    if count == 1:
        train_run(run)
        return
    data = TrainData(run.export, run.train, run.student)
    # The scores that are there say how many seeds there are; another process may be writing them until it is kept off.
    with held_folders(run, (each.workdir for each in _runs(run, count, data.student.config.labelling)[1:])) as seeds:
        _train_all(run, _runs(run, count, data.student.config.labelling), seeds, data)


def _train_all(run: TrainRun, runs: list[TrainRun], seeds: list[Path], data: TrainData) -> None:
    # All folders are looked at before the first hour is spent.
    task = data.student.config.labelling
    finished = [each for each in runs if run_state(each, data) == "done"]
    for number, each in enumerate(runs, start=1):
        where = f"seed {each.train.seed} ({number} of {len(runs)})"
        if each in finished:
            say(f"{where}: {each.workdir} holds this run already, finished")
            tidy_run(each.workdir, each.train)
            continue
        say(f"{where}:")
        if train_in_held_folder(each, data, seeds if each is run else ()) and each is not runs[-1]:
            raise Interrupted(f"interrupted; {where} is finished. Go on with:\n  {run.how_to_resume}")
    scores = _collect(runs, task)
    if scores is None:
        warn(
            f"{run.workdir}: the {len(runs)} seeds are trained, and no {SEEDS} sums them up: the test rows do not "
            f"define {' and '.join(task.history_titles)}"
        )
        return
    if read_seeds(run.workdir, scores.task) != scores:
        write_seeds(run.workdir, scores)
    _say_scores(scores, run.workdir)


def _runs(run: TrainRun, count: int, task: Task) -> list[TrainRun]:
    """Return the seeds' runs; at least as many as the folder's scores are of, unless those are to be overwritten."""
    known = None if run.overwrite or not run.workdir.is_dir() else read_seeds(run.workdir, task)
    if known is not None and known.seeds[0] == run.train.seed:
        count = max(count, len(known.seeds))
    return [run, *(_with_seed(run, run.train.seed + index) for index in range(1, count))]


def _with_seed(run: TrainRun, seed: int) -> TrainRun:
    config = dataclasses.replace(run.train, seed=seed)
    return dataclasses.replace(run, train=config, workdir=seed_folder(run.workdir, seed))


def _collect(runs: list[TrainRun], task: Task) -> SeedScores | None:
    """Return the scores of finished runs, each of the epoch that it kept; None where the test rows define none."""
    rows = [run.history.iloc[run.metrics.get("kept_epoch", -1)] for run in (read_run(each.workdir) for each in runs)]

    def spread(name: str) -> Spread:
        return Spread(tuple(float(row[name]) for row in rows))

    validation = f"validation_{task.selected_by}"
    if not all(_is_known(row[f"test_{name}"]) for row in rows for name in task.history_scores):
        return None
    return SeedScores(
        tuple(each.train.seed for each in runs),
        first=spread(f"test_{task.history_scores[0]}"),
        second=spread(f"test_{task.history_scores[1]}"),
        validation=spread(validation) if all(_is_known(row.get(validation)) for row in rows) else None,
        task=task,
    )


def _is_known(score: float | None) -> bool:
    """Whether there is a score: there is none without such a split, a label in it, or two scores that differ."""
    return score is not None and math.isfinite(score)


def _say_scores(scores: SeedScores, workdir: Path) -> None:
    """Print a line for each seed, and one of means and sample standard deviations."""
    named = {_TITLES.get(name, name.replace("_", " ")): spread for name, spread in scores.named().items()}
    say()
    for index, seed in enumerate(scores.seeds):
        say(f"seed {seed}: " + ", ".join(f"{name} {spread.values[index]:.4f}" for name, spread in named.items()))
    means = [f"{name} {spread.mean:.4f} ± {spread.standard_deviation:.4f}" for name, spread in named.items()]
    teacher = _teacher_score(read_run(workdir))
    if not scores.task.has_classes:
        means[0] += f" (the teacher's: {teacher:.4f})"
    elif scores.first.mean > teacher:
        means[0] += f" (more than the teacher's {teacher:.4f})"
    elif teacher:
        means[0] += f" ({100 * scores.first.mean / teacher:.1f} % of the teacher's {teacher:.4f})"
    say(f"{len(scores.seeds)} seeds: " + ", ".join(means))
    say(f"± is the sample standard deviation; written to {workdir / SEEDS}")


def _teacher_score(run: Run) -> float:
    return run.task.scores(*scored(run, run.predictions.teacher_logits))[0]
