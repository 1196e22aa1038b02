"""The report as one HTML page that needs nothing else: no network, no JavaScript, no fonts."""

from collections.abc import Sequence

from distill_jax.reporting.certainty import certainty_text, measures_table, pairs_table
from distill_jax.reporting.chart_style import svg
from distill_jax.reporting.charts import history_chart, reliability_chart
from distill_jax.reporting.classes import classes_section
from distill_jax.reporting.html_tables import escape, notes_list, numbers_table, score_with_interval, table_line
from distill_jax.reporting.matrix import LARGE, matrix_figure, matrix_text
from distill_jax.reporting.page_frame import framed
from distill_jax.reporting.results import cells
from distill_jax.reporting.seeds import cell_of_seeds, seeds_section
from distill_jax.reporting.settings import shared_facts, varied_settings
from distill_jax.reporting.summary import distillation, headline, notes, tiles
from distill_jax.reporting.table import Row, Table
from distill_jax.runs.folder import Run

_WIDE, _NARROW = 900, 270  # the chart's plot, in pixels: for a desk, and for a telephone
_RELIABILITY = 480
_RELIABILITY_CAPTION = (
    "How often a model is right, against how sure it says it is, in bins of a fifteenth. On the grey diagonal its "
    "probabilities can be taken at their word; below it, it is too sure of itself. Almost empty bins are left out."
)
_BEFORE_AND_AFTER = " Before: of the logits as they are; after: of the logits divided by the calibration temperature."
_RATING_DEFINITIONS = """<div><dt>Mean absolute error</dt><dd>How far the predicted rating is from the true one, on
average, in the ratings’ own unit.</dd></div>
<div><dt>Quadratic kappa</dt><dd>Agreement with the true ratings beyond chance, where a miss weighs by its square: 1 is
perfect, 0 is chance.</dd></div>
<div><dt>Right or one off</dt><dd>The share of test texts whose predicted rating is the true one or the
next.</dd></div>"""
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


def render_page(table: Table, runs: Sequence[Run], title: str, choice: str = "") -> str:
    """Return the report's HTML; every name from a run is escaped.

    ``choice`` is the section on what to ship, as HTML.
    """
    large = len(table.label_names) > LARGE
    return framed(
        "page.html",
        title,
        headline=escape(headline(table)),
        distillation=escape(distillation(table)),
        best=escape(table.best.model),
        tiles=_tiles(table),
        results=_results(table),
        certainty_text=escape(certainty_text(table)),
        pairs=pairs_table(table),
        measures=measures_table(table),
        decisions=_decisions(runs),
        reliability_wide=_reliability(table, _RELIABILITY, "reliability-wide"),
        reliability_narrow=_reliability(table, _NARROW, "reliability-narrow"),
        reliability_caption=escape(_RELIABILITY_CAPTION),
        calibration_definition=escape(_BEFORE_AND_AFTER if table.is_calibrated else ""),
        rating_definitions=_RATING_DEFINITIONS if table.teacher.measures.ratings is not None else "",
        notes=notes_list(notes(table)),
        choice=choice,
        seeds=seeds_section(table),
        classes=classes_section(table),
        chart_wide=_chart(runs, table, _WIDE, "wide"),
        chart_narrow=_chart(runs, table, _NARROW, "narrow"),
        chart_caption=escape(_chart_caption(table)),
        matrix_text=matrix_text(table.label_names),
        matrix_class=" large" if large else "",
        matrices="\n".join(matrix_figure(row, table.label_names) for row in table.rows),
        facts=_definition_list(shared_facts(table, runs)),
        settings=_settings(table, runs),
    )


def _tiles(table: Table) -> str:
    return "\n".join(
        f"<li><b>{escape(tile.figure)}</b><span>{escape(tile.caption)}</span></li>" for tile in tiles(table)
    )


def _results(table: Table) -> str:
    rows = (*table.rows, *table.baselines)
    return numbers_table(_HEADER, [_result_row(row, table) for row in rows], "Results of every model")


def _result_row(row: Row, table: Table) -> str:
    name, _, _, *numbers = cells(row)
    best = row is table.best and len(table.students) > 1
    kind = "teacher" if row is table.teacher else "best" if best else "student"
    kind = "baseline" if row in table.baselines else kind
    tag = ' <span class="tag">best student</span>' if best else ""
    scores = [score_with_interval(row.measures.scores.accuracy), score_with_interval(row.measures.scores.macro_f1)]
    means = cell_of_seeds(row)
    if means is not None:
        scores = [
            f'{score}<span class="interval">{escape(mean)}</span>' for score, mean in zip(scores, means, strict=True)
        ]
    return table_line(kind, escape(name) + tag, [*scores, *map(escape, numbers)])


def _chart(runs: Sequence[Run], table: Table, width: int, identifiers: str) -> str:
    return svg(history_chart(runs, table, width=width), identifiers, _chart_caption(table))


def _reliability(table: Table, width: int, identifiers: str) -> str:
    return svg(reliability_chart(table, width=width), identifiers, _RELIABILITY_CAPTION)


def _decisions(runs: Sequence[Run]) -> str:
    """Return what was fitted to validation splits, each sort of it once, as paragraphs."""
    words = dict.fromkeys(sentence for run in runs for sentence in run.task.decision_words)
    return "".join(f"<p>{escape(sentence)}</p>\n" for sentence in words)


def _chart_caption(table: Table) -> str:
    text = "Macro F1 on the test split after each epoch, counted from 0; the dotted line is the teacher."
    if any(row.distilled for row in table.students) and not all(row.distilled for row in table.students):
        text += " Solid lines are distilled students, dashed ones direct; twins share a colour."
    return text


def _definition_list(pairs: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in pairs)


def _settings(table: Table, runs: Sequence[Run]) -> str:
    names, rows = varied_settings(runs)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("Run", *names))
    body = "\n".join(
        f'<tr><th scope="row">{escape(row.model)}</th>'
        + "".join(f"<td>{escape(value)}</td>" for value in values)
        + "</tr>"
        for row, values in zip(table.students, rows, strict=True)
    )
    return f'<table class="numbers settings"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'
