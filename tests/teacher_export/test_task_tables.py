"""Tables of scores and of several labels a row: what each form of a cell means, and what is refused in one sentence."""

import dataclasses
import json

import numpy as np
import pytest

from distill_jax.errors import InputError
from teacher_export.config import ExportConfig
from teacher_export.data import output_logits, task_labels
from teacher_export.data.dataset import load_dataset
from teacher_export.data.task_rows import load_answered_task
from teacher_export.options.data import DataConfig
from teacher_export.options.table_teacher import TableTeacherConfig


def _data(path, rows, **options):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return DataConfig(dataset="table", data=(path,), text_column=("text",), **options)


def _by_text(dataset, what="labels"):
    """Return each text's label, or its teacher's logits, of all splits."""
    splits = dataset.splits.values()
    return {text: getattr(split, what)[row].tolist() for split in splits for row, text in enumerate(split.texts)}


def _rows(values, name="y", **further):
    return [{"text": f"text {index}", name: value, **further} for index, value in enumerate(values)]


def test_scores_are_numbers_and_what_is_missing_is_left_out(tmp_path):
    values = [1, 2.5, "3.25", " 4 ", "-1", 0, None, "", "NaN", "n/a"]
    dataset = load_dataset(_data(tmp_path / "d.jsonl", _rows(values), task="score", label_column="y"))
    assert _by_text(dataset) == {f"text {i}": value for i, value in enumerate([1, 2.5, 3.25, 4, -1, 0])}
    assert dataset.label_names == ("y",)


def test_an_empty_cell_of_separated_labels_has_none_of_them_in_csv_too_and_a_missing_one_is_left_out(tmp_path):
    cells = ["a;b", "", "NA", "None", "b", "null", "none;a"]
    path = tmp_path / "d.csv"
    path.write_text("text,y\n" + "".join(f"text {i},{cell}\n" for i, cell in enumerate(cells)))
    options = {"dataset": "table", "data": (path,), "text_column": ("text",), "label_column": "y"}
    asked = DataConfig(task="multi-label", label_separator=";", **options)
    dataset = load_dataset(asked)
    assert dataset.label_names == ("a", "b", "none")
    assert _by_text(dataset) == {"text 0": [1, 1, 0], "text 1": [0, 0, 0], "text 4": [0, 1, 0], "text 6": [1, 0, 1]}
    kept = dataclasses.replace(asked, keep_labels=("NA", "None"))
    assert load_dataset(kept).label_names == ("NA", "None", "a", "b", "none")


@pytest.mark.parametrize(
    "cells", [["a", "a;NA"], [["a"], ["a", "NaN"]], ["['a']", "['a', None]"], [["a"], ["a", None]]]
)
def test_a_missing_name_among_labels_is_refused_by_its_row(tmp_path, cells):
    separator = ";" if ";" in cells[1] else None
    config = _data(tmp_path / "d.jsonl", _rows(cells), task="multi-label", label_column="y", label_separator=separator)
    with pytest.raises(InputError, match=r"row 2 .*column 'y': expected a label's name, got"):
        load_dataset(config)


@pytest.mark.parametrize("wrong", ["good", True, [1], "inf", 1e300])
def test_a_score_that_is_no_number_is_refused_with_its_row(tmp_path, wrong):
    config = _data(tmp_path / "d.jsonl", _rows([1, 2, wrong]), task="score", label_column="y")
    with pytest.raises(InputError, match=r"row 3 .*column 'y': expected a finite number \(--task score\)"):
        load_dataset(config)


def test_lists_texts_with_a_separator_and_columns_of_0_and_1_are_the_same_labels(tmp_path):
    tags = [["b", "a"], ["a"], [], ["c", "b"], ["c"], ["a", "b", "c"]]
    forms = {
        "list": ([*tags], {"label_column": "y"}),
        "json": ([json.dumps(row) for row in tags], {"label_column": "y"}),
        "text": (["; ".join(row) for row in tags], {"label_column": "y", "label_separator": ";"}),
    }
    found = [
        load_dataset(_data(tmp_path / f"{name}.jsonl", _rows(values), task="multi-label", **options))
        for name, (values, options) in forms.items()
    ]
    columns = [{"text": f"text {i}", **{name: int(name in row) for name in "abc"}} for i, row in enumerate(tags)]
    config = _data(tmp_path / "columns.jsonl", columns, task="multi-label", label_columns=("a", "b", "c"))
    found.append(load_dataset(config))
    expected = {f"text {i}": [int(name in row) for name in "abc"] for i, row in enumerate(tags)}
    for dataset in found:
        assert dataset.label_names == ("a", "b", "c")
        assert _by_text(dataset) == expected
    assert len({dataset.fingerprint for dataset in found}) == 1


def test_a_row_without_a_list_is_left_out_and_one_with_an_empty_list_has_no_label(tmp_path):
    config = _data(tmp_path / "d.jsonl", _rows([["a"], None, [], ["a"]]), task="multi-label", label_column="y")
    assert _by_text(load_dataset(config)) == {"text 0": [1], "text 2": [0], "text 3": [1]}


def test_labels_in_a_text_without_a_separator_are_not_taken_for_one_label(tmp_path):
    config = _data(tmp_path / "d.jsonl", _rows(["a,b", "a"]), task="multi-label", label_column="y")
    with pytest.raises(InputError, match=r"expected a list of labels .* --label-separator"):
        load_dataset(config)


def test_a_column_of_0_and_1_holds_nothing_else(tmp_path):
    rows = [{"text": "x", "a": 1, "b": 0}, {"text": "y", "a": 2, "b": 0}]
    config = _data(tmp_path / "d.jsonl", rows, task="multi-label", label_columns=("a", "b"))
    with pytest.raises(InputError, match=r"row 2 .*column 'a': expected 0 or 1"):
        load_dataset(config)


def test_a_scale_of_many_steps_is_not_taken_for_classes(tmp_path):
    values = [round(0.1 * step, 1) for step in range(51)] * 2
    with pytest.raises(InputError, match=r"does not look like classes: 45 of its 51 .* --task score"):
        load_dataset(_data(tmp_path / "d.jsonl", _rows(values), label_column="y"))
    halves = [0.5 * step for step in range(1, 11)] * 3
    assert len(load_dataset(_data(tmp_path / "halves.jsonl", _rows(halves), label_column="y")).label_names) == 10


def test_a_list_is_not_taken_for_a_class(tmp_path):
    with pytest.raises(InputError, match="several labels a row are learnt with --task multi-label"):
        load_dataset(_data(tmp_path / "d.jsonl", _rows([["a"], ["b"]]), label_column="y"))


def test_a_teacher_s_scores_are_its_logits_as_they_are(tmp_path):
    rows = [{"text": f"t{i}", "y": i if i % 2 else None, "llm": i / 4} for i in range(10)]
    config = _data(tmp_path / "d.jsonl", rows, task="score", label_column="y")
    table = load_answered_task(config, TableTeacherConfig(teacher_outputs=("llm",), outputs_are="score"))
    assert _by_text(table.dataset, "teacher_logits") == {f"t{i}": [i / 4] for i in range(10)}
    unlabelled = {name for name, label in _by_text(table.dataset).items() if np.isnan(label)}
    assert unlabelled == {"t0", "t2", "t4", "t6", "t8"}


def test_each_label_has_its_own_probability_and_they_are_not_normalised(tmp_path):
    rows = [{"text": f"t{i}", "p": {"a": 0.9, "b": 0.8}} for i in range(9)] + [{"text": "t9", "p": {"b": 1.0}}]
    config = _data(tmp_path / "d.jsonl", rows, task="multi-label")
    table = load_answered_task(config, TableTeacherConfig(teacher_outputs=("p",)))
    logits = _by_text(table.dataset, "teacher_logits")
    assert logits["t0"] == pytest.approx(np.log([0.9 / 0.1, 0.8 / 0.2]).tolist(), rel=1e-5)
    assert logits["t9"][0] < -9  # not named: 0, raised to the floor
    assert np.isfinite(logits["t9"]).all()
    assert table.counts.floored == 1
    assert _by_text(table.dataset)["t0"] == [-1, -1]


@pytest.mark.parametrize("outputs", [("p",), ("a=pa", "b=pb")])
def test_a_label_without_a_probability_is_not_taken_for_an_unlikely_one(tmp_path, outputs):
    rows = [{"text": f"t{i}", "p": {"a": 0.9, "b": 0.8}, "pa": 0.9, "pb": 0.8} for i in range(9)]
    config = _data(tmp_path / "d.jsonl", [*rows, {"text": "t9", "p": {"a": None}}], task="multi-label")
    answered = load_answered_task(config, TableTeacherConfig(teacher_outputs=outputs))
    assert len(_by_text(answered.dataset)) == 9  # a row without any number has no answer
    gap = {"text": "t9", "p": {"a": None, "b": 0.2}, "pa": None, "pb": 0.2}
    config = _data(tmp_path / "gap.jsonl", [*rows, gap], task="multi-label")
    with pytest.raises(
        InputError, match=r"row 10 .*('a'|'pa'): expected a label's probability, 0 to 1, got none while"
    ):
        load_answered_task(config, TableTeacherConfig(teacher_outputs=outputs))
    words = {"text": "t9", "p": {"a": "likely", "b": "not"}, "pa": "likely", "pb": "not"}
    config = _data(tmp_path / "words.jsonl", [*rows, words], task="multi-label")
    with pytest.raises(InputError, match=r"row 10 .*('a'|'pa'): expected a number, got 'likely'"):
        load_answered_task(config, TableTeacherConfig(teacher_outputs=outputs))


@pytest.mark.parametrize("answered", [False, True])
def test_scores_that_float32_makes_alike_are_refused(tmp_path, answered):
    rows = [{"text": f"t{i}", "y": i if answered else 1.7e9 + i, "llm": 1.7e9 + i} for i in range(60)]
    config = _data(tmp_path / "d.jsonl", rows, task="score", label_column="y")
    teacher = TableTeacherConfig(teacher_outputs=("llm",), outputs_are="score")
    with pytest.raises(InputError, match=r"expected scores that float32 tells apart, got 17000000.*standard deviation"):
        load_answered_task(config, teacher) if answered else load_dataset(config)


def test_a_label_s_probability_lies_between_0_and_1(tmp_path):
    config = _data(tmp_path / "d.jsonl", [{"text": "x", "p": {"a": 1.2, "b": 0.1}}] * 3, task="multi-label")
    with pytest.raises(InputError, match=r"row 1 .*expected a label's probability, 0 to 1, got 1.2"):
        load_answered_task(config, TableTeacherConfig(teacher_outputs=("p",)))


@pytest.mark.parametrize(
    ("task", "outputs", "message"),
    [
        ("score", {"outputs_are": "probabilities"}, "--task score and --outputs-are score go together"),
        ("single-label", {"outputs_are": "score"}, "--task score and --outputs-are score go together"),
        ("multi-label", {"outputs_are": "votes"}, "expected --outputs-are probabilities, each label's own, or logits"),
    ],
)
def test_answers_of_another_task_are_refused(tmp_path, task, outputs, message):
    data = _data(tmp_path / "d.jsonl", _rows([1]), task=task)
    with pytest.raises(InputError, match=message):
        ExportConfig(data=data, table_teacher=TableTeacherConfig(teacher_outputs=("y",), **outputs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "score", "label_separator": ";"}, "--label-separator goes with --task multi-label"),
        ({"label_columns": ("a",)}, "--label-columns goes with --task multi-label"),
        ({"task": "multi-label", "label_columns": ("a",), "label_column": "y"}, "expected no --label-column"),
        ({"task": "multi-label", "label_column": "y", "label_separator": ""}, "expected what divides two labels"),
    ],
)
def test_options_that_do_not_go_with_the_task_are_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        _data(tmp_path / "d.jsonl", _rows([1]), **options)
    with pytest.raises(InputError, match="--task score goes with --dataset table"):
        DataConfig(task="score")


@pytest.mark.parametrize("asked", ["labels", "answers"])
def test_more_labels_than_memory_should_be_taken_for_are_refused_with_what_fits(tmp_path, monkeypatch, asked):
    """A row names few of many labels: in memory, it takes more than in the file by their number."""
    rows = [{"text": f"text {row}", "y": [f"l{row % 10}"], "p": {f"l{row % 10}": 0.9}} for row in range(40)]
    config = _data(tmp_path / "d.jsonl", rows, task="multi-label", label_column="y" if asked == "labels" else None)

    def load(most):
        limited = dataclasses.replace(config, max_rows=most)
        if asked == "labels":
            return load_dataset(limited)
        return load_answered_task(limited, TableTeacherConfig(("p",))).dataset

    monkeypatch.setattr(task_labels, "MOST_CELLS", 300)
    monkeypatch.setattr(output_logits, "MOST_LOGITS", 300)
    with pytest.raises(InputError, match=r"expected at most 300 .*40 rows of 10 .*--max-rows 30\)"):
        load(0)
    assert sum(map(len, load(30).splits.values())) == 30


def test_answers_are_the_same_however_many_rows_are_computed_at_once(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    answers = [{f"l{label}": float(rng.random()) for label in rng.permutation(9)[:4]} for _ in range(50)]
    config = _data(tmp_path / "d.jsonl", _rows(answers), task="multi-label")
    whole = load_answered_task(config, TableTeacherConfig(("y",)))
    monkeypatch.setattr(output_logits, "NUMBERS_AT_ONCE", 30)
    parts = load_answered_task(config, TableTeacherConfig(("y",)))
    assert (whole.fingerprint, whole.counts) == (parts.fingerprint, parts.counts)
    assert _by_text(whole.dataset, "teacher_logits") == _by_text(parts.dataset, "teacher_logits")


@pytest.mark.parametrize(
    "cell",
    [f"[0x{'f' * 5_000}]", f"['a'{', 1' * 30_000}]", f"{'[' * 90}'a'{']' * 90}", "{'a': 1, 'a': 2}", f"{'-' * 9_000}1"],
    ids=["a long number", "a long literal", "nested", "an object", "signs"],
)
def test_a_cell_that_no_reader_of_lists_reads_is_refused_by_its_row(tmp_path, cell):
    config = _data(tmp_path / "d.jsonl", _rows([["a"], ["b"], cell]), task="multi-label", label_column="y")
    with pytest.raises(InputError, match=r"row 3 .*column 'y': expected a (list of labels|label's name)"):
        load_dataset(config)
