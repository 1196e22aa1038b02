"""Classes of so few training rows that nothing learns them. Shared by both halves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FEW_ROWS = 5
_NAMED = 8


def too_few_rows(labels: "np.ndarray", label_names: Sequence[str]) -> str | None:
    """Return a warning that names the classes of fewer than five training rows; None where there are none.

    A class without any row is not named, nor is one where some rows have no label, for a teacher's answers teach it.

    Args:
        labels: int [n], the training rows' classes; -1 = unlabelled.
        label_names: the classes.
    """
    import numpy as np

    if (labels < 0).any():
        return None
    counts = np.bincount(labels, minlength=len(label_names))
    few = [place for place in np.argsort(counts, kind="stable").tolist() if 0 < counts[place] < FEW_ROWS]
    if not few:
        return None
    shown = ", ".join(f"{label_names[place]!r} {counts[place]}" for place in few[:_NAMED])
    more = ", …" if len(few) > _NAMED else ""
    classes = "1 class has" if len(few) == 1 else f"{len(few)} classes have"
    return (
        f"WARNING: {classes} fewer than {FEW_ROWS} training rows ({shown}{more}), too few to be learnt or judged: give "
        "more rows, merge it with another class, or leave it out"
    )
