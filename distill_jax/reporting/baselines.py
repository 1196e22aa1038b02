"""What a report says of the simple baselines: whether a student is worth more than they are."""

from distill_jax.metrics.significance import CLEAR
from distill_jax.reporting.numbers import join_names, points, points_interval, score
from distill_jax.reporting.table import Row, Table


def none_sentence(why: str) -> str:
    """Return the sentence that says why there are no simple baselines; nothing where nothing is to be said."""
    return f"No simple baselines stand here: {why}." if why else ""


def baseline_notes(table: Table) -> list[str]:
    """Return whether students are more accurate than the best simple baseline, the failing ones first."""
    best = table.best_baseline
    if best is None:
        return [none_sentence(table.why_no_baselines)] if table.why_no_baselines else []
    clear = [row for row in table.students if _probability(row) >= CLEAR and row.mean_accuracy > best.accuracy]
    worse = [row for row in table.students if row.mean_accuracy <= best.accuracy]
    unclear = [row for row in table.students if row not in clear and row not in worse]
    named = f"{best.model} ({score(best.accuracy)})"
    found = []
    if worse:
        found.append(f"No better than the simple baseline {named}: {_listed(worse)}.")
    if unclear:
        found.append(f"More accurate than the simple baseline {named} within chance alone: {_listed(unclear)}.")
    if clear:
        found.append(f"Clearly more accurate than the simple baseline {named}: {_listed(clear)}.")
    return found


def _probability(row: Row) -> float:
    return 0.5 if row.baseline_lead is None else row.baseline_lead.accuracy_probability


def _listed(rows: list[Row]) -> str:
    return join_names([f"{row.model} ({_lead(row)})" for row in rows])


def _lead(row: Row) -> str:
    lead = row.baseline_lead
    if lead is None:
        return score(row.accuracy)
    return f"{points(lead.accuracy_difference.value)}, 95 % interval {points_interval(lead.accuracy_difference)}"
