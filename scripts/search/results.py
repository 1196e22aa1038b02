"""What a search has found: the table of the best trials, and the command that trains the best one."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distill_jax.console import format_table, path_word, shell_line
from distill_jax.tasks.task import Task
from scripts.search.objective import SECONDS, SIZE, Base
from scripts.search.space import Space, Value, settings_of
from scripts.search.study import RECIPE

SHOWN = 5


def train_command(chosen: Base, searched: Iterable[str], export: Path, workdir: Path) -> list[str]:
    """Return the words of the command that trains a student with a trial's settings, on all rows.

    Args:
        chosen: the trial's settings.
        searched: the settings to name; all others are the recipe's, as the command itself has them.
        export: the export folder.
        workdir: the run folder to write.
    """
    settings, words = chosen.settings(), ["--student", chosen.train.student, "--distil"]
    for name in dict.fromkeys([*searched, "seed"]):
        flag, value = "--" + name.replace("_", "-"), settings[name]
        if name == "transfer_share" and not settings["transfer"]:
            words.append("--no-transfer")
        elif isinstance(value, tuple):
            words += [flag, *map(str, value)]
        else:
            words += [flag, _plain(value)]
    return ["python", "-m", "distill_jax.train", *words, "--export", path_word(export), "--workdir", path_word(workdir)]


def _plain(value: Any) -> str:
    """Return a number as briefly as it can be said exactly."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def best_table(trials: Sequence[Any], space: Space, base: Base, task: Task) -> str:
    """Return the table of finished trials, a column each."""
    columns = [_column(trial, space, base, task) for trial in trials]
    names = list(columns[0])
    rows = [[name, *(column[name] for column in columns)] for name in names[1:]]
    return format_table([names[0], *(column[names[0]] for column in columns)], rows)


def _column(trial: Any, space: Space, base: Base, task: Task) -> dict[str, str]:
    column = {
        "": f"trial {trial.number}" + (" (recipe)" if trial.user_attrs.get(RECIPE) else ""),
        f"validation {task.distance_name}": f"{trial.value:.4f}",
        f"validation {task.history_titles[1]}": f"{trial.user_attrs[task.history_scores[1]]:.4f}",
        "size": f"{trial.user_attrs[SIZE] / 1e6:.1f} MB",
        "training": f"{trial.user_attrs[SECONDS]:.1f} s",
    }
    return column | {name: _shown(name, trial.params, base) for name in space}


def _shown(name: str, params: Mapping[str, Value], base: Base) -> str:
    if name not in params:
        return "–"
    if name in ("filter_heights", "transfer_share"):  # as they stand in the space
        return _plain(params[name])
    return _plain(base.changed(settings_of(params)).settings()[name])


def paste(words: Sequence[str], width: int = 116) -> str:
    """Return a command over as many lines as it needs, ready to paste."""
    lines, line = [], "  "
    for word in (shell_line([word]) for word in words):
        if len(line) + len(word) > width:
            lines.append(line + "\\")
            line = "      "
        line += word + " "
    return "\n".join([*lines, line.rstrip()])
