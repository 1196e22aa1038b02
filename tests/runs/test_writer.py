import dataclasses
import json

import numpy as np
import pytest

import distill_jax as dj
from distill_jax.config import TrainConfig
from distill_jax.console import resume_command
from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.runs.folder import has_results, read_config, read_run
from distill_jax.runs.writer import begin_run, delete_run, prepare_run, run_config
from distill_jax.students.registry import student_config
from run_folders import record

STUDENT = student_config("cnn", vocab_size=64, num_labels=3)


def _config(export, student=STUDENT, **changes):
    return run_config(TrainConfig.notebook("cnn", **changes), student, export, read_manifest(export), {})


def _prepare(workdir, config, *, resume=False, overwrite=False):
    return prepare_run(workdir, config, resume=resume, overwrite=overwrite)


@pytest.fixture
def begun(tmp_path, tiny_export):
    """A run folder that a killed training left."""
    begin_run(tmp_path / "run", _config(tiny_export), (tiny_export / "tokenizer.json").read_bytes())
    return tmp_path / "run"


def _finish(workdir):
    for name in ("history.csv", "metrics.json", "test_predictions.npz", "weights.npz"):
        (workdir / name).write_text("{}")
    record(workdir)


def test_a_new_an_empty_and_a_killed_before_it_began_folder_are_new(tmp_path, tiny_export):
    config = _config(tiny_export)
    assert _prepare(tmp_path / "new", config) == "new"
    assert _prepare(tmp_path, config) == "new"
    (tmp_path / ".config.json.7-00ff00ff.tmp").write_text("{")
    assert _prepare(tmp_path, config) == "new"


def test_an_unfinished_run_wants_resume_or_overwrite(begun, tiny_export):
    config = _config(tiny_export)
    with pytest.raises(InputError, match="it holds this run, unfinished; give --resume to go on with it, or --overwr"):
        _prepare(begun, config)
    assert _prepare(begun, config, resume=True) == "resume"
    assert _prepare(begun, config, overwrite=True) == "overwrite"


def test_a_finished_run_is_done_and_more_epochs_go_on(begun, tiny_export):
    _finish(begun)
    assert _prepare(begun, _config(tiny_export)) == "done"
    assert _prepare(begun, _config(tiny_export), resume=True) == "done"
    (begun / "checkpoints" / "3").mkdir(parents=True)
    assert _prepare(begun, _config(tiny_export, epochs=9), resume=True) == "resume"
    with pytest.raises(InputError, match=r"its train.epochs is 5, this one's is 3"):
        _prepare(begun, _config(tiny_export, epochs=3), resume=True)


def test_a_run_from_before_there_was_a_transfer_share_is_still_the_same_run(begun, tiny_export):
    found = json.loads((begun / "config.json").read_text())
    del found["train"]["transfer_share"]
    (begun / "config.json").write_text(json.dumps(found))
    assert _prepare(begun, _config(tiny_export), resume=True) == "resume"


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("changes", "student", "message"),
    [
        ({"learning_rate": 0.01}, STUDENT, "its train.learning_rate is 0.001, this one's is 0.01"),
        ({"distil": True}, STUDENT, "its train.distil is False, this one's is True"),
        ({"seed": 3}, STUDENT, "its train.seed is 0, this one's is 3"),
        ({}, dataclasses.replace(STUDENT, dropout=0.1), "its student.dropout is 0.5, this one's is 0.1"),
        ({}, dataclasses.replace(STUDENT, filter_heights=(3, 4)), r"its student.filter_heights is \[3, 4, 5\]"),
    ],
)
def test_another_run_is_not_overwritten(begun, tiny_export, changes, student, message, resume):
    config = _config(tiny_export, student, **changes)
    with pytest.raises(InputError, match=message + ".*name another with --workdir, or give --overwrite"):
        _prepare(begun, config, resume=resume)
    assert _prepare(begun, config, overwrite=True) == "overwrite"


def test_a_run_of_another_export_is_not_gone_on_with(begun, tmp_path):
    from tiny_export import write_tiny_export

    other = write_tiny_export(tmp_path / "other", 40, 20)
    with pytest.raises(InputError, match=r"its export.fingerprint is '[0-9a-f]{64}', this one's is"):
        _prepare(begun, _config(other), resume=True)


def test_resume_and_overwrite_exclude_each_other(begun, tiny_export):
    with pytest.raises(InputError, match="--resume and --overwrite exclude each other"):
        _prepare(begun, _config(tiny_export), resume=True, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "files",
    [
        {"thesis.txt": "years of work"},
        # A teacher's folder looks like this: it must not be taken for a run and deleted.
        {"config.json": '{"architectures": ["DistilBert"]}', "tokenizer.json": "{}"},
        {"config.json": "no JSON", "tokenizer.json": "{}"},
    ],
)
def test_files_that_are_no_run_s_are_never_touched(tmp_path, tiny_export, files, overwrite):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="expected an empty folder or a run, found other files; name another"):
        _prepare(tmp_path, _config(tiny_export), overwrite=overwrite)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_overwrite_deletes_a_run_s_files_and_no_others(begun):
    _finish(begun)
    (begun / "checkpoints" / "3").mkdir(parents=True)
    (begun / "history.csv").write_text("")
    (begun / "test_predictions.npz").write_text("")
    (begun / ".history.csv.12.tmp").write_text("")
    (begun / "notes.txt").write_text("mine")
    (begun / "plots").mkdir()
    delete_run(begun)
    assert sorted(path.name for path in begun.iterdir()) == ["notes.txt", "plots"]


def test_a_run_killed_after_its_configuration_still_gets_its_tokenizer(begun, tiny_export):
    (begun / "tokenizer.json").unlink()
    assert _prepare(begun, _config(tiny_export), resume=True) == "resume"
    begin_run(begun, _config(tiny_export), (tiny_export / "tokenizer.json").read_bytes())
    assert (begun / "tokenizer.json").read_bytes() == (tiny_export / "tokenizer.json").read_bytes()


def test_the_configuration_holds_what_repeats_the_run(begun, tiny_export):
    config = read_config(begun)
    assert config == json.loads(json.dumps(_config(tiny_export)))
    assert config["train"]["learning_rate"] == 0.001
    assert config["export"]["label_names"] == ["bad", "fair", "good"]
    assert config["export"]["max_length"] == 24


def test_the_teacher_s_speed_is_kept_where_it_is_known(tiny_export):
    manifest = read_manifest(tiny_export)
    config = run_config(TrainConfig.notebook("cnn"), STUDENT, tiny_export, manifest, {"documents_per_second": 330.0})
    assert config["export"]["teacher"]["documents_per_second"] == 330.0
    assert "documents_per_second" not in manifest.teacher


def test_the_command_that_goes_on_can_be_pasted():
    words = ["--export", "my exports/demo", "--overwrite", "--distil"]
    expected = "python -m distill_jax.train --export 'my exports/demo' --distil --resume"
    assert resume_command("distill_jax.train", words) == expected
    assert resume_command("distill_jax.train", ["--resume", "--distil"]).count("--resume") == 1


def test_finish_run_writes_the_metrics_and_then_the_record_last(begun, tiny_examples, monkeypatch):
    from distill_jax.runs.folder import read_predictions
    from distill_jax.runs.writer import finish_run

    (_, test), folder = tiny_examples, begun
    for name in ("history.csv", "weights.npz"):
        (folder / name).write_text("")
    logits = np.zeros((90, 3), np.float64)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("distill_jax.runs.writer.np.savez", interrupted)
        with pytest.raises(KeyboardInterrupt):
            finish_run(folder, TrainConfig.notebook("cnn"), {"accuracy": 1.0}, logits, test)
    assert not (folder / "metrics.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr("distill_jax.runs.writer.record_files", interrupted)
        with pytest.raises(KeyboardInterrupt):
            finish_run(folder, TrainConfig.notebook("cnn"), {"accuracy": 1.0}, logits, test)
    assert (folder / "metrics.json").exists()
    assert not has_results(folder)
    finish_run(folder, TrainConfig.notebook("cnn"), {"accuracy": 1.0}, logits, test)
    assert has_results(folder)
    assert json.loads((folder / "metrics.json").read_text()) == {"accuracy": 1.0}
    predictions = read_predictions(folder / "test_predictions.npz", 3)
    np.testing.assert_array_equal(predictions.teacher_logits, test.teacher_logits)
    np.testing.assert_array_equal(predictions.labels, test.labels)


@pytest.mark.parametrize("lost", ["sha256sums.txt", "nothing"])
def test_a_finished_run_with_nothing_to_go_on_from_is_never_begun_again_by_resume(begun, tiny_export, lost):
    _finish(begun)
    (begun / lost).unlink(missing_ok=True)
    epochs = {"epochs": 9} if lost == "nothing" else {}
    with pytest.raises(InputError, match="it holds a finished training and no checkpoint to go on from"):
        _prepare(begun, _config(tiny_export, **epochs), resume=True)
    assert (begun / "weights.npz").exists()


HERE = {"processor": "a processor", "processors": 2, "device": "cpu", "jax": "0.10.2"}


def _on(export, student=STUDENT, **changes):
    name = student.name
    manifest = read_manifest(export)
    return run_config(TrainConfig.notebook(name), student, export, manifest, {}, {**HERE, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"processor": "another"}, "it was computed with the processor 'a processor', here it is 'another'"),
        ({"processors": 1}, "it was computed with as many processors as 2, here it is 1"),
        ({"device": "NVIDIA H100"}, "it was computed with the device 'cpu', here it is 'NVIDIA H100'"),
        ({"jax": "0.11.0"}, "it was computed with jax '0.10.2', here it is '0.11.0'"),
        (
            {"environment": {"NPROC": "16"}},
            "it was computed with the environment's variables {}, here it is {'NPROC': '16'}",
        ),
    ],
)
def test_going_on_where_other_bits_would_come_of_it_is_refused_or_asked_for(tmp_path, tiny_export, changes, message):
    run, here, there = tmp_path / "run", _on(tiny_export), _on(tiny_export, **changes)
    begin_run(run, here, (tiny_export / "tokenizer.json").read_bytes())
    assert _prepare(run, here, resume=True) == "resume"
    with pytest.raises(InputError, match=f"{message}.*; go on there, or accept it with --resume-elsewhere"):
        _prepare(run, there, resume=True)
    assert _prepare(run, there, overwrite=True) == "overwrite"
    assert prepare_run(run, there, resume=True, overwrite=False, elsewhere=True) == "resume"
    begin_run(run, there, (tiny_export / "tokenizer.json").read_bytes())
    assert read_config(run)["computed_on"] == [HERE, {**HERE, **changes}]
    begin_run(run, there, (tiny_export / "tokenizer.json").read_bytes())
    assert len(read_config(run)["computed_on"]) == 2
    assert _prepare(run, there, resume=True) == "resume"


def test_the_linear_student_goes_on_with_any_processors(tmp_path, tiny_export):
    linear = student_config("fasttext", vocab_size=64, num_labels=3)
    begin_run(tmp_path / "run", _on(tiny_export, linear), (tiny_export / "tokenizer.json").read_bytes())
    there = _on(tiny_export, linear, processor="another", processors=64)
    assert _prepare(tmp_path / "run", there, resume=True) == "resume"
    with pytest.raises(InputError, match="with the device"):
        _prepare(tmp_path / "run", _on(tiny_export, linear, device="NVIDIA H100"), resume=True)


def test_a_finished_run_is_done_wherever_it_is_asked_for(begun, tiny_export):
    begin_run(begun, _on(tiny_export), (tiny_export / "tokenizer.json").read_bytes())
    _finish(begun)
    assert _prepare(begun, _on(tiny_export, processors=1), resume=True) == "done"


def test_to_go_on_elsewhere_is_to_go_on(tmp_path, tiny_export):
    with pytest.raises(InputError, match="--resume-elsewhere goes with --resume, got it alone"):
        prepare_run(tmp_path / "run", _on(tiny_export), resume=False, overwrite=False, elsewhere=True)


def test_a_saved_student_is_no_training_to_go_on_with(tiny_runs, tmp_path, tiny_export):
    saved = dj.save(dj.load(tiny_runs["cnn"]), tmp_path / "saved")
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    config = read_config(saved)
    for resume in (True, False):
        with pytest.raises(InputError, match="saved or converted, and no training to go on with"):
            _prepare(saved, config, resume=resume)
    with pytest.raises(InputError, match="saved or converted, without a training's results"):
        read_run(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert _prepare(saved, config, overwrite=True) == "overwrite"
