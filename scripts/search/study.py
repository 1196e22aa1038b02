"""The study: a search's trials in an SQLite file, so that the same command goes on with them."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from distill_jax.errors import InputError, refusing
from distill_jax.files import first_difference
from distill_jax.locks import exclusive
from scripts.search.space import Value

_NAME = "distill-jax"
_IDENTITY = "search"
RECIPE, _NEAR, _KILLED = "recipe", "neighbour", "killed"
# No training is ended before half of it is done, nor while there are few to compare it with.
_TRIALS_BEFORE_PRUNING = 5
_QUARTERS_BEFORE_PRUNING = 2


@contextlib.contextmanager
def open_study(
    path: Path, identity: Mapping[str, Any], first: Mapping[str, Value], seed: int
) -> Iterator[optuna.Study]:
    """Open a study, or begin one, and keep others off it meanwhile.

    Args:
        path: its file.
        identity: what must agree for two searches to be the same one, a JSON object.
        first: the settings of a new study's first trial, the recipe's.
        seed: of the sampler; a study that is gone on with does not repeat its first trials.

    Raises:
        InputError: the file is no study, another search's, in use, or cannot be written.
    """
    _require_study(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path, "study"):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        storage = None
        try:
            with refusing(lambda reason: f"study {path}: it cannot be read or written ({reason})"):
                storage = optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
                study = _load(path, storage, json.loads(json.dumps(identity)), first, seed)
            try:
                yield study
            except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
                reason = str(error.__cause__ or error).splitlines()[0]
                raise InputError(f"study {path}: it cannot be read or written ({reason})") from None
        finally:
            if storage is not None:
                storage.remove_session()
                storage.engine.dispose()


def _require_study(path: Path) -> None:
    """Refuse a file that another program wrote, before anything is written into it."""
    if not path.exists():
        return
    if not path.is_file():
        raise InputError(f"study {path}: expected a file, found a folder")
    # What a killed writer has left half done, any reader must undo first, and one that may only read cannot.
    mode = "rw" if path.with_name(f"{path.name}-journal").exists() else "ro"
    with (
        refusing(lambda reason: f"study {path}: expected a study of this program, got another file ({reason})"),
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as database,
    ):
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        is_ours = "studies" in tables or not tables
        names = [row[0] for row in database.execute("SELECT study_name FROM studies")] if tables and is_ours else []
    if not is_ours:
        raise InputError(f"study {path}: expected a study of this program, got another database; name another file")
    if names not in ([], [_NAME]):
        raise InputError(
            f"study {path}: expected a study of this program alone, got the studies {', '.join(map(repr, names))}; "
            "name another file"
        )


def _load(
    path: Path, storage: optuna.storages.RDBStorage, identity: dict[str, Any], first: Mapping[str, Value], seed: int
) -> optuna.Study:
    study = optuna.create_study(
        storage=storage,
        study_name=_NAME,
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(_TRIALS_BEFORE_PRUNING, _QUARTERS_BEFORE_PRUNING),
    )
    _require_same(path, study.user_attrs.get(_IDENTITY), identity)
    if _IDENTITY not in study.user_attrs:
        study.set_user_attr(_IDENTITY, identity)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # Its process was killed. It gets one more chance: it may be what was killed for (too much memory, …).
        set_aside(study, trial, {_KILLED: True}, again=not trial.user_attrs.get(_KILLED))
    trials = study.get_trials(deepcopy=False)
    if not trials:
        study.enqueue_trial(dict(first), user_attrs={RECIPE: True})
    number = int(np.random.SeedSequence([seed, len(trials)]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=number)
    return study


def _require_same(path: Path, found: Any, identity: dict[str, Any]) -> None:
    difference = None if found is None else first_difference(found, identity)
    if difference:
        name, old, new = difference
        raise InputError(
            f"study {path}: it belongs to another search: its {name} is {old!r}, this one's is {new!r}; name another "
            "file with --study, or delete it"
        )


def next_trial(study: optuna.Study, near: Sequence[Mapping[str, Value]]) -> optuna.Trial:
    """Return the next trial: one that waits, or else the next of the recipe's neighbours, or else the sampler's."""
    trials = study.get_trials(deepcopy=False)
    begun = sum(_NEAR in trial.user_attrs for trial in trials)
    if begun < len(near) and not any(trial.state == TrialState.WAITING for trial in trials):
        study.enqueue_trial(dict(near[begun]), user_attrs={_NEAR: begun})
    return study.ask()


def set_aside(
    study: optuna.Study,
    trial: optuna.Trial | FrozenTrial,
    attributes: Mapping[str, Any] | None = None,
    *,
    again: bool = True,
) -> None:
    """Give up a trial that was stopped, and let the next one have the same settings."""
    stored = study.trials[trial.number]
    study.tell(trial.number, state=TrialState.FAIL)
    settings = {**stored.system_attrs.get("fixed_params", {}), **stored.params}
    if again and settings:
        marks = {name: value for name, value in stored.user_attrs.items() if name in (RECIPE, _KILLED)}
        study.enqueue_trial(dict(settings), user_attrs={**marks, **(attributes or {})})


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that were trained to the end, the best first."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(trials, key=lambda trial: (trial.value, trial.number))
