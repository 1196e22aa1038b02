"""Numbers as a report writes them."""

from collections.abc import Sequence

from distill_jax.metrics.interval import Interval
from distill_jax.runs.seed_scores import Spread

UNKNOWN = "–"
_SURE = 0.999


def score(value: float | None) -> str:
    """Return an accuracy or F1 with three decimals."""
    return UNKNOWN if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal and a true minus sign."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %".replace("-", "−")


def points(value: float) -> str:
    """Return a difference of accuracies, signed, with three decimals."""
    return f"{round(value, 3) + 0.0:+.3f}".replace("-", "−")


def percentage_points(value: float) -> str:
    """Return a difference of shares in percentage points, signed, with one decimal."""
    return f"{round(100 * value, 1) + 0.0:+.1f}".replace("-", "−")


def spread(value: Spread) -> str:
    """Return a score over several seeds, mean and sample standard deviation: ``0.632 ± 0.004``."""
    return f"{value.mean:.3f} ± {value.standard_deviation:.3f}"


def interval(value: Interval) -> str:
    """Return a score's interval: ``0.370–0.406``."""
    return f"{value.low:.3f}–{value.high:.3f}"


def points_interval(value: Interval) -> str:
    """Return a difference's interval: ``−0.004 to +0.021``."""
    return f"{points(value.low)} to {points(value.high)}"


def probability(value: float) -> str:
    """Return a probability as a percentage; what only finitely many draws can tell from certainty is not called so."""
    if value > _SURE:
        return f"> {100 * _SURE:.1f} %"
    if value < 1 - _SURE:
        return f"< {100 * (1 - _SURE):.1f} %"
    return percent(value)


def p_value(value: float) -> str:
    """Return a test's p with its relation: ``= 0.032``, ``< 0.001``."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def count(value: float | None) -> str:
    """Return a count with thousands separators; below ten with one decimal, where it is a rate."""
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if value < 10 and value != int(value) else f"{value:,.0f}"


def size(value: int | None) -> str:
    """Return bytes in decimal units of three significant digits: ``512 B``, ``23.9 MB``."""
    if value is None:
        return UNKNOWN
    if value < 1000:
        return f"{value} B"
    amount, unit = float(value), "B"
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007 - the unit reached is what counts
        amount /= 1000
        if amount < 999.5:
            break
    return (
        f"{amount:.2f} {unit}"
        if amount < 9.995
        else f"{amount:.1f} {unit}"
        if amount < 99.95
        else f"{amount:.0f} {unit}"
    )


def duration(seconds: float | None) -> str:
    """Return a time: ``0.42 s``, ``8.3 s``, ``2 min 05 s``, ``1 h 04 min``."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def factor(ratio: float) -> str:
    """Return how many times, to two significant digits: ``1.3``, ``42``, ``1,200``."""
    return f"{ratio:.1f}" if ratio < 9.95 else two_digits(ratio)


def join_names(names: Sequence[str]) -> str:
    """Return names as a sentence has them: ``A``, ``A and B``, ``A, B and C``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def two_digits(value: float) -> str:
    """Return a positive number to two significant digits: ``0.35``, ``4.2``, ``1,200``."""
    rounded = float(f"{value:.1e}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"
