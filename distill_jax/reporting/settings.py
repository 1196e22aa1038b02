"""What was run: the settings that all runs of a report share, and those in which they differ."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from distill_jax.reporting.comparable_runs import folder_name
from distill_jax.reporting.numbers import UNKNOWN, score
from distill_jax.reporting.results import number_of_texts
from distill_jax.reporting.table import Table
from distill_jax.runs.folder import Run

# The student's kind is in train.student, the number of classes in the first line.
_SAID_ELSEWHERE = frozenset({"name", "num_labels"})


def shared_facts(table: Table, runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Return what holds for the whole report, as (name, text): data, teacher, then the settings that all runs share."""
    export = runs[0].config["export"]
    teacher = (table.teacher_name, _fingerprint(export), table.teacher.device)
    facts = [
        ("Data", f"{table.export_name}: {number_of_texts(table.test_rows)}, {len(table.label_names)} classes"),
        (
            "Teacher",
            " · ".join(str(part) for part in teacher if part),
        ),
        *_cross_fitted(export["teacher"]),
    ]
    settings = [_settings(run) for run in runs]
    names = _names(settings)
    facts += [(_title(name), settings[0][name]) for name in names if _is_shared(name, settings)]
    return facts


def _cross_fitted(teacher: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return, as a fact, how good the mean of cross-fitted teachers is on the test rows, by the task's first metric."""
    match teacher.get("cross_fitted"):
        case {"count": int(count), "splits": {"test": {**scores}}} if scores:
            name, value = next(iter(scores.items()))
            return (
                []
                if not isinstance(value, float)
                else [("Cross-fitted teachers", f"{count}; {name} of their mean on the test rows: {score(value)}")]
            )
    return []


def varied_settings(runs: Sequence[Run]) -> tuple[list[str], list[list[str]]]:
    """Return the titles of the settings in which the runs differ, and each run's values; the folder goes first.

    A dash stands where an option had no effect.
    """
    settings = [_settings(run) for run in runs]
    names = [name for name in _names(settings) if not _is_shared(name, settings)]
    rows = [
        [folder_name(run, runs), *[values.get(name, UNKNOWN) for name in names]]
        for run, values in zip(runs, settings, strict=True)
    ]
    return ["Folder", *[_title(name) for name in names]], rows


def _settings(run: Run) -> dict[str, str]:
    """Return a run's settings, without the options that decided nothing in it."""
    settings = {**run.config["train"], **run.config.get("student", {})}
    left_out = _SAID_ELSEWHERE | _without_effect(run.config["train"], run.config["export"])
    values = {name: _text(value) for name, value in settings.items() if name not in left_out}
    values["device"] = _text(run.metrics.get("device"))
    values["program"] = _text(run.config.get("program"))
    return values


def _without_effect(train: Mapping[str, Any], export: Mapping[str, Any]) -> set[str]:
    """Return the training options that others, or the export, leave without an effect.

    Runs of older versions do not say how large their export's transfer split was: theirs may have one.
    """
    distil = train["distil"]
    compares_logits = distil and train.get("alpha") != 1
    may_transfer = distil and export.get("transfer_examples") != 0
    decides = {
        "alpha": distil,
        "soft_loss": compares_logits,
        "temperature": compares_logits and train.get("soft_loss") == "kl",
        "standardised": compares_logits,
        "hint_weight": bool(train.get("hint_weight")),
        "class_weights": bool(train.get("class_weights")),
        "transfer": may_transfer,
        "transfer_share": may_transfer and train.get("transfer"),
        "transfer_passes": may_transfer and train.get("transfer"),
        "huber": bool(train.get("huber")),
        "learning_rate_decay": train.get("schedule", "step") == "step",
    }
    return {name for name, has_effect in decides.items() if not has_effect}


def _names(settings: Sequence[dict[str, str]]) -> list[str]:
    """Return every setting's name once, in order of appearance."""
    return list(dict.fromkeys(name for values in settings for name in values))


def _is_shared(name: str, settings: Sequence[dict[str, str]]) -> bool:
    return all(values.get(name) == settings[0].get(name) for values in settings)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fingerprint(export: dict[str, Any]) -> str | None:
    fingerprint = export["teacher"].get("fingerprint")
    return None if fingerprint is None else f"fingerprint {str(fingerprint)[:12]}"
