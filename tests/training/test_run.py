"""A training called from Python: in any thread, in any folder, without a command line."""

import dataclasses
import os
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from distill_jax.config import TrainConfig
from distill_jax.errors import InputError, Interrupted
from distill_jax.files import temporary_beside
from distill_jax.formats.registry import load
from distill_jax.locks import lock_file
from distill_jax.report import ReportConfig, write_report
from distill_jax.runs.checkpoints import has_checkpoint, load_snapshot, save_checkpoint
from distill_jax.runs.folder import read_run
from distill_jax.runs.history import write_history
from distill_jax.runs.writer import tidy_run
from distill_jax.training.fit import NonFiniteLossError
from distill_jax.training.run import TrainRun, train_run
from distill_jax.training.run_data import TrainData
from distill_jax.training.seed_runs import train_seeds
from student_options import padding

_OPTIONS = {"embedding_dim": 6, **padding("fasttext", "masked")}


def _run(export, workdir, **changes):
    config = TrainConfig.notebook("fasttext", **{"epochs": 2, "batch_size": 8, **changes})
    return TrainRun(export, workdir, config, _OPTIONS)


def _interrupt(*_args, **_options):
    raise KeyboardInterrupt


def test_it_trains_in_a_thread_and_the_folder_s_name_is_quoted(tiny_export, tmp_path, capsys):
    workdir = tmp_path / "my run's folder"
    with ThreadPoolExecutor(1) as threads:
        threads.submit(train_run, _run(tiny_export, workdir)).result()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("predict with: ")]
    assert shlex.split(line)[-2:] == ["--run", str(workdir)]


def test_export_and_run_may_lie_in_folders_of_any_name(tiny_export, tmp_path):
    folder = tmp_path / os.fsdecode(b"-a [b*]\\c \xff")
    shutil.copytree(tiny_export, folder / "export")
    train_run(_run(folder / "export", tmp_path / "run"))
    expected = load(tmp_path / "run").predict_proba(["a good film"])
    shutil.move(tmp_path / "run", folder / "run")
    assert np.array_equal(load(folder / "run").predict_proba(["a good film"]), expected)
    page = write_report(ReportConfig(runs=(folder / "run",), title=folder.name))
    assert "[b*]\\c \\xff" in page.read_text(encoding="utf-8")
    assert (folder / "results.csv").read_bytes().decode()


def test_a_run_folder_that_orbax_cannot_write_is_refused_before_anything_is_written(tiny_export, tmp_path):
    workdir = tmp_path / os.fsdecode(b"run \xff")
    with pytest.raises(InputError, match=r"run folder .*run \\xff: expected a path in UTF-8"):
        train_run(_run(tiny_export, workdir))
    assert not workdir.exists()


@pytest.mark.parametrize("command", [(), ("--distil", "--export", "a folder")])
def test_an_interruption_says_how_to_go_on_and_never_reads_another_program_s_words(
    command, tiny_export, tmp_path, monkeypatch
):
    monkeypatch.setattr("sys.argv", ["a notebook", "--its-own", "words"])
    monkeypatch.setattr("distill_jax.training.run.fit", _interrupt)
    run = dataclasses.replace(_run(tiny_export, tmp_path / "run"), command=command)
    with pytest.raises(Interrupted) as caught:
        train_run(run)
    message = str(caught.value)
    assert "--its-own" not in message
    expected = "python -m distill_jax.train --distil --export 'a folder' --resume" if command else "resume=True"
    assert expected in message


@pytest.mark.parametrize("epochs_before", [0, 1, 2])
def test_a_training_that_diverges_says_which_epoch_is_kept(epochs_before, tiny_export, tmp_path, monkeypatch):
    plain = TrainConfig.learning_rate_at

    def too_high(config, epoch, fraction=0.0):
        return plain(config, epoch, fraction) if epoch < epochs_before else 1e6

    monkeypatch.setattr(TrainConfig, "learning_rate_at", too_high)
    with pytest.raises(NonFiniteLossError) as caught:
        train_run(_run(tiny_export, tmp_path / "run", distil=True, epochs=4))
    assert f"in epoch {epochs_before + 1}, step " in str(caught.value)
    checkpoints = tmp_path / "run/checkpoints"
    if epochs_before:
        assert str(caught.value).endswith(f"(epoch {epochs_before} is kept)")
        assert load_snapshot(checkpoints).epoch == epochs_before
    else:
        assert str(caught.value).endswith("(nothing is kept yet)")
        assert not has_checkpoint(checkpoints)


@pytest.mark.parametrize(
    ("where", "kept"),
    [("fit", "nothing is kept yet"), ("write_history", "epoch 1 is kept"), ("finish_run", "epoch 2 is kept")],
)
def test_an_interruption_anywhere_says_what_is_kept(where, kept, tiny_export, tmp_path, monkeypatch):
    run = _run(tiny_export, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(f"distill_jax.training.run.{where}", _interrupt)
        with pytest.raises(Interrupted, match=f"^interrupted; {kept}. Go on with:\n"):
            train_run(run)
    resumed = dataclasses.replace(run, resume=True)
    if where != "fit":
        with monkeypatch.context() as patch:
            patch.setattr("distill_jax.training.run.load_snapshot", _interrupt)
            with pytest.raises(Interrupted, match=r"^interrupted; the last checkpoint is kept\. Go on with:\n"):
                train_run(resumed)
    train_run(resumed)
    assert len(read_run(run.workdir).history) == 2


class _Kill(BaseException):
    """The process ends here."""


def _killed(*_args, **_options):
    raise _Kill


def test_a_kill_between_the_last_checkpoint_and_its_history_loses_no_epoch(tiny_export, tmp_path, monkeypatch):
    train_run(_run(tiny_export, tmp_path / "whole"))
    run = _run(tiny_export, tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr(
            "distill_jax.training.run.write_history",
            lambda path, frame: write_history(path, frame) if len(frame) < 2 else _killed(),
        )
        with pytest.raises(_Kill):
            train_run(run)
    train_run(dataclasses.replace(run, resume=True))
    history = [tmp_path / name / "history.csv" for name in ("whole", "killed")]
    assert history[0].read_bytes() == history[1].read_bytes()
    assert len(read_run(run.workdir).history) == 2


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_what_a_kill_at_the_very_end_leaves_goes_with_the_next_command(
    schedule, seeds, tiny_export, tmp_path, monkeypatch
):
    run = _run(tiny_export, tmp_path / "run", schedule=schedule, learning_rate_decay=1.0)
    folders = [run.workdir, run.workdir / "seed-1"][:seeds]
    with monkeypatch.context() as patch:
        patch.setattr("distill_jax.runs.writer.tidy_run", lambda *_: None)
        train_seeds(run, seeds)
    for folder in folders:
        snapshot = load_snapshot(folder / "checkpoints")
        save_checkpoint(folder / "checkpoints", snapshot)
        (folder / "checkpoints/1.orbax-checkpoint-tmp").mkdir()
        temporary_beside(folder / "weights.npz").write_bytes(b"half")
        lock_file(folder).write_text('{"process": 1')
    train_seeds(dataclasses.replace(run, resume=True), seeds)
    kept = ["2", "3"] if schedule == "step" else []  # more epochs may be asked for, or not
    for folder in folders:
        assert sorted(path.name for path in folder.glob("checkpoints/*")) == kept
        assert not list(folder.glob(".*"))
        assert not lock_file(folder).exists()
        read_run(folder)


def test_parameters_that_are_in_a_checkpoint_alone_stay(tiny_export, tmp_path, monkeypatch):
    run = _run(tiny_export, tmp_path / "run", schedule="cosine", learning_rate_decay=1.0)
    monkeypatch.setattr("distill_jax.runs.writer.tidy_run", lambda *_: None)
    train_run(run)
    (run.workdir / "weights.npz").unlink()  # as in a run of version 0.1
    tidy_run(run.workdir, run.train)
    assert load_snapshot(run.workdir / "checkpoints").epoch == 2


def test_steps_and_speed_count_the_rows_trained_on(tiny_export, tmp_path):
    run = _run(tiny_export, tmp_path / "run")
    data = TrainData(run.export, run.train, run.student)
    whole = data.train(0)
    labels = np.where(np.arange(len(whole)) % 3 == 0, whole.labels, -1)
    partly = dataclasses.replace(whole, labels=labels.astype(np.int32))
    data.train = lambda _seed: partly
    train_run(run, data)
    metrics = read_run(run.workdir).metrics
    rows = metrics["train_examples_per_second"] * metrics["train_seconds"] / 2
    assert rows == pytest.approx(110)


def test_a_training_that_stops_before_it_learns_says_so(tiny_export, tmp_path, capsys):
    train_run(_run(tiny_export, tmp_path / "stopped", learning_rate=1e-4))
    assert "the loss still falls: train longer (--epochs 4)" in capsys.readouterr().err
    assert read_run(tmp_path / "stopped").metrics["at_chance"] is True
    train_run(_run(tiny_export, tmp_path / "trained", learning_rate=2.0, epochs=6))
    assert "train longer" not in capsys.readouterr().err
    metrics = read_run(tmp_path / "trained").metrics
    assert (metrics["at_chance"], metrics["still_learns"]) == (False, False)


def test_of_many_epochs_some_have_a_checkpoint_and_the_last_one_has(tiny_export, tmp_path, monkeypatch):
    saved = []

    def save(folder, snapshot):
        saved.append(snapshot.epoch)
        save_checkpoint(folder, snapshot)

    monkeypatch.setattr("distill_jax.training.run.save_checkpoint", save)
    monkeypatch.setattr("distill_jax.training.run._MOST_CHECKPOINTS", 3)
    train_run(_run(tiny_export, tmp_path / "run", epochs=8))
    assert saved == [3, 6, 8]
    monkeypatch.setattr("distill_jax.training.run._MOST_SECONDS", 0)
    train_run(_run(tiny_export, tmp_path / "slow", epochs=2))
    assert saved == [3, 6, 8, 1, 2]
