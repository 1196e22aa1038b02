"""Confusion matrices as HTML tables: they scale, print, follow the reader's colour scheme and can be read aloud."""

import html
from collections.abc import Sequence

import numpy as np

from distill_jax.reporting.numbers import score
from distill_jax.reporting.table import Row

# More classes than this and a count no longer fits its cell.
LARGE = 12
# Letters that fit over all columns together: where names are longer, the columns get the classes' numbers instead.
_HEAD_LETTERS = 36
# A cell is so dark from this share on that its text is readable in the paper's colour only.
_STRONG = 0.68


def matrix_figure(row: Row, label_names: Sequence[str]) -> str:
    """Return a model's confusion matrix as a figure; a cell's colour is its share of its row, its text the count."""
    caption = f"{html.escape(row.model)} <span>accuracy {score(row.accuracy)}</span>"
    return f"<figure><figcaption>{caption}</figcaption>\n{_table(row.confusion, label_names)}\n</figure>"


def matrix_text(label_names: Sequence[str]) -> str:
    """Return how to read the matrices, as HTML."""
    text = (
        "A row is a true class, a column what the model took it for; the darker a cell, the larger its share of the "
        "row. A perfect model fills the diagonal alone. "
    )
    if len(label_names) > LARGE:
        text += "Point at a cell for its count. "
    else:
        text += "The numbers are counts of test texts. "
    if _numbered(label_names):
        text += "Columns carry the numbers of the classes; the list below has their names."
    return text.strip()


def class_key(label_names: Sequence[str]) -> str:
    """Return the list of the classes' whole names by number, where the matrices show numbers; otherwise nothing."""
    if not _numbered(label_names):
        return ""
    return '<ol class="key">' + "".join(f"<li>{html.escape(name)}</li>" for name in label_names) + "</ol>"


def _numbered(label_names: Sequence[str]) -> bool:
    return len(label_names) > LARGE or max(map(len, label_names)) * len(label_names) > _HEAD_LETTERS


def _table(counts: np.ndarray, label_names: Sequence[str]) -> str:
    numbered = _numbered(label_names)
    names = [html.escape(name) for name in label_names]
    heads = "".join(
        f'<th scope="col" title="{name}">{_head(index, name, label_names)}</th>' for index, name in enumerate(names, 1)
    )
    kind = "matrix numbered" if numbered else "matrix"
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    lines = [
        f'<table class="{kind}"><colgroup><col class="names"></colgroup><thead>',
        f'<tr><th></th><th class="axis" scope="colgroup" colspan="{len(names)}">predicted</th></tr>',
        f'<tr><th class="axis" scope="col">true</th>{heads}</tr></thead><tbody>',
    ]
    for index, name in enumerate(names):
        cells = "".join(
            _cell(int(count), float(share), f"{name} taken for {other}", large=len(names) > LARGE)
            for count, share, other in zip(counts[index], shares[index], names, strict=True)
        )
        shown = f"{index + 1} · {name}" if numbered else name
        lines.append(f'<tr><th scope="row" title="{name}">{shown}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody></table>"])


def _head(number: int, name: str, label_names: Sequence[str]) -> str:
    """Return what stands over a column: the name, its number, or, where columns are narrow, every fifth number."""
    if not _numbered(label_names):
        return name
    return str(number) if len(label_names) <= LARGE or number % 5 == 0 or number == 1 else ""


def _cell(count: int, share: float, meaning: str, *, large: bool) -> str:
    """Return a cell; among many classes an empty one is as short as can be, for there are many of those."""
    if large:
        return (
            f'<td style="--share:{share:.3f}" title="{meaning}: {count:,} ({share:.0%})"></td>'
            if count
            else "<td></td>"
        )
    strong = ' class="strong"' if share >= _STRONG else ""
    return f'<td{strong} style="--share:{share:.3f}" title="{meaning}: {share:.1%} of the row">{count:,}</td>'
