"""The report as one HTML page that needs nothing else: no network, no JavaScript, no fonts."""

import html
import importlib.resources
import string
from collections.abc import Sequence

import distill_jax
from distill_jax.report_charts import history_chart, svg
from distill_jax.report_matrix import LARGE, class_key, matrix_figure, matrix_text
from distill_jax.report_settings import shared_facts, varied_settings
from distill_jax.report_summary import distillation, headline, notes, tiles
from distill_jax.report_table import Row, Table
from distill_jax.report_text import UNKNOWN, cells
from distill_jax.run_folder import Run

_WIDE, _NARROW = 900, 270  # the chart's plot, in pixels: for a desk, and for a telephone
_HEADER = (
    "Model",
    "Accuracy",
    "Macro F1",
    "Teacher’s accuracy kept",
    "Gap closed",
    "Agrees with teacher",
    "Parameters",
    "Size",
    "Training time",
    "Documents a second",
)


def render_page(table: Table, runs: Sequence[Run], title: str) -> str:
    """Return the report's HTML; every name from a run is escaped."""
    large = len(table.label_names) > LARGE
    return string.Template(_resource("report_page.html")).substitute(
        program=_escape(f"distill-jax {distill_jax.__version__}"),
        title=_escape(title),
        style=_resource("report_page.css"),
        headline=_escape(headline(table)),
        distillation=_escape(distillation(table)),
        best=_escape(table.best.model),
        tiles=_tiles(table),
        results=_results(table),
        notes=_notes(notes(table)),
        chart_wide=_chart(runs, table, _WIDE, "wide"),
        chart_narrow=_chart(runs, table, _NARROW, "narrow"),
        chart_caption=_escape(_chart_caption(table)),
        matrix_text=matrix_text(table.label_names),
        matrix_class=" large" if large else "",
        matrices="\n".join(matrix_figure(row, table.label_names) for row in table.rows),
        key=class_key(table.label_names),
        facts=_definition_list(shared_facts(table, runs)),
        settings=_settings(table, runs),
    )


def _escape(text: str) -> str:
    """Return a text as HTML; a percent sign stays on its number's line."""
    return html.escape(text).replace(" %", "&nbsp;%")


def _resource(name: str) -> str:
    return importlib.resources.files("distill_jax").joinpath(name).read_text(encoding="utf-8")


def _tiles(table: Table) -> str:
    return "\n".join(
        f"<li><b>{_escape(tile.figure)}</b><span>{_escape(tile.caption)}</span></li>" for tile in tiles(table)
    )


def _results(table: Table) -> str:
    head = "".join(f'<th scope="col">{_escape(name)}</th>' for name in _HEADER)
    body = "\n".join(_result_row(row, table) for row in table.rows)
    return f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'


def _result_row(row: Row, table: Table) -> str:
    name, *numbers = cells(row)
    best = row is table.best and len(table.students) > 1
    kind = "teacher" if row is table.teacher else "best" if best else "student"
    tag = ' <span class="tag">best student</span>' if best else ""
    columns = "".join(
        '<td class="unknown">–</td>' if cell == UNKNOWN else f"<td>{_escape(cell)}</td>" for cell in numbers
    )
    return f'<tr class="{kind}"><th scope="row">{_escape(name)}{tag}</th>{columns}</tr>'


def _notes(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    return '<ul class="notes">' + "".join(f"<li>{_escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _chart(runs: Sequence[Run], table: Table, width: int, identifiers: str) -> str:
    return svg(history_chart(runs, table, width=width), identifiers, _chart_caption(table))


def _chart_caption(table: Table) -> str:
    text = "Macro F1 on the test split after each epoch, counted from 0; the dotted line is the teacher."
    if any(row.distilled for row in table.students) and not all(row.distilled for row in table.students):
        text += " Solid lines are distilled students, dashed ones direct; twins share a colour."
    return text


def _definition_list(pairs: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"<div><dt>{_escape(term)}</dt><dd>{_escape(text)}</dd></div>" for term, text in pairs)


def _settings(table: Table, runs: Sequence[Run]) -> str:
    names, rows = varied_settings(runs)
    head = "".join(f'<th scope="col">{_escape(name)}</th>' for name in ("Run", *names))
    body = "\n".join(
        f'<tr><th scope="row">{_escape(row.model)}</th>'
        + "".join(f"<td>{_escape(value)}</td>" for value in values)
        + "</tr>"
        for row, values in zip(table.students, rows, strict=True)
    )
    return f'<table class="numbers settings"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'
