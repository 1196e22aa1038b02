"""A teacher's answers in a table's rows: each form gives its probabilities; what is none is refused with its row."""

import csv
import io
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill_jax.errors import InputError
from teacher_export.data.output_logits import FLOOR
from teacher_export.data.output_rows import load_answered
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig
from tolerances import assert_close

CLASSES = ("mixed", "neg", "pos")
ROWS = 40
OF_A_SHARE = {"terms": 3, "why": "a logarithm in float32 and a softmax of it", "scale": 10}  # logits go to -9.2


def probabilities(rows=ROWS, classes=3, seed=0):
    """Return rows of probabilities, none of them small, with four decimals that sum to 1."""
    whole = np.random.default_rng(seed).integers(300, 3000, (rows, classes))
    whole[:, -1] = 10_000 - whole[:, :-1].sum(axis=1)
    return whole / 10_000


def write_csv(path, header, rows):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([header, *rows])
    path.write_bytes(stream.getvalue().encode())
    return path


def write_jsonl(path, answers, **columns):
    rows = [
        {"text": f"text {i}", "answer": answer, **{name: values[i] for name, values in columns.items()}}
        for i, answer in enumerate(answers)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def load(path, *columns, label_column=None, outputs_are="probabilities", votes_smoothing=None, **data):
    options = {"max_rows": 0, "balance": False, "train_fraction": 0.5, **data}
    config = DataConfig("table", (path,), text_column=("text",), label_column=label_column, **options)
    asked = TableTeacherConfig(tuple(columns) or ("answer",), outputs_are, votes_smoothing)
    return load_answered(config, asked)


def in_file_order(table, what="teacher_logits"):
    splits = table.dataset.splits.values()
    ids = np.concatenate([split.example_ids for split in splits])
    return np.concatenate([getattr(split, what) for split in splits])[np.argsort(ids)]


def softmax(logits):
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def assert_gives(table, wanted, classes=CLASSES):
    assert table.dataset.label_names == classes
    logits = in_file_order(table)
    assert logits.dtype == np.float32
    assert_close(softmax(logits), wanted, **OF_A_SHARE)


def _columns(path, values):
    rows = [[f"text {i}", *row] for i, row in enumerate(values.tolist())]
    return write_csv(path / "t.csv", ["text", *CLASSES], rows), CLASSES


def _named_columns(path, values):
    rows = [[f"text {i}", *row] for i, row in enumerate(values.tolist())]
    entries = [f"{name}=p({name}=x)" for name in CLASSES]
    return write_csv(path / "t.csv", ["text", *(f"p({name}=x)" for name in CLASSES)], rows), entries


def _jsonl(path, values):
    return write_jsonl(path / "t.jsonl", [dict(zip(CLASSES, row, strict=True)) for row in values.tolist()]), ()


def _jsonl_of_text(path, values):
    answers = [json.dumps(dict(zip(CLASSES, row, strict=True))) for row in values.tolist()]
    return write_jsonl(path / "t.jsonl", answers), ()


def _csv_of_json(path, values):
    rows = [[f"text {i}", json.dumps(dict(zip(CLASSES, row, strict=True)))] for i, row in enumerate(values.tolist())]
    return write_csv(path / "t.csv", ["text", "answer"], rows), ()


def _csv_of_python(path, values):
    rows = [[f"text {i}", str(dict(zip(CLASSES, row, strict=True)))] for i, row in enumerate(values.tolist())]
    return write_csv(path / "t.csv", ["text", "answer"], rows), ()


def _parquet(kind):
    def write(path, values):
        answers = [dict(zip(CLASSES, row, strict=True)) for row in values.tolist()]
        cells = [list(answer.items()) for answer in answers] if pa.types.is_map(kind) else answers
        table = pa.table({"text": [f"text {i}" for i in range(len(values))], "answer": pa.array(cells, kind)})
        pq.write_table(table, path / "t.parquet")
        return path / "t.parquet", ()

    return write


FORMS = {
    "columns": _columns,
    "CLASS=COLUMN": _named_columns,
    "JSONL objects": _jsonl,
    "JSON text in JSONL": _jsonl_of_text,
    "JSON in CSV": _csv_of_json,
    "Python's dictionaries in CSV": _csv_of_python,
    "Parquet struct": _parquet(pa.struct([(name, pa.float64()) for name in CLASSES])),
    "Parquet map": _parquet(pa.map_(pa.string(), pa.float64())),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_its_probabilities_back(tmp_path, form):
    values = probabilities()
    path, entries = FORMS[form](tmp_path, values)
    assert_gives(load(path, *entries), values)


def test_all_forms_have_one_fingerprint_which_another_answer_changes(tmp_path):
    values = probabilities()
    found = set()
    for number, write in enumerate(FORMS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path, entries = write(folder, values)
        found.add(load(path, *entries).fingerprint)
    assert len(found) == 1
    values[7] = values[7][::-1]
    (tmp_path / "other").mkdir()
    path, entries = _columns(tmp_path / "other", values)
    assert load(path, *entries).fingerprint not in found


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_columns_and_of_keys_makes_no_difference(tmp_path, seed):
    values, rng = probabilities(), np.random.default_rng(seed)
    path, _ = _columns(tmp_path, values)
    one, other = load(path, *CLASSES), load(path, *rng.permutation(CLASSES).tolist())
    np.testing.assert_array_equal(in_file_order(one), in_file_order(other))
    assert (one.fingerprint, one.columns) == (other.fingerprint, other.columns)
    answers = [dict(rng.permutation(list(zip(CLASSES, row, strict=True))).tolist()) for row in values]
    again = load(write_jsonl(tmp_path / "t.jsonl", answers))
    np.testing.assert_array_equal(in_file_order(one), in_file_order(again))
    assert again.fingerprint == one.fingerprint


def test_numbers_are_classes_in_numeric_order_and_match_labels_however_they_are_written(tmp_path):
    answers = [{"10": 0.7, "9.0": 0.2, "1": 0.1} for _ in range(ROWS)]
    path = write_jsonl(tmp_path / "t.jsonl", answers, stars=[[1, 9, "10.0", 10.0][i % 4] for i in range(ROWS)])
    table = load(path, label_column="stars")
    assert table.dataset.label_names == ("1", "9", "10")
    assert in_file_order(table, "labels")[:4].tolist() == [0, 1, 2, 2]
    assert_close(softmax(in_file_order(table))[0], [0.1, 0.2, 0.7], **OF_A_SHARE)


def test_logits_are_taken_bit_by_bit(tmp_path):
    logits = np.random.default_rng(1).normal(0, 5, (ROWS, 3)).astype(np.float32)
    path, entries = _columns(tmp_path, logits)
    np.testing.assert_array_equal(in_file_order(load(path, *entries, outputs_are="logits")), logits)


def test_log_probabilities_are_those_of_the_probabilities(tmp_path):
    values = probabilities()
    path, entries = _columns(tmp_path, np.log(values))
    assert_gives(load(path, *entries, outputs_are="log-probabilities"), values)


@pytest.mark.parametrize("kind", ["probabilities", "log-probabilities"])
def test_what_the_likeliest_classes_leave_is_spread_by_the_mean_of_all_rows(tmp_path, kind):
    rows = [[0.5, 0.3, 0.2], [0.6, 0.4, 0.0], [0.2, 0.2, 0.6]] * 4
    given = [dict(zip(CLASSES, map(float, row), strict=True)) for row in rows] + [{"neg": 0.7}, {"mixed": 0.9}]
    told = [
        {name: (math.log(p) if p else -1e9) if kind == "log-probabilities" else p for name, p in row.items()}
        for row in given
    ]
    table = load(write_jsonl(tmp_path / "t.jsonl", told), outputs_are=kind)
    known = np.array([[row.get(name, 0) for name in CLASSES] for row in given])
    prior = known.sum(axis=0)
    found = softmax(in_file_order(table))
    assert_close(
        found[-2], [0.3 * prior[0] / (prior[0] + prior[2]), 0.7, 0.3 * prior[2] / (prior[0] + prior[2])], **OF_A_SHARE
    )
    assert_close(
        found[-1], [0.9, 0.1 * prior[1] / (prior[1] + prior[2]), 0.1 * prior[2] / (prior[1] + prior[2])], **OF_A_SHARE
    )
    assert (table.counts.completed, table.counts.normalised, table.counts.floored) == (2, 0, 4)


def test_an_empty_cell_of_several_columns_is_a_class_that_is_not_named(tmp_path):
    rows = [["a", "0.7", "0.3"], ["b", "0.9", ""], ["c", "", "0.2"], ["d", "0.5", "0.5"]]
    found = softmax(in_file_order(load(write_csv(tmp_path / "t.csv", ["text", "x", "y"], rows), "x", "y")))
    assert_close(found, [[0.7, 0.3], [0.9, 0.1], [0.8, 0.2], [0.5, 0.5]], **OF_A_SHARE)


def test_a_null_field_of_a_parquet_struct_is_a_class_that_is_not_named(tmp_path):
    table = pa.table({"text": list("abcd"), "answer": [{"x": 0.9, "y": None}, {"x": None, "y": 0.5}] * 2})
    pq.write_table(table, tmp_path / "t.parquet")
    found = softmax(in_file_order(load(tmp_path / "t.parquet")))
    assert_close(found, [[0.9, 0.1], [0.5, 0.5]] * 2, **OF_A_SHARE)


@pytest.mark.parametrize(
    "votes",
    [
        lambda row: row,
        json.dumps,
        str,
        lambda row: {name: row.count(name) for name in row},
        lambda row: {name: row.count(name) for name in CLASSES},
    ],
    ids=["list", "JSON", "Python", "counts", "all counts"],
)
@pytest.mark.parametrize(("smoothing", "share"), [(None, 1 / 3), (1.5, 0.5)])
def test_votes_are_smoothed_by_votes_that_the_classes_share(tmp_path, votes, smoothing, share):
    rows = [["pos", "pos", "neg"], ["neg"], ["mixed", "pos", "mixed", "mixed"], ["pos"] * 20] * 2
    table = load(write_jsonl(tmp_path / "t.jsonl", map(votes, rows)), outputs_are="votes", votes_smoothing=smoothing)
    counts = np.array([[row.count(name) for name in CLASSES] for row in rows]) + share
    assert_gives(table, counts / counts.sum(axis=1, keepdims=True))


def test_columns_of_counts_are_votes_too(tmp_path):
    counts = np.random.default_rng(0).integers(0, 5, (ROWS, 3))
    counts[:, 0] += 1
    path, entries = _columns(tmp_path, counts)
    wanted = (counts + 1 / 3) / (counts.sum(axis=1, keepdims=True) + 1)
    assert_gives(load(path, *entries, outputs_are="votes"), wanted)


def test_zeros_are_floored_sums_normalised_and_both_counted(tmp_path):
    rows = (
        [[0.5, 0.3, 0.2]] * 10
        + [[1.0, 0.0, 0.0]] * 3
        + [[50, 30, 20]] * 2
        + [[0.2, 0.2, 0.2]]
        + [[0.5, 0.3, 0.2005]] * 4
    )
    path, entries = _columns(tmp_path, np.array(rows))
    table = load(path, *entries)
    assert (table.counts.floored, table.counts.normalised, table.counts.completed) == (3, 3, 0)
    found = softmax(in_file_order(table))
    assert_close(found[10], np.array([1, FLOOR, FLOOR]) / (1 + 2 * FLOOR), **OF_A_SHARE)
    assert_close(found[13], [0.5, 0.3, 0.2], **OF_A_SHARE)
    assert_close(found[15], [1 / 3] * 3, **OF_A_SHARE)
    assert_close(in_file_order(table)[16:], np.log([[0.5, 0.3, 0.2005]] * 4), **OF_A_SHARE)


def test_a_floor_that_nothing_needs_changes_nothing(tmp_path):
    values = np.array([[1 - 2 * FLOOR, FLOOR, FLOOR]] * 4)
    path, entries = _columns(tmp_path, values)
    table = load(path, *entries)
    assert table.counts.floored == 0
    assert_gives(table, values)


def test_rows_without_an_answer_are_left_out_and_counted_and_never_made_up(tmp_path, capsys):
    answers = [{"a": 0.4, "b": 0.6}] * 6 + [None, "", "  ", {}, {"a": None}]
    table = load(write_jsonl(tmp_path / "t.jsonl", answers))
    assert "11 rows read, 5 dropped (5 missing teacher output), 6 kept" in capsys.readouterr().out
    assert len(in_file_order(table)) == 6
    votes = load(write_jsonl(tmp_path / "v.jsonl", [["a", "b"], ["b"], ["a"], [], [None]]), outputs_are="votes")
    assert len(in_file_order(votes)) == 3


def test_rows_without_a_label_are_kept_and_labels_without_an_answer_refused(tmp_path):
    answers = [{"a": 0.4, "b": 0.6}] * 8
    labels = ["a", "b", None, "", "a", "b", "b", "a"]
    table = load(write_jsonl(tmp_path / "t.jsonl", answers, label=labels), label_column="label")
    assert in_file_order(table, "labels").tolist() == [0, 1, -1, -1, 0, 1, 1, 0]
    labels[5] = "c"
    with pytest.raises(InputError, match=r"row 6 \(line 6\): column 'label': the label 'c' is none of the classes of"):
        load(write_jsonl(tmp_path / "t.jsonl", answers, label=labels), label_column="label")


def test_minus_one_is_a_class_where_the_answers_name_it_and_no_label_elsewhere(tmp_path):
    labels = [-1, 0, 1, -1]
    three = write_jsonl(tmp_path / "a.jsonl", [{"-1": 0.2, "0": 0.3, "1": 0.5}] * 4, label=labels)
    assert in_file_order(load(three, label_column="label"), "labels").tolist() == [0, 1, 2, 0]
    two = write_jsonl(tmp_path / "b.jsonl", [{"0": 0.5, "1": 0.5}] * 4, label=labels)
    assert in_file_order(load(two, label_column="label"), "labels").tolist() == [-1, 0, 1, -1]


def test_classes_are_balanced_only_where_every_row_has_a_label_and_every_class_rows(tmp_path, capsys):
    answers, labels = [{"a": 0.4, "b": 0.6}] * 20, ["a"] * 15 + ["b"] * 5
    path = write_jsonl(tmp_path / "t.jsonl", answers, label=labels)
    assert np.bincount(in_file_order(load(path, label_column="label", balance=True), "labels")).tolist() == [5, 5]
    assert "not balanced" not in capsys.readouterr().out
    cases = {"no row has a label": [None] * 20, "rows have no label": [None, *labels[1:]]}
    for reason, some in cases.items():
        path = write_jsonl(tmp_path / "t.jsonl", answers, label=some)
        assert len(in_file_order(load(path, label_column="label", balance=True))) == 20
        assert f"classes are not balanced: {reason}" in capsys.readouterr().out
    path = write_jsonl(tmp_path / "t.jsonl", [{**answer, "c": 0} for answer in answers], label=labels)
    assert load(path, label_column="label", balance=True).dataset.label_names == ("a", "b", "c")
    assert "classes are not balanced: the class 'c' has 0 labelled rows" in capsys.readouterr().out


def test_more_rows_times_classes_than_memory_has_room_for_are_refused(tmp_path, monkeypatch):
    path = write_jsonl(tmp_path / "t.jsonl", [["a"], ["b"], ["c"], ["a"]], label=["a", "b", "c", "a"])
    monkeypatch.setattr("teacher_export.data.output_logits.MOST_LOGITS", 12)
    load(path, outputs_are="votes")
    monkeypatch.setattr("teacher_export.data.output_logits.MOST_LOGITS", 11)
    with pytest.raises(InputError, match=r"at most 11 numbers.* got 4 rows of 3 classes; .*--max-rows 3"):
        load(path, outputs_are="votes")


def test_the_rows_are_those_that_are_drawn_without_the_answers(tmp_path):
    from teacher_export.data.dataset import load_dataset

    labels = [("neg", "pos")[i % 3 == 0] for i in range(ROWS)]
    answers = [dict(zip(("neg", "pos"), row, strict=True)) for row in probabilities(classes=2).tolist()]
    path = write_jsonl(tmp_path / "t.jsonl", answers, label=labels)
    options = {"max_rows": 20, "validation_fraction": 0.3, "balance": True, "train_fraction": 0.8}
    plain = load_dataset(DataConfig("table", (path,), text_column=("text",), label_column="label", **options))
    assert load(path, label_column="label", **options).dataset.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("cell", "kind", "message"),
    [
        (
            "-0.1",
            "probabilities",
            r"column 'y': expected a probability, at least 0, got -0.1; are these --outputs-are log-",
        ),
        ("nan", "probabilities", "column 'y': expected a finite number, got nan"),
        ("inf", "probabilities", "column 'y': expected a finite number, got inf"),
        ("high", "probabilities", "column 'y': expected a number, got 'high'"),
        ("nan", "logits", "column 'y': expected a finite number, got nan"),
        ("-inf", "logits", "column 'y': expected a finite number, got -inf"),
        ("1e39", "logits", r"column 'y': expected a number that float32 holds, got 1e\+39"),
        (
            "0.5",
            "log-probabilities",
            "column 'y': expected a log-probability, at most 0, got 0.5; are these --outputs-are logits",
        ),
        ("-2", "votes", "column 'y': expected a number of votes, at least 0, got -2"),
        ("", "logits", "expected a logit of every class, got none of 'y'"),
    ],
)
def test_a_number_that_is_no_answer_is_refused_with_its_row_and_column(tmp_path, cell, kind, message):
    rows = [["a", "-1" if kind in ("logits", "log-probabilities") else "1", "-1" if "log" in kind else "0"]] * 6
    rows[3] = ["b", rows[3][1], cell]
    path = write_csv(tmp_path / "t.csv", ["text", "x", "y"], rows)
    with pytest.raises(InputError, match=rf"t\.csv: row 4 \(line 5\): .*{message}"):
        load(path, "x", "y", outputs_are=kind)


@pytest.mark.parametrize(
    ("cells", "kind"), [(["0", "0"], "probabilities"), (["0", "0"], "votes"), (["-inf", "-inf"], "log-probabilities")]
)
def test_a_row_that_says_nothing_at_all_is_refused(tmp_path, cells, kind):
    other = ["a", "-0.7", "-0.7"] if "log" in kind else ["a", "1", "1"]
    path = write_csv(tmp_path / "t.csv", ["text", "x", "y"], [other, other, ["b", *cells], other])
    with pytest.raises(
        InputError, match=r"row 3 \(line 4\): columns 'x', 'y': expected a .* (above 0|above minus infinity)"
    ):
        load(path, "x", "y", outputs_are=kind)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            "pos",
            "probabilities",
            r"column 'answer': expected an object such as .* got 'pos'; numbers of one class each",
        ),
        (0.9, "probabilities", r"column 'answer': expected an object such as .*, got '0.9'"),
        (["pos", "neg"], "probabilities", "got a list, .*; a list of votes goes with --outputs-are votes"),
        ({"pos": "high"}, "probabilities", "column 'answer': 'pos': expected a number, got 'high'"),
        ({"pos": 0.5, "neg": -0.5}, "probabilities", "column 'answer: neg': expected a probability, at least 0"),
        ({"": 0.5}, "probabilities", "expected a class's name, got an empty one"),
        ({"1": 0.5, "1.0": 0.5}, "probabilities", r"expected each class once, got two names of one in \['1', '1.0'\]"),
        ({"pos": [0.5]}, "probabilities", "'pos': expected a number"),
        ([["pos"]], "votes", "expected a class's name, got list"),
        ({"x" * 1001: 1.0}, "probabilities", "expected a class's name of at most 1,000 characters, got 1,001"),
        ({"\ud83d": 1.0}, "probabilities", "half a surrogate pair"),
        ('{"pos": 0.5', "probabilities", "expected an object such as"),
        ("[('pos', 0.5), ()]", "probabilities", "expected an object such as .*, got a list"),
        ("[([1], 0.5)]", "probabilities", "expected each class's name once, got "),
        ("[('pos', 0.5), ('pos', 0.5)]", "probabilities", "expected each class's name once, got "),
        ("(" * 70_000, "probabilities", "expected an object such as"),
        ("-" * 60_000 + "1", "probabilities", "expected an object such as"),
    ],
)
def test_a_cell_of_another_form_is_refused_with_its_row(tmp_path, answer, kind, message):
    rows = [{"pos": 1.0, "neg": 0.0}] * 2 + [answer]
    with pytest.raises(InputError, match=rf"t\.jsonl: row 3 \(line 3\): .*{message}"):
        load(write_jsonl(tmp_path / "t.jsonl", rows), outputs_are=kind)


def test_more_classes_than_a_thousand_are_refused(tmp_path):
    path = write_jsonl(tmp_path / "t.jsonl", [{f"class {i}": 1.0} for i in range(1001)])
    with pytest.raises(InputError, match=r"row 1001 .*expected at most 1,000 classes in all rows, got more"):
        load(path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (("mixed", "neg", "poz"), "it has no column 'poz', only .*; did you mean 'pos'"),
        (("a=mixed", "b=neg", "c=poz"), "it has no column 'poz', only .*; did you mean 'pos'"),
        (("a=mixed", "a=neg"), "expected a column for each class, got two for one"),
        (("1=mixed", "1.0=neg"), "expected a column for each class, got two for one"),
        (("a=mixed",), "expected a column for each class, got one class"),
        (("mixed", "text"), "--teacher-outputs text: it is the text's or the label's column too"),
    ],
)
def test_columns_that_cannot_be_the_classes_are_refused(tmp_path, entries, message):
    path, _ = _columns(tmp_path, probabilities())
    with pytest.raises(InputError, match=message):
        load(path, *entries)


def test_one_class_alone_and_no_answer_at_all_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected answers of at least two classes, got pos"):
        load(write_jsonl(tmp_path / "t.jsonl", [{"pos": 1.0}] * 4))
    with pytest.raises(InputError, match="expected answers of at least two classes, got none"):
        load(write_jsonl(tmp_path / "t.jsonl", [None] * 4))


def test_texts_that_are_missing_are_left_out_as_ever(tmp_path, capsys):
    rows = [["a", 0.5, 0.5], ["", 0.5, 0.5], [" ", 0.5, 0.5], ["d", 0.5, 0.5]]
    table = load(write_csv(tmp_path / "t.csv", ["text", "x", "y"], rows), "x", "y")
    assert len(in_file_order(table)) == 2
    assert "2 dropped (1 missing text, 1 blank text), 2 kept" in capsys.readouterr().out


@pytest.mark.parametrize("low", [0, -30, -740, -745.2, -1e5])
def test_joint_log_probabilities_too_small_for_their_exponentials_differ_as_they_do(tmp_path, low):
    values = np.log([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]] * 4) + low
    path, entries = _columns(tmp_path, values)
    table = load(path, *entries, outputs_are="log-probabilities")
    assert table.counts.normalised == (8 if low else 0)
    assert_gives(table, np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]] * 4))


def test_minus_infinity_beside_a_small_log_probability_is_a_zero_beside_a_one(tmp_path):
    lines = [f'{{"text": "t{i}", "answer": {{"x": -800, "y": -Infinity}}}}' for i in range(4)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    found = softmax(in_file_order(load(tmp_path / "t.jsonl", outputs_are="log-probabilities")))
    assert_close(found, [[1 / (1 + FLOOR), FLOOR / (1 + FLOOR)]] * 4, **OF_A_SHARE)


@pytest.mark.parametrize("first", [[True, 1, "1", 1.0], [1, True, "1", 1.0]])
def test_true_is_another_class_than_1_whichever_comes_first(tmp_path, first):
    table = load(write_jsonl(tmp_path / "t.jsonl", [first, *[["1", "true"]] * 3]), outputs_are="votes")
    assert table.dataset.label_names == ("1", "true")
    assert_close(softmax(in_file_order(table))[0], [3.5 / 5, 1.5 / 5], **OF_A_SHARE)


@pytest.mark.parametrize("kind", ["probabilities", "votes"])
@pytest.mark.parametrize("empty", [[], {}, None])
def test_an_answer_without_a_class_is_no_answer(tmp_path, kind, empty):
    table = load(write_jsonl(tmp_path / "t.jsonl", [{"x": 1, "y": 2}] * 5 + [empty]), outputs_are=kind)
    assert len(in_file_order(table)) == 5


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("{'pos': 0x" + "f" * 6000 + ", 'neg': 1}", "expected an object"),
        ("0x" + "f" * 6000, "expected an object"),
        ("{0x" + "f" * 6000 + ": 1, 'neg': 1}", "expected an object"),
        ('{"pos": 0.1, "neg": 0.9, "pos": 0.7}', "each class's name once, got the name 'pos' twice"),
        ("{'pos': 0.1, 'neg': 0.9, 'pos': 0.7}", "each class's name once, got a name twice"),
    ],
    ids=["number", "alone", "name", "JSON", "Python"],
)
def test_a_cell_that_a_reader_takes_and_nobody_means_is_refused(tmp_path, cell, message):
    path = write_csv(tmp_path / "t.csv", ["text", "answer"], [["a", '{"pos": 0.4, "neg": 0.6}'], ["b", cell]])
    with pytest.raises(InputError, match=message):
        load(path)


def test_a_name_with_two_values_is_refused_in_a_file_of_objects_too(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"text": "a", "answer": {"x": 0.1, "y": 0.9, "x": 0.2}}\n')
    with pytest.raises(InputError, match="the name 'x' twice, with different values"):
        load(tmp_path / "t.jsonl")


def test_a_vote_for_a_fraction_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected a class's name, got the number 0\.25"):
        load(write_jsonl(tmp_path / "t.jsonl", [[0.25, 0.75]] * 4), outputs_are="votes")


def test_a_column_for_two_classes_is_refused(tmp_path):
    path, _ = _columns(tmp_path, probabilities())
    with pytest.raises(InputError, match="expected a column for each class, got one twice"):
        load(path, "pos=neg", "neg=neg")


def test_a_row_whose_label_is_missing_teaches_unless_an_answer_s_class_is_called_so(tmp_path, capsys):
    answers = [{"pos": 0.75, "neg": 0.25}] * 6
    labels = ["pos", "NA", "None", None, "", "neg"]
    table = load(write_jsonl(tmp_path / "t.jsonl", answers, gold=labels), label_column="gold")
    assert in_file_order(table, "labels").tolist() == [1, -1, -1, -1, -1, 0]
    assert "column 'gold': cells with 'NA' (1), 'None' (1) are taken for missing labels" in capsys.readouterr().err
    named = [{"pos": 0.5, "neg": 0.25, "None": 0.25}] * 6
    table = load(write_jsonl(tmp_path / "t.jsonl", named, gold=labels), label_column="gold")
    assert table.dataset.label_names == ("None", "neg", "pos")
    assert in_file_order(table, "labels").tolist() == [2, -1, 0, -1, -1, 1]
