import csv
import html.parser
import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill_jax.checksums import CHECKSUMS
from distill_jax.errors import InputError, MissingInputError, printable
from distill_jax.locks import exclusive
from distill_jax.report import ReportConfig, write_report
from distill_jax.reporting import numbers
from distill_jax.reporting import results as report_text
from distill_jax.reporting.charts import history_chart, history_frame, reliability_frame
from distill_jax.reporting.comparable_runs import find_runs, read_runs
from distill_jax.reporting.summary import distillation, headline, notes
from distill_jax.reporting.table import build_table
from distill_jax.runs.folder import HISTORY, METRICS, TEST_PREDICTIONS, TOKENIZER, WEIGHTS
from run_folders import LABELS, MODELS, SPEED, TEACHER, record, write_run

# right on 4 and on 6 of the 10 rows, on which the teacher is right on 8
DIRECT = (0, 0, 1, 1, 0, 0, 1, 2, 0, 1)
DISTILLED = (0, 0, 1, 1, 2, 2, 1, 2, 0, 1)


@pytest.fixture
def runs(tmp_path):
    write_run(tmp_path / "tiny" / "cnn", DIRECT)
    write_run(tmp_path / "tiny" / "cnn-distil", DISTILLED, distil=True)
    return tmp_path / "tiny"


def saved_student(folder):
    write_run(folder, DIRECT)
    for name in (METRICS, HISTORY, TEST_PREDICTIONS, CHECKSUMS):
        (folder / name).unlink()
    for name in (WEIGHTS, TOKENIZER):
        (folder / name).write_bytes(b"")


def table_of(*folders):
    return build_table(read_runs(find_runs(folders)))


def report(*folders, **options):
    return write_report(ReportConfig(runs=folders, **options)).read_text()


class Page(html.parser.HTMLParser):
    """Collects what a page loads, runs and says."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loads, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "action")]

    def handle_data(self, data):
        self.text += data


def test_the_numbers_equal_those_computed_by_hand(runs):
    table = table_of(runs)
    teacher, direct, distilled = table.rows
    assert [row.accuracy for row in table.rows] == pytest.approx([0.8, 0.4, 0.6])
    assert distilled.accuracy_kept == pytest.approx(0.75)
    assert distilled.gap_closed == pytest.approx((0.6 - 0.4) / (0.8 - 0.4))
    assert (direct.gap_closed, teacher.gap_closed) == (None, None)
    assert [row.measures.agreement for row in table.rows] == pytest.approx([1.0, 0.6, 0.8])
    # teacher: class 0: TP 3, FP 1, FN 1; class 1: TP 3, FP 1, FN 0; class 2: TP 2, FP 0, FN 1
    assert teacher.macro_f1 == pytest.approx((6 / 8 + 6 / 7 + 4 / 5) / 3)
    assert teacher.confusion.tolist() == [[3, 1, 0], [0, 3, 0], [1, 0, 2]]
    assert (distilled.parameters, distilled.bytes, distilled.train_seconds) == (10_000, 40_000, 12.5)
    assert (teacher.parameters, teacher.bytes, teacher.documents_per_second) == (2_000_000, 8_000_000, 50.0)
    assert (table.best, table.test_rows) == (distilled, 10)


def test_scores_are_taken_over_the_labelled_rows(tmp_path):
    labels = (*LABELS[:8], -1, -1)
    folder = write_run(tmp_path / "cnn", DIRECT, labels=labels)
    table = table_of(folder)
    assert (table.test_rows, table.teacher.accuracy, table.students[0].accuracy) == (8, 1.0, 0.5)
    assert table.students[0].measures.agreement == pytest.approx(0.6)  # over all rows


def test_the_gap_is_left_open_where_the_teacher_is_no_better_than_the_direct_student(tmp_path):
    write_run(tmp_path / "a", LABELS)
    write_run(tmp_path / "b", DISTILLED, distil=True)
    table = table_of(tmp_path)
    assert table.students[1].gain == pytest.approx(-0.4)
    assert table.students[1].gap_closed is None
    assert any("undefined for CNN (distilled)" in note for note in notes(table))


@pytest.mark.parametrize(
    "difference",
    [
        {"train": {"seed": 1}},
        {"student": "fasttext"},
        {"shape": {"embedding_dim": 64}},
        {"metrics": {"epochs_done": 1}},
    ],
    ids=["seed", "student", "width", "epochs done"],
)
def test_a_twin_has_the_same_settings(tmp_path, difference):
    write_run(tmp_path / "a", DIRECT)
    write_run(tmp_path / "b", DISTILLED, distil=True, **difference)
    table = table_of(tmp_path)
    assert (table.students[1].twin, table.students[1].gap_closed) == (None, None)
    assert any("unknown for" in note for note in notes(table))
    assert "cannot be told" in distillation(table)


def many_rows(right, total=1000):
    """Return labels and predictions of which the first ``right`` are right."""
    labels = np.arange(total) % 3
    return tuple(labels.tolist()), tuple(np.where(np.arange(total) < right, labels, (labels + 1) % 3).tolist())


@pytest.mark.parametrize(
    ("direct", "distilled", "says"),
    [
        (400, 500, "helped CNN (+0.100"),
        (500, 400, "did not help CNN (−0.100"),
        (500, 400, "Use the direct student, which is clearly better."),
        (400, 402, "no clear difference for CNN (+0.002"),
    ],
)
def test_the_page_says_whether_distillation_helped(tmp_path, direct, distilled, says):
    labels, predicted = many_rows(direct)
    teacher = many_rows(800)[1]
    write_run(tmp_path / "a", predicted, labels=labels, teacher=teacher)
    write_run(tmp_path / "b", many_rows(distilled)[1], labels=labels, teacher=teacher, distil=True)
    assert says in distillation(table_of(tmp_path))


def test_the_headline_has_what_is_known_and_nothing_else(tmp_path, runs):
    assert headline(table_of(runs)) == (
        "Of the 2 students, CNN (distilled) is the most accurate: it keeps 75.0 % of the teacher’s accuracy (0.600 "
        "against 0.800 on 10 test texts), and is 200 times smaller. From raw text to label it makes 10,000 documents/s "
        "(9,000 to 11,000 in 5 repeats) on a processor, 2 cores; the teacher’s pass in the export made 50, tokenizing "
        "and writing included, on the same: about 200 times as fast."
    )
    unknown = {"parameters": None, "bytes": None, "documents_per_second": None}
    metrics = {"raw_text_documents_per_second": None}
    table = table_of(write_run(tmp_path / "alone", DIRECT, teacher_fields=unknown, metrics=metrics))
    assert headline(table).endswith("on 10 test texts).")
    assert "The teacher’s size and speed are not recorded." in notes(table)


def test_a_larger_slower_student_is_called_so(tmp_path):
    speed = {**SPEED, "median": 10.0, "low": 9.0, "high": 11.0}
    numbers = {"bytes": 16_000_000, "raw_text_documents_per_second": speed}
    said = headline(table_of(write_run(tmp_path / "cnn", DIRECT, metrics=numbers)))
    assert "is 2.0 times larger." in said
    assert said.endswith("on the same: about 5.0 times as slow.")


def test_an_unfinished_run_is_noted(tmp_path):
    folder = write_run(tmp_path / "cnn", DIRECT, train={"epochs": 5})
    assert "CNN has done 2 of 5 epochs." in notes(table_of(folder))


def test_a_folder_of_runs_stands_for_them_and_the_files_go_into_it(runs, capsys):
    (runs / "notes").mkdir()
    half = write_run(runs / "half", DIRECT)
    (half / "metrics.json").unlink()
    saved_student(runs / "saved")
    named = report(runs)
    assert (runs / "report.html").read_text() == named
    said = capsys.readouterr()
    assert "half: its training has not ended, so the report leaves it out" in said.err
    assert "saved: it holds a student that was saved or converted, without a training's results, so the" in said.err
    assert "CNN (distilled)" in said.out
    assert find_runs([runs.parent]) == find_runs([runs / "cnn", runs, runs / "cnn"])
    with pytest.raises(InputError, match=r"half: it has no metrics\.json yet"):
        report(half)


def test_the_table_in_the_terminal_fits_120_columns_and_keeps_names_apart(tmp_path):
    for index in range(12):
        write_run(tmp_path / f"a-run-folder-of-a-very-long-name-number-{index}", DISTILLED, distil=True)
    lines = report_text.terminal_table(table_of(tmp_path)).splitlines()
    assert len(lines) == 2 + 13
    assert max(map(len, lines)) <= 120
    assert len({line.split("  ")[0] for line in lines[2:]}) == 13


def test_results_csv_has_a_row_a_model_and_empty_fields_for_the_unknown(runs, tmp_path):
    report(runs, output=tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").read_text().splitlines()))
    assert list(rows[0]) == [
        "model", "run", "student", "distilled", "accuracy", "macro_f1", "accuracy_kept", "gap_closed", "agreement",
        "parameters", "bytes", "train_seconds", "documents_per_second", "accuracy_low", "accuracy_high", "macro_f1_low",
        "macro_f1_high", "gain", "gain_low", "gain_high", "macro_f1_gain", "macro_f1_gain_low", "macro_f1_gain_high",
        "probability_better", "macro_f1_probability_better", "mcnemar_p", "mean_absolute_error", "quadratic_kappa",
        "off_by_one", "calibration_error", "kl_from_teacher", "calibration_temperature", "calibration_error_after",
    ]  # fmt: skip
    # of the two rows that just one of them gets right, the distilled one gets both: p = 2 · (1/2)²
    assert float(rows[2]["mcnemar_p"]) == pytest.approx(0.5)
    assert float(rows[2]["gain_low"]) <= float(rows[2]["gain"]) <= float(rows[2]["gain_high"])
    assert 0.8 < float(rows[2]["probability_better"]) < 0.999
    assert (rows[0]["mcnemar_p"], rows[1]["gain_low"], rows[2]["mean_absolute_error"]) == ("", "", "")
    assert [row["model"] for row in rows] == ["Teacher", "CNN", "CNN (distilled)"]
    assert [row["distilled"] for row in rows] == ["", "false", "true"]
    assert float(rows[2]["gap_closed"]) == pytest.approx(0.5)
    assert (rows[0]["train_seconds"], rows[1]["gap_closed"], rows[1]["bytes"]) == ("", "", "40000")
    assert rows[2]["run"] == str(runs / "cnn-distil")


def test_the_page_needs_nothing_but_itself(runs):
    page = report(runs)
    assert Page('<img src="https://example.org/x">').loads == ["https://example.org/x"]  # the parser finds such things
    parsed = Page(page)
    assert parsed.loads == []
    assert not {"script", "link", "iframe", "img", "object", "base"} & set(parsed.tags)
    assert "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*[\"']?([^)\"']*)", page))
    assert set(re.findall(r"https?://[^\s\"'<>]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert parsed.tags.count("svg") == 4  # two charts, each for a desk and for a telephone
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_page_says_the_tables_numbers(runs):
    text = Page(report(runs)).text.replace("\N{NO-BREAK SPACE}", " ")
    for expected in ("0.600", "75.0 %", "50.0 %", "2,000,000", "8.00 MB", "12.5 s", "10,000", "Teacher 0.802"):
        assert expected in text, expected


def test_names_are_escaped(tmp_path):
    bad = "<script>alert('x')</script> & \"co\" "
    turned = "\u202eegap\x1b"  # would turn what follows it round
    write_run(
        tmp_path / "<b>run", DIRECT, label_names=(bad, turned, "good"), model=bad, teacher_fields={"name": f"t{bad}"}
    )
    write_run(tmp_path / "other", DISTILLED, label_names=(bad, turned, "good"), model=bad, teacher_fields={"name": bad})
    page = report(tmp_path, title=f"title {bad}")
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert parsed.tags.count("b") == 4  # the tiles' figures, and nothing of the folder's name
    assert f"title {bad}" in parsed.text
    assert f"t{bad}" in parsed.text
    assert "\\u202eegap\\x1b" in parsed.text
    assert not set("\u202e\x1b") & set(page)


def test_names_of_folders_and_classes_do_not_steer_a_terminal_that_shows_a_csv(tmp_path):
    write_run(tmp_path / "a\x1b[31mb\u202e|c", DIRECT, label_names=("bad", "\x9b31m\u2066", "good"))
    report(tmp_path)
    tables = [(tmp_path / name).read_text() for name in ("results.csv", "classes.csv")]
    assert all(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", table) for table in tables)
    assert "a\\x1b[31mb\\u202e|c" in [Path(row["run"]).name for row in csv.DictReader(tables[0].splitlines())]
    assert "\\x9b31m\\u2066" in [row["class"] for row in csv.DictReader(tables[1].splitlines())]


@given(st.text())
def test_a_text_is_one_field_of_a_csv_that_no_spreadsheet_computes(text):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow([report_text.csv_field(text), "next"])
    ((field, following),) = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert (field.removeprefix("'"), following) == (printable(text).removeprefix("'"), "next")
    assert not field.startswith(("=", "+", "-", "@", "\t"))


def test_twins_stand_side_by_side_in_the_chart_s_legend(tmp_path):
    for student in MODELS:
        for distil in (False, True):
            write_run(tmp_path / f"{student}{'-distil' * distil}", DIRECT, student=student, distil=distil)
    runs = read_runs(find_runs([tmp_path]))
    table = build_table(runs)
    color = history_chart(runs, table, width=720).to_dict()["layer"][0]["encoding"]["color"]
    assert color["legend"]["columns"] == 2
    assert color["scale"]["domain"][:2] == ["BiLSTM", "BiLSTM (distilled)"]
    colours = color["scale"]["range"]
    assert colours[::2] == colours[1::2]
    assert len(set(colours)) == len(MODELS)


def test_the_chart_is_a_png_and_leaves_out_what_is_not_finite(tmp_path):
    write_run(tmp_path / "cnn", DIRECT, f1=(0.25, float("nan"), 0.5))
    report(tmp_path)
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    runs = read_runs(find_runs([tmp_path]))
    frame = history_frame(runs, build_table(runs))
    assert frame[["epoch", "test_f1_macro", "model"]].to_numpy().tolist() == [[0, 0.25, "CNN"], [2, 0.5, "CNN"]]


def test_a_history_without_a_finite_number_still_makes_a_report(tmp_path):
    write_run(tmp_path / "cnn", DIRECT, f1=(float("nan"),))
    assert "CNN" in Page(report(tmp_path)).text


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"first_id": 5}, "tested on different rows"),
        ({"labels": LABELS[::-1]}, "the labels of their test rows differ, first in row 1"),
        ({"label_names": ("a", "b", "c")}, "their classes differ"),
        ({"teacher_fields": {"fingerprint": "teacher-2"}}, "fingerprints teacher-1 and teacher-2"),
        ({"teacher": TEACHER[::-1]}, "the same teacher's logits differ"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_compared_are_refused_by_name_and_nothing_is_written(tmp_path, other, message):
    ours, theirs = write_run(tmp_path / "ours", DIRECT), write_run(tmp_path / "theirs", DIRECT, **other)
    with pytest.raises(InputError, match=message) as refused:
        report(ours, theirs, output=tmp_path / "out")
    assert f"{ours} and {theirs}" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_predictions_of_another_epoch_than_the_metrics_are_refused(tmp_path):
    folder = write_run(tmp_path / "cnn", DIRECT, metrics={"test_acc": 0.7})
    with pytest.raises(InputError, match=r"says test accuracy 0\.7000, test_predictions\.npz gives 0\.4000"):
        report(folder)


def test_folders_without_runs_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="there is no such folder"):
        report(tmp_path / "none")
    with pytest.raises(InputError, match="expected a run, or a folder with runs in it, found neither"):
        report(tmp_path / "empty")
    with pytest.raises(InputError, match="at least one run folder"):
        report()
    write_run(tmp_path / "one", DIRECT)
    (tmp_path / "one" / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"none of its runs \(1\) has .* results to report; .*training has not ended"):
        report(tmp_path)
    saved_student(tmp_path / "converted" / "cnn")
    with pytest.raises(InputError, match=r"none of its runs \(1\) has .* results to report; .*saved or converted"):
        report(tmp_path / "converted")


def test_an_output_that_is_a_file_is_refused(runs, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"--output: .*file: expected a folder, found a file"):
        report(runs, output=tmp_path / "file")
    with pytest.raises(InputError, match=r"--output: .*file/deeper: expected a folder, found a file"):
        report(runs, output=tmp_path / "file/deeper")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_report_of_one_run_goes_beside_it_and_two_parents_have_one_in_common(tmp_path):
    a, b = write_run(tmp_path / "x" / "a", DIRECT), write_run(tmp_path / "y" / "b", DISTILLED, distil=True)
    report(a)
    assert (tmp_path / "x" / "report.html").is_file()
    report(a, b)
    assert (tmp_path / "report.html").is_file()


def test_the_same_runs_give_the_same_bytes(runs, tmp_path):
    report(runs, output=tmp_path / "one")
    report(runs, output=tmp_path / "two")
    for name in ("report.html", "results.csv", "history.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_numbers_as_people_read_them():
    assert [numbers.size(n) for n in (512, 1_500, 61_000_000, 999_999, 541_000_000)] == [
        "512 B", "1.50 kB", "61.0 MB", "1.00 MB", "541 MB",
    ]  # fmt: skip
    assert [numbers.duration(s) for s in (0.125, 8.25, 59.97, 125, 3_840)] == [
        "0.12 s", "8.2 s", "1 min 00 s", "2 min 05 s", "1 h 04 min",
    ]  # fmt: skip
    assert [numbers.factor(r) for r in (1.26, 42.4, 712.6, 1_234, 98_765)] == [
        "1.3",
        "42",
        "710",
        "1,200",
        "99,000",
    ]
    assert (numbers.percent(-0.052), numbers.points(-0.0072), numbers.score(None)) == (
        "−5.2 %",
        "−0.007",
        "–",
    )


def run_python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_the_command_answers_help_at_once_and_a_mistake_with_one_sentence(tmp_path):
    started = time.monotonic()
    command = ["-m", "distill_jax.report"]
    helped = run_python("-X", "importtime", *command, "--help")
    assert helped.returncode == 0
    assert "--output" in helped.stdout
    assert not re.search(r"\| +(pandas|altair|sklearn|jax|vl_convert|numpy)$", helped.stderr, re.MULTILINE)
    assert time.monotonic() - started < 10
    wrong = run_python(*command, str(tmp_path / "none"))
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: run folder ")
    assert wrong.stderr.count("\n") == 1
    assert wrong.stdout == ""


def test_a_twin_may_differ_in_how_the_teacher_is_learned_from(tmp_path):
    soft = {"soft_loss": "kl", "temperature": 2.0, "standardised": True, "transfer": True}
    hard = {"soft_loss": "mse", "temperature": 1.0, "standardised": False, "transfer": False}
    write_run(tmp_path / "a", DIRECT, train=hard)
    write_run(tmp_path / "b", DISTILLED, distil=True, train=soft)
    assert table_of(tmp_path).students[1].twin == "CNN"


def test_a_twin_that_may_stop_early_may_have_done_other_epochs(tmp_path):
    write_run(tmp_path / "a", DIRECT, train={"patience": 2})
    write_run(tmp_path / "b", DISTILLED, distil=True, train={"patience": 2}, metrics={"epochs_done": 1})
    assert table_of(tmp_path).students[1].twin == "CNN"


def test_the_page_says_how_sure_the_gains_are_only_where_there_are_any(runs, tmp_path):
    text = Page(report(runs)).text
    assert "Only distilled right" in text
    alone = Page(report(runs / "cnn", output=tmp_path / "alone")).text
    assert "How sure is that?" in alone
    assert "Only distilled right" not in alone


@pytest.mark.parametrize(
    ("names", "rated"), [(("1 star", "2 stars", "3 stars"), True), (("bad", "fair", "good"), False)]
)
def test_measures_of_ratings_are_shown_for_ratings_alone(tmp_path, names, rated):
    write_run(tmp_path / "cnn", DIRECT, label_names=names)
    text = Page(report(tmp_path)).text
    assert ("Quadratic kappa" in text) == rated
    assert "Calibration error" in text
    row = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))[1]
    assert bool(row["mean_absolute_error"]) == rated


def test_the_reliability_plot_leaves_almost_empty_bins_out(tmp_path):
    write_run(tmp_path / "cnn", DIRECT)
    frame = reliability_frame(table_of(tmp_path))
    # every row has the same confidence: one bin a model
    assert frame["rows"].tolist() == [10, 10]
    assert frame["accuracy"].tolist() == pytest.approx([0.8, 0.4])


@pytest.mark.parametrize("name", ["report.html", "results.csv", "history.png"])
def test_a_file_that_is_no_report_s_is_never_replaced(runs, tmp_path, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"mine")
    with pytest.raises(InputError, match=f"{out / name}: expected no such file, or a report's, found another"):
        write_report(ReportConfig((runs,), output=out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {name: b"mine"}


def test_a_report_replaces_its_own_files_and_those_of_one_that_was_killed(runs, tmp_path):
    out = tmp_path / "out"
    write_report(ReportConfig((runs,), output=out))
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "report.html").unlink()
    (out / "history.png").unlink()
    write_report(ReportConfig((runs,), output=out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole


@pytest.mark.parametrize("name", ["report.html", "results.csv", "classes.csv", "history.png"])
def test_another_s_file_beside_our_own_page_is_never_replaced(runs, tmp_path, name):
    out = tmp_path / "out"
    write_report(ReportConfig((runs,), output=out))
    (out / name).write_bytes(b"run,model\nmine,1\n")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(InputError, match=f"{out / name}: expected no such file, or a report's, found another"):
        write_report(ReportConfig((runs,), output=out, title="another"))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_chart_of_a_time_before_charts_were_marked_is_its_page_s(runs, tmp_path):
    out = tmp_path / "out"
    page = write_report(ReportConfig((runs,), output=out))
    whole = (out / "history.png").read_bytes()
    (out / "history.png").write_bytes(b"\x89PNG of an earlier version")
    page.write_text(page.read_text().replace('<meta name="chart" content="marked">\n', ""))
    write_report(ReportConfig((runs,), output=out))
    assert (out / "history.png").read_bytes() == whole


def test_a_report_that_another_process_is_writing_is_left_to_it(tmp_path, runs):
    config = ReportConfig((runs,), tmp_path / "report")
    with (
        exclusive(tmp_path / "report" / "report.html", "report"),
        pytest.raises(InputError, match=r"report.html: another process is writing it"),
    ):
        write_report(config)
    assert list((tmp_path / "report").iterdir()) == []


def test_a_report_whose_page_was_moved_away_is_written_again(runs, tmp_path):
    out = tmp_path / "out"
    page = write_report(ReportConfig((runs,), output=out))
    page.rename(tmp_path / "elsewhere.html")
    write_report(ReportConfig((runs,), output=out))
    assert page.read_bytes() == (tmp_path / "elsewhere.html").read_bytes()


@pytest.mark.parametrize("name", [["a"], 5, None, "x" * 9])
def test_a_teacher_s_name_may_be_anything_in_a_file(runs, tmp_path, name):
    for folder in runs.iterdir():
        config = json.loads((folder / "config.json").read_text())
        config["export"]["teacher"]["name"] = name
        (folder / "config.json").write_text(json.dumps(config))
        record(folder)
    assert write_report(ReportConfig((runs,), output=tmp_path / "out")).is_file()


def test_without_a_label_the_report_is_of_agreement_and_says_so(tmp_path, capsys):
    predicted = tuple((label + (row < 3)) % 3 for row, label in enumerate(TEACHER))
    folder = write_run(tmp_path / "one", predicted, distil=True, labels=(-1,) * 10, metrics={"test_acc": 0.7})
    page = report(folder)
    out = capsys.readouterr().out
    sentence = "No test text has a label, so the teacher’s answers stand for the right ones"
    assert sentence in out
    assert sentence in page
    assert "agrees with its teacher on 70.0 % of 10 test texts" in out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("Teacher ")] == ["1.000"]


def test_a_teacher_that_is_a_table_has_neither_size_nor_speed(tmp_path, capsys):
    nothing = dict.fromkeys(("parameters", "bytes", "documents_per_second", "device", "machine"))
    report(write_run(tmp_path / "one", DIRECT, teacher_fields={**nothing, "kind": "table"}))
    out = capsys.readouterr().out
    assert "The teacher is a table of answers: it has no size and no speed." in out
    assert "not recorded" not in out
    assert next(line for line in out.splitlines() if line.startswith("Teacher ")).split()[-4:] == ["–"] * 4
