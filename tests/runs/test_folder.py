import json
import math
import re
import shutil

import numpy as np
import pytest

import distill_jax as dj
from distill_jax.errors import InputError, MissingInputError
from distill_jax.runs import folder as run_folder
from distill_jax.runs.folder import has_results, is_run, read_config, read_run
from run_folders import LABELS, record, write_run

PREDICTED = (0, 0, 1, 1, 2, 0, 1, 2, 0, 1)


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "cnn", PREDICTED)


def change_arrays(folder, **changes):
    path = folder / run_folder.TEST_PREDICTIONS
    with np.load(path) as arrays:
        kept = {**arrays, **changes}
    np.savez(path, **{name: array for name, array in kept.items() if array is not None})


def change_json(path, **changes):
    value = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: item for name, item in value.items() if item is not None}))


def test_a_run_is_read_whole(folder):
    run = read_run(folder)
    assert (run.folder, run.model, run.label_names) == (folder, "CNN", ["bad", "fair", "good"])
    assert run.config["train"]["student"] == "cnn"
    assert run.metrics["epochs_done"] == 2
    assert list(run.history.columns) == list(run_folder.HISTORY_COLUMNS)
    assert run.history["test_f1_macro"].tolist() == [0.3, 0.4]
    assert run.predictions.labels.tolist() == list(LABELS)
    assert run.predictions.logits.argmax(axis=1).tolist() == list(PREDICTED)


def test_numbers_of_the_history_that_are_not_finite_stay_so(folder):
    path = folder / run_folder.HISTORY
    path.write_text(path.read_text().replace("0.4,CNN", ",CNN").replace("0.3,CNN", "nan,CNN"))
    record(folder)
    assert all(math.isnan(value) for value in read_run(folder).history["test_f1_macro"])


@pytest.mark.parametrize("epoch", ["", "nan", "inf", "-1", "1.5", "1e300", "1"])
def test_epochs_that_are_no_whole_numbers_or_do_not_ascend_are_refused(folder, epoch):
    path = folder / run_folder.HISTORY
    header, first, *_ = path.read_text().splitlines()
    scores = first.partition(",")[2]
    path.write_text(f"{header}\n1,{scores}\n{epoch},{scores}\n")
    record(folder)
    with pytest.raises(InputError, match=r"history.csv: row 2: epoch: expected whole numbers that ascend, got"):
        read_run(folder)


def test_a_history_without_a_name_is_read(folder):
    path = folder / run_folder.HISTORY
    path.write_text(path.read_text().replace("CNN", ""))
    record(folder)
    assert len(read_run(folder).history) == 2


def test_a_name_that_no_chart_has_room_for_is_refused(folder):
    path = folder / run_folder.HISTORY
    path.write_text(path.read_text().replace("CNN", "x" * 1_001))
    record(folder)
    with pytest.raises(InputError, match=r"history.csv: model: expected a name of at most 1,000 characters, got 1,001"):
        read_run(folder)


def test_is_run_tells_runs_from_other_folders(folder, tmp_path):
    assert is_run(folder)
    assert not is_run(tmp_path)
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "config.json").write_text('{"model_type": "distilbert"}')
    assert not is_run(teacher)
    (folder / run_folder.CONFIG).write_text("{")  # broken, and a run all the same
    assert is_run(folder)


def test_missing_folders_and_foreign_ones_are_refused(tmp_path):
    with pytest.raises(MissingInputError, match="there is no such folder"):
        read_run(tmp_path / "none")
    with pytest.raises(MissingInputError, match=r"it has no config\.json, so it holds no run"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", [run_folder.METRICS, run_folder.HISTORY, run_folder.TEST_PREDICTIONS])
def test_a_run_whose_training_has_not_ended_is_refused_with_the_remedy(folder, name):
    assert has_results(folder)
    (folder / name).unlink()
    assert not has_results(folder)
    with pytest.raises(InputError, match=f"it has no {name} yet, so its training has not ended.*--resume"):
        read_run(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (run_folder.CONFIG, "{", r"run configuration .*config\.json: expected JSON"),
        (run_folder.CONFIG, "[]", "expected a JSON object, got list"),
        (run_folder.METRICS, "no", r"run metrics .*metrics\.json: expected JSON"),
        (run_folder.METRICS, '{"epochs_done": 1, "parameters": "x"}', "parameters: expected a whole number, got 'x'"),
        (run_folder.METRICS, '{"epochs_done": 1}', "missing field 'parameters'"),
        (run_folder.HISTORY, "", r"history .*history\.csv: expected a CSV file"),
        (run_folder.HISTORY, "epoch,model\n0,CNN\n", "missing column 'train_loss'; it has epoch, model"),
        (run_folder.HISTORY, ",".join(run_folder.HISTORY_COLUMNS) + "\n", "expected a row an epoch, got none"),
        (
            run_folder.HISTORY,
            ",".join(run_folder.HISTORY_COLUMNS) + "\n0,1,1,1,1,1,1,CNN\n1,1,1,1,1,high,1,CNN\n",
            "row 2: test_acc: expected a number, got 'high'",
        ),
        (run_folder.TEST_PREDICTIONS, "PK", r"test predictions .*: expected a NumPy \.npz file"),
        (run_folder.TEST_PREDICTIONS, "", r"test predictions .*: expected a NumPy \.npz file"),
    ],
)
def test_a_broken_file_is_refused_by_name(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_run(folder)


def test_a_bare_array_in_place_of_the_archive_is_refused(folder):
    with (folder / run_folder.TEST_PREDICTIONS).open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(InputError, match=r"expected a NumPy \.npz file"):
        read_run(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 4}, "format_version is 4, this program reads versions 1 to 3"),
        ({"format_version": None}, "format_version is None"),
        ({"train": None}, "missing field 'train'"),
        ({"train": {"student": "cnn", "distil": "yes"}}, "train: distil: expected true or false, got 'yes'"),
        ({"export": {"name": "x", "teacher": {}, "label_names": ["one"]}}, "expected at least two strings, got"),
        ({"export": {"name": "x", "label_names": ["a", "b"]}}, "export: missing field 'teacher'"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_by_field(folder, changes, message):
    change_json(folder / run_folder.CONFIG, **changes)
    with pytest.raises(InputError, match=message):
        read_run(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logits": np.zeros((10, 2), np.float32)}, r"logits: expected float32 \[10, 3\], got float32 \[10, 2\]"),
        ({"teacher_logits": np.zeros((9, 3), np.float32)}, r"teacher_logits: expected float32 \[10, 3\]"),
        ({"labels": np.zeros(10, np.int64)}, r"labels: expected int32 \[10\], got int64 \[10\]"),
        ({"labels": np.full(10, 3, np.int32)}, r"labels \(row 0\): expected -1 to 2, got 3"),
        ({"logits": np.full((10, 3), np.nan, np.float32)}, r"logits \(row 0\): expected finite numbers"),
        ({"example_ids": None}, "missing array example_ids"),
        ({"logits": np.array([None])}, "expected plain arrays without pickles"),
    ],
)
def test_a_wrong_array_is_refused_by_name_and_shape(folder, changes, message):
    change_arrays(folder, **changes)
    with pytest.raises(InputError, match=message):
        read_run(folder)


@pytest.mark.parametrize(
    ("place", "changes", "message"),
    [
        ("export", {"label_names": ["a", "b"]}, "student: num_labels: expected 2, the export's, got 3"),
        ("export", {"label_names": list("abcdef")}, "student: num_labels: expected 6, the export's, got 3"),
        ("export", {"label_names": ["a"] * 3}, "label_names: expected different names"),
        ("export", {"vocab_size": 1000}, "student: vocab_size: expected 1000, the export's, got 64"),
        ("student", {"vocab_size": 1000}, "student: vocab_size: expected 64, the export's, got 1000"),
        ("student", {"pad_id": 7}, "student: pad_id: expected 0, the export's, got 7"),
    ],
)
def test_a_configuration_of_two_runs_is_refused(tiny_runs, tmp_path, place, changes, message):
    folder = shutil.copytree(tiny_runs["fasttext"], tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config[place] |= changes
    (folder / "config.json").write_text(json.dumps(config))
    record(folder)  # as if it had been written so
    for read in (read_config, read_run, dj.load):
        with pytest.raises(InputError, match=re.escape(message)):
            read(folder)
