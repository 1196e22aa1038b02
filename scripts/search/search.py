"""The search itself: open the study, run trials until the budget is spent, say what was found."""

import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from distill_jax.console import say, stop_on_signal
from distill_jax.errors import InputError, Interrupted
from distill_jax.export.format import MANIFEST, Manifest
from distill_jax.export.reader import read_token_embeddings
from distill_jax.files import sha256_file
from distill_jax.tasks.task import Task
from distill_jax.training.start_embeddings import recipe_for
from scripts.search.data import SearchData, read_data, read_searched_manifest
from scripts.search.objective import EPOCHS, SIZE, Base, Objective, TooLargeError, smallest_bytes
from scripts.search.results import SHOWN, best_table, paste, train_command
from scripts.search.space import Space, Value, describe, neighbours, settings_of, space_for, values_of
from scripts.search.study import RECIPE, finished, next_trial, open_study, set_aside

# The sampler learns from these, and would otherwise begin with as many trials by chance alone, anywhere in the space.
_NEIGHBOURS = 10


@dataclasses.dataclass(frozen=True)
class Search:
    """One search.

    Attributes:
        student: the student.
        export: the export folder.
        seconds: how long.
        trials: how many trials are trained at most, None for as many as there is time for.
        max_bytes: the largest student, four bytes a parameter; None for any size.
        rows: the most training rows of a trial.
        study: the file of the trials.
        seed: decides rows, trainings and settings.
        command: what the user typed, to go on with.
    """

    student: str
    export: Path
    seconds: float
    trials: int | None
    max_bytes: int | None
    rows: int
    study: Path
    seed: int
    command: str


def search(wanted: Search) -> None:
    """Search and print.

    Raises:
        InputError: the export or the study cannot be used, or no trial ended in time.
        Interrupted: Ctrl-C; the message holds the command that goes on.
    """
    deadline = time.monotonic() + wanted.seconds
    manifest = read_searched_manifest(wanted.export)
    recipe = Base.of_recipe(wanted.student, wanted.seed)
    base = Base(recipe.student, recipe_for(recipe.train, manifest))
    space = _space(wanted, base, manifest)
    data = _read(wanted, space, base, manifest)
    identity, first = _identity(wanted, base, space, manifest.labelling), values_of(space, base.settings())
    near = neighbours(space, first, _NEIGHBOURS, wanted.seed)
    with stop_on_signal() as interrupted, open_study(wanted.study, identity, first, wanted.seed) as study:
        if before := len(finished(study)):
            say(f"going on with {wanted.study}: {before} finished trials")

        def should_stop() -> bool:
            return interrupted() or time.monotonic() > deadline

        objective = Objective(data, space, base, wanted.max_bytes, should_stop, show_progress=sys.stderr.isatty())
        try:
            _run_trials(study, objective, near, wanted.trials, manifest.labelling)
            if interrupted():
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted; {len(finished(study))} finished trials are kept in {wanted.study}. Go on with:\n"
                f"  {wanted.command}"
            ) from None
        _say_result(wanted, study, space, base, manifest)


def _read(wanted: Search, space: Space, base: Base, manifest: Manifest) -> SearchData:
    """Return the rows, and say how many; refuse a budget of bytes that no student of the space keeps."""
    data = read_data(wanted.export, manifest, wanted.rows, wanted.seed, hints=base.train.hint_weight > 0)
    transfer = f" and {len(data.transfer):,} transfer rows" if data.transfer else " rows"
    say(f"{len(data.train):,} training{transfer}, scored on {len(data.validation):,} validation rows")
    if wanted.max_bytes is not None and (smallest := smallest_bytes(space, base, data)) > wanted.max_bytes:
        raise InputError(
            f"--max-bytes {wanted.max_bytes}: the smallest {wanted.student} of the search has {smallest} bytes "
            f"({manifest.vocab_size:,} tokens); give at least that"
        )
    return data


def _space(wanted: Search, base: Base, manifest: Manifest) -> Space:
    """Return the space; embeddings that start at the teacher's table cannot be wider than it is."""
    widest = None
    if base.train.embeddings == "teacher":
        widest = read_token_embeddings(wanted.export, manifest).shape[1]
    has_transfer, soft_losses = bool(manifest.examples("transfer")), manifest.labelling.soft_losses
    return space_for(wanted.student, widest=widest, has_transfer=has_transfer, soft_losses=soft_losses)


def _identity(wanted: Search, base: Base, space: Space, task: Task) -> dict[str, Any]:
    """Return what must agree for trials to be comparable."""
    return {
        "export": {"fingerprint": sha256_file(wanted.export / MANIFEST)},
        "student": wanted.student,
        "score": task.distance_name,
        "rows": wanted.rows,
        "seed": wanted.seed,
        "max_bytes": wanted.max_bytes,
        "recipe": {"student": dict(base.student), "train": dataclasses.asdict(base.train)},
        "space": describe(space),
    }


def _run_trials(
    study: optuna.Study, objective: Objective, near: Sequence[Mapping[str, Value]], limit: int | None, task: Task
) -> None:
    """Run trials until ``limit`` were trained or the objective should stop; each that ends is stored at once."""
    trained = 0
    while not objective.should_stop() and (limit is None or trained < limit):
        trial = next_trial(study, near)
        try:
            score = objective(trial)
        except optuna.TrialPruned as reason:
            study.tell(trial, state=TrialState.PRUNED)
            say(f"trial {trial.number}: {reason}")
            trained += not isinstance(reason, TooLargeError)
            continue
        except (Interrupted, KeyboardInterrupt) as reason:
            set_aside(study, trial)
            if isinstance(reason, KeyboardInterrupt):
                raise
            say(f"trial {trial.number}: given up in the middle; it is the first of the next search")
            return
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        study.tell(trial, score)
        trained += 1
        _say_trial(trial, score, task)


def _say_trial(trial: optuna.Trial, score: float, task: Task) -> None:
    attributes = trial.user_attrs
    of_recipe = ", the recipe's own settings" if attributes.get(RECIPE) else ""
    size = f"{attributes[SIZE] / 1e6:.1f} MB"
    scores = f"{task.distance_name} {score:.4f}, {task.history_titles[1]} {attributes[task.history_scores[1]]:.4f}"
    say(f"trial {trial.number}: {scores}, {attributes[EPOCHS]} epochs, {size}{of_recipe}")


def _say_result(wanted: Search, study: optuna.Study, space: Space, base: Base, manifest: Manifest) -> None:
    trials = finished(study)
    if not trials:
        raise InputError(
            f"study {wanted.study}: no trial was trained to its end yet; run the same command again, with more "
            "--minutes or --trials"
        )
    ended = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))
    say(f"\nthe best of {ended} trials, {len(trials)} of them trained to the end:\n")
    say(best_table(trials[:SHOWN], space, base, manifest.labelling))
    best = base.changed(settings_of(trials[0].params))
    words = train_command(best, space, wanted.export, wanted.study.with_suffix(""))
    rows = manifest.examples("train") + manifest.examples("transfer")
    on_all = f" (on all {rows:,} rows; the trial had {wanted.rows:,})" if rows > wanted.rows else ""
    say(f"\ntrain it with{on_all}:\n\n{paste(words)}")
