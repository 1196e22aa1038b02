"""The report's confusion matrices: every count and name whole, whatever the classes are and however few the rows."""

import html.parser
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.report import ReportConfig, write_report
from distill_jax.reporting.comparable_runs import read_runs
from distill_jax.reporting.matrix import LARGE, MOST, largest_confusions, matrix_figure
from distill_jax.reporting.table import build_table
from run_folders import write_run

LONG = "A class whose name goes on for sixty characters, no less, ok"
NAMES = (LONG, '<b>bold</b> & "co"', "情感非常积极的评论文本", "😀😀😀", "x" * 60)


class Tables(html.parser.HTMLParser):
    """Collects the cells of the confusion matrices, a list of rows for each."""

    def __init__(self, page):
        super().__init__()
        self.found, self._rows, self._cell = [], None, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "table" and "matrix" in (dict(attrs).get("class") or "").split():
            self._rows = []
            self.found.append(self._rows)
        elif self._rows is not None and tag == "tr":
            self._rows.append([])
        elif self._rows is not None and tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        if tag == "table":
            self._rows = None

    def handle_data(self, data):
        if self._rows and self._rows[-1]:
            self._rows[-1][-1] += data.strip("\n")


def write_random_run(folder, classes, rows, *, absent=None):
    """Write a run of one student; return its folder, the classes, the labels and the student's predictions."""
    generator = np.random.default_rng(classes * 1000 + rows)
    names = [NAMES[index] if index < len(NAMES) else f"class {index}" for index in range(classes)]
    allowed = [index for index in range(classes) if index != absent]
    labels, predicted, teacher = (generator.choice(allowed, rows).tolist() for _ in range(3))
    run = write_run(folder / "cnn", predicted, labels=labels, teacher=teacher, label_names=names)
    return run, names, np.array(labels), np.array(predicted)


def page_of(run):
    """Write a report on a run and return its page."""
    return write_report(ReportConfig(runs=(run,))).read_text(encoding="utf-8")


def figures_of(run):
    """Return the figures of a run's report, one for the teacher and one for the student."""
    table = build_table(read_runs([run]))
    return "\n".join(matrix_figure(row, table.label_names) for row in table.rows)


def counts_in(table):
    """Return the matrix that a table shows, an empty cell being none."""
    return [[int(cell.replace(",", "") or 0) for cell in row[1:]] for row in table[2:]]


@pytest.mark.parametrize("rows", [1, 2, 3000])
@pytest.mark.parametrize(("classes", "absent"), [(2, None), (12, None), (12, 4), (LARGE, 0), (LARGE + 1, 3), (50, 49)])
def test_every_count_and_every_name_stands_in_the_matrix_whole(tmp_path, classes, absent, rows):
    run, names, labels, predicted = write_random_run(tmp_path, classes, rows, absent=absent)
    tables = Tables(figures_of(run)).found
    assert len(tables) == 2  # the teacher's and the student's
    expected = np.zeros((classes, classes), int)
    np.add.at(expected, (labels, predicted), 1)
    assert counts_in(tables[1]) == expected.tolist()
    heads, firsts = tables[1][1][1:], [row[0] for row in tables[1][2:]]
    numbered = [f"{index} · {name}" for index, name in enumerate(names, 1)]
    assert (heads, firsts) in ((names, names), ([str(index) for index in range(1, classes + 1)], numbered))


def test_no_style_cuts_what_stands_in_a_matrix(tmp_path):
    page = page_of(write_random_run(tmp_path, 12, 100)[0])
    rules = re.findall(r"([^{}]*\.matri[^{}]*)\{([^{}]*)\}", page)
    assert rules
    for selector, rule in rules:
        assert not re.search(r"ellipsis|fixed|overflow: hidden|[^-]width: \d", rule), selector
    assert len(re.findall(r'<div class="scroll"[^>]*>\s*<table class="matrix', page)) == 2


@pytest.mark.parametrize("rows", [1, 2])
def test_a_report_is_written_of_however_few_rows(tmp_path, rows):
    assert len(Tables(page_of(write_random_run(tmp_path, 12, rows)[0])).found) == 2


@pytest.mark.parametrize(("classes", "lists"), [(LARGE, False), (LARGE + 1, True), (MOST, True), (MOST + 1, True)])
def test_among_many_classes_the_largest_confusions_are_listed(tmp_path, classes, lists):
    page = figures_of(write_random_run(tmp_path, classes, 500)[0])
    assert page.count('<ol class="confusions">') == (2 if lists else 0)
    assert len(Tables(page).found) == (2 if classes <= MOST else 0)
    assert "<b>bold" not in page


def test_the_largest_confusion_is_first_and_says_of_how_many(tmp_path):
    names = [f"class {index}" for index in range(LARGE + 1)]
    labels, predicted = [5] * 4 + [6] * 3, [7] * 3 + [5] + [6, 6, 9]
    page = figures_of(write_run(tmp_path / "cnn", predicted, labels=labels, teacher=labels, label_names=names))
    (listed,) = re.findall(r'<ol class="confusions">(.*?)</ol>', page)
    items = re.findall("<li>(.*?)</li>", listed.replace("&nbsp;", " "))
    assert items == ["class 5 taken for class 7: 3 of 4", "class 6 taken for class 9: 1 of 3"]
    assert "No confusion at all." in page  # the teacher's


@given(st.integers(2, 6), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_the_confusions_are_the_largest_off_the_diagonal(classes, most, seed):
    counts = np.random.default_rng(seed).integers(0, 4, (classes, classes))
    wrong = counts * ~np.eye(classes, dtype=bool)
    found = largest_confusions(counts, most)
    assert [count for _, _, count in found] == sorted(wrong[wrong > 0].tolist(), reverse=True)[:most]
    assert all(wrong[true, other] == count for true, other, count in found)
    assert len({(true, other) for true, other, _ in found}) == len(found)
