"""Confusion matrices as HTML tables: they scale, print, follow the reader's colour scheme and can be read aloud.

A cell is as wide as its number: what is wider than the page scrolls. Among many classes the largest confusions are
listed, for nobody finds them in a matrix.
"""

from collections.abc import Sequence

import numpy as np

from distill_jax.reporting.html_tables import escape
from distill_jax.reporting.numbers import count, percent, score
from distill_jax.reporting.table import Row

# More classes than this, and the largest confusions are listed above a matrix in small type.
LARGE = 20
# More classes than this, and the list stands alone: a page of a million cells is slow, and no one reads it.
MOST = 100
# Letters that fit over all columns together: where names are longer, the columns get the classes' numbers instead.
_HEAD_LETTERS = 36
# A cell is so dark from this share on that its text is readable in the paper's colour only.
_STRONG = 0.68
_CONFUSIONS_LISTED = 10


def matrix_figure(row: Row, label_names: Sequence[str]) -> str:
    """Return a model's confusion matrix as a figure; a cell's colour is its share of its row, its text the count."""
    model = escape(row.model)
    parts = [f"<figure><figcaption>{model} <span>accuracy {score(row.accuracy)}</span></figcaption>"]
    if len(label_names) > LARGE:
        parts.append(_largest_confusions(row.confusion, label_names))
    if len(label_names) <= MOST:
        parts += [
            f'<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix, {model}">',
            _table(row.confusion, label_names),
            "</div>",
        ]
    return "\n".join([*parts, "</figure>"])


def matrix_text(label_names: Sequence[str]) -> str:
    """Return how to read the matrices, as HTML."""
    texts = []
    if len(label_names) > LARGE:
        texts.append("Listed are each model’s most frequent confusions.")
    if len(label_names) > MOST:
        return f"{texts[0]} A matrix of {len(label_names):,} classes would be too large to read."
    texts.append(
        "A row is a true class, a column what the model took it for; the darker a cell, the larger its share of the "
        "row. A perfect model fills the diagonal alone. The numbers are counts of test texts."
    )
    if _numbered(label_names):
        texts.append("Columns carry the numbers of the classes; the rows have their names.")
    return " ".join(texts)


def largest_confusions(counts: np.ndarray, most: int = _CONFUSIONS_LISTED) -> list[tuple[int, int, int]]:
    """Return the most frequent confusions as (true class, predicted class, count), the largest first.

    Args:
        counts: int [classes, classes], row = true class.
        most: how many at most; those that never happened are left out.
    """
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(int(true), int(other), int(wrong[true, other])) for true, other in pairs if wrong[true, other]]


def _largest_confusions(counts: np.ndarray, label_names: Sequence[str]) -> str:
    totals = counts.sum(axis=1)
    lines = [
        f"<li>{escape(label_names[true])} taken for {escape(label_names[other])}: "
        f"{count(times)}&nbsp;of&nbsp;{count(int(totals[true]))}</li>"
        for true, other, times in largest_confusions(counts)
    ]
    return f'<ol class="confusions">{"".join(lines)}</ol>' if lines else "<p>No confusion at all.</p>"


def _numbered(label_names: Sequence[str]) -> bool:
    return len(label_names) > LARGE or max(map(len, label_names)) * len(label_names) > _HEAD_LETTERS


def _table(counts: np.ndarray, label_names: Sequence[str]) -> str:
    numbered = _numbered(label_names)
    names = [escape(name) for name in label_names]
    heads = "".join(
        f'<th scope="col" title="{name}">{index if numbered else name}</th>' for index, name in enumerate(names, 1)
    )
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    lines = [
        f'<table class="matrix{" numbered" if numbered else ""}"><thead>',
        f'<tr><th></th><th class="axis" scope="colgroup" colspan="{len(names)}">predicted</th></tr>',
        f'<tr><th class="axis" scope="col">true</th>{heads}</tr></thead><tbody>',
    ]
    for index, name in enumerate(names):
        cells = "".join(
            _cell(int(cell), float(share), f"{name} taken for {other}", large=len(names) > LARGE)
            for cell, share, other in zip(counts[index], shares[index], names, strict=True)
        )
        shown = f"{index + 1} · {name}" if numbered else name
        lines.append(f'<tr><th scope="row">{shown}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody></table>"])


def _cell(times: int, share: float, meaning: str, *, large: bool) -> str:
    """Return a cell; among many classes an empty one is as short as can be, for there are many of those."""
    if large and not times:
        return "<td></td>"
    strong = ' class="strong"' if share >= _STRONG else ""
    return f'<td{strong} style="--share:{share:.3f}" title="{meaning}: {percent(share)} of the row">{times:,}</td>'
