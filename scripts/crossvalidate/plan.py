"""What a study will run, and about how long that takes."""

from collections.abc import Sequence

import numpy as np

from scripts.crossvalidate.folds import Plan
from scripts.crossvalidate.rows import PARTS, TEST
from scripts.crossvalidate.steps import Steps

# Of one core of an AMD EPYC with AVX-512, on a fold of the demo with 150,000 film sentences, twelve copies a text.
_SECONDS = {"export": 1070.0, "bilstm": 340.0, "cnn": 200.0, "fasttext": 13.0, "dan": 40.0}
_OTHER_STUDENT = 200.0
_REFERENCE_ROWS = 14_127


def describe_plan(plan: Plan, folds: Sequence[int]) -> list[str]:
    """Return lines that say what is to be run, what is there, and about how long the rest takes."""
    sizes = [int(np.count_nonzero(of_fold == PARTS.index(TEST))) for of_fold in plan.parts]
    groups = len(np.unique(plan.rows.groups))
    first = (
        f"{plan.dataset}: {len(plan.rows.labels):,} rows in {groups:,} groups of near copies; {len(sizes)} folds, each "
        f"with {min(sizes):,} to {max(sizes):,} rows held out"
    )
    lines = [first]
    known = _measured(plan)
    total, steps = 0.0, 0
    for fold in folds:
        done = set(Steps(plan.folder(fold)).done)
        for variant in plan.variants:
            if plan.is_done(fold, variant):
                continue
            for step in plan.steps(fold, variant):
                if step.name in done:
                    continue
                done.add(step.name)
                steps += 1
                total += known.get(step.kind) or _guess(step.kind, len(plan.rows.labels))
    variants = ", ".join(variant.name for variant in plan.variants)
    lines.append(
        f"folds {', '.join(map(str, folds))}; variants {variants}; students {', '.join(plan.students)}, on labels and "
        f"distilled, {plan.seeds} {'seed' if plan.seeds == 1 else 'seeds'}"
    )
    whence = "as long as these took so far" if known else "a guess from one core with AVX-512"
    lines.append(f"{steps} commands to run, about {total / 60:,.0f} minutes ({whence}), and the simple baselines")
    return lines


def _measured(plan: Plan) -> dict[str, float]:
    """Return the mean seconds of each kind of step that is done."""
    found: dict[str, list[float]] = {}
    for fold in range(len(plan.parts)):
        for step in Steps(plan.folder(fold)).done.values():
            found.setdefault(step["kind"], []).append(step["seconds"])
    return {kind: sum(seconds) / len(seconds) for kind, seconds in found.items()}


def _guess(kind: str, rows: int) -> float:
    what = (
        kind.split(maxsplit=1)[0] if kind.startswith("export") else kind.rsplit(maxsplit=1)[-1].removesuffix("-distil")
    )
    seconds = _SECONDS.get(what, _OTHER_STUDENT)
    share = 1 / 3 if kind.startswith("train") and not kind.endswith("-distil") else 1.0
    return seconds * share * rows / _REFERENCE_ROWS
