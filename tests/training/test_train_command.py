"""``python -m distill_jax.train`` as a user runs it: what it writes, what it refuses, kills and Ctrl-C."""

import json
import os
import shlex
import shutil
import signal
import time

import jax
import numpy as np
import pytest

from command_lines import call, finish, refusal, start
from distill_jax.cache import CACHE_VARIABLE
from distill_jax.runs.checkpoints import has_checkpoint, load_snapshot
from distill_jax.runs.folder import read_run
from distill_jax.runs.weights import read_weights
from distill_jax.train import main
from distill_jax.training.fit import NonFiniteLossError
from tiny_export import write_tiny_export

# Long enough to be killed in the middle: 83 steps an epoch, in two chunks.
_LONG = ("--recipe", "notebook", "--distil", "--batch-size", "4", "--epochs", "12", "--embedding-dim", "8")
# The default recipe for an export whose teacher's table is 8 wide.
_NARROW = ("--embedding-dim", "8")
_NOTEBOOK = ("--recipe", "notebook")


@pytest.fixture(scope="module")
def environment(test_cache):
    return {**os.environ, CACHE_VARIABLE: str(test_cache)}


@pytest.fixture(scope="module")
def reference(tmp_path_factory, tiny_export, environment):
    """The folder of a run that was never stopped, and what it printed."""
    workdir = tmp_path_factory.mktemp("reference") / "run"
    process = start("distill_jax.train", "--export", tiny_export, "--workdir", workdir, *_LONG, env=environment)
    status, output, error = finish(process)
    assert status == 0, error
    return workdir, output


def _wait_for_epoch(process, workdir, epoch):
    """Wait until a run's history has a row for ``epoch``; fail where the process ends before."""
    history, deadline = workdir / "history.csv", time.monotonic() + 100
    while not (history.is_file() and history.read_text().count("\n") > epoch + 1):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no epoch ended"
        time.sleep(0.005)


def _assert_same_run(found, expected):
    assert (found / "history.csv").read_bytes() == (expected / "history.csv").read_bytes()
    assert (found / "test_predictions.npz").read_bytes() == (expected / "test_predictions.npz").read_bytes()
    jax.tree.map(np.testing.assert_array_equal, read_weights(found), read_weights(expected))


def test_it_writes_every_file_of_the_run_folder(reference, tiny_export):
    workdir, output = reference
    names = {"config.json", "history.csv", "metrics.json", "test_predictions.npz", "tokenizer.json"}
    names |= {"weights.npz", "sha256sums.txt", "checkpoints"}  # more epochs may be asked for
    assert {path.name for path in workdir.iterdir()} == names
    run = read_run(workdir)
    assert run.model == "CNN (distilled)"
    assert run.history["epoch"].tolist() == list(range(12))
    last = run.history.iloc[-1]
    for name in ("train_loss", "test_loss", "test_acc", "test_f1_macro"):
        assert run.metrics[name] == last[name]
    labels, predictions = run.predictions.labels, run.predictions.logits.argmax(axis=1)
    assert run.metrics["test_acc"] == (labels == predictions).mean()
    assert run.metrics["parameters"] == 64 * 8 + 8 * 100 * 12 + 300 + 300 * 3 + 3
    assert run.metrics["bytes"] == 4 * run.metrics["parameters"]
    assert (workdir / "tokenizer.json").read_bytes() == (tiny_export / "tokenizer.json").read_bytes()
    assert json.loads((workdir / "config.json").read_text())["train"]["alpha"] == 0
    for words in ("reading ", "330 training and 90 test rows", "before training: test accuracy", "CNN (distilled)",
                  "documents/s from raw text", f"python -m distill_jax.predict --run {workdir}"):  # fmt: skip
        assert words in output


def test_killed_in_the_middle_and_resumed_it_ends_bit_identical(tmp_path, reference, tiny_export, environment):
    workdir = tmp_path / "run"
    arguments = ("--export", tiny_export, "--workdir", workdir, *_LONG)
    process = start("distill_jax.train", *arguments, env=environment)
    _wait_for_epoch(process, workdir, 1)
    os.killpg(process.pid, signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    assert not (workdir / "metrics.json").exists()
    assert 0 < load_snapshot(workdir / "checkpoints").epoch < 12
    status, output, error = finish(start("distill_jax.train", *arguments, "--resume", env=environment))
    assert status == 0, error
    assert "going on from epoch" in output
    assert "before training" not in output
    _assert_same_run(workdir, reference[0])
    assert not list(workdir.rglob("*.tmp"))


def test_ctrl_c_saves_says_how_to_go_on_and_exits_130(tmp_path, reference, tiny_export, environment):
    workdir = tmp_path / "run"
    process = start("distill_jax.train", "--export", tiny_export, "--workdir", workdir, *_LONG, env=environment)
    _wait_for_epoch(process, workdir, 0)
    process.send_signal(signal.SIGINT)
    status, _, error = finish(process)
    assert status == 130, error
    assert "Traceback" not in error
    snapshot = load_snapshot(workdir / "checkpoints")
    assert 0 < snapshot.epoch < 12
    place = f"{snapshot.epoch + 1} up to step {snapshot.step}" if snapshot.step else str(snapshot.epoch)
    assert f"; epoch {place} is kept. Go on with:" in error
    program, *words = shlex.split(error.splitlines()[-1])
    assert program == "python"
    assert words[:2] == ["-m", "distill_jax.train"]
    process = start(words[1], *words[2:], env=environment)
    status, _, error = finish(process)
    assert status == 0, error
    _assert_same_run(workdir, reference[0])


def test_a_finished_run_is_not_trained_again(capsys, monkeypatch, reference, tiny_export):
    workdir, printed = reference
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}
    monkeypatch.setattr("distill_jax.training.run.fit", lambda *_, **__: pytest.fail("trained again"))
    status, output, _ = call(capsys, main, "--export", tiny_export, "--workdir", workdir, *_LONG)
    assert status == 0
    assert "holds this run already, finished" in output
    table = printed.split("CNN (distilled)")[-1].splitlines()[3]
    assert table in output
    assert {path: path.stat().st_mtime_ns for path in workdir.rglob("*")} == before


@pytest.fixture
def small_run(tmp_path, tiny_export, capsys):
    """A finished run of one epoch, and the arguments that made it."""
    arguments = ["--export", tiny_export, "--workdir", tmp_path / "run", *_NOTEBOOK, "--student", "fasttext"]
    arguments += ["--epochs", "1"]
    assert call(capsys, main, *arguments)[0] == 0
    return tmp_path / "run", arguments


def test_another_configuration_is_refused_and_overwrite_takes_its_place(capsys, small_run):
    workdir, arguments = small_run
    message = refusal(capsys, main, *arguments, "--learning-rate", "0.25")
    assert "it holds another run: its train.learning_rate is 0.5, this one's is 0.25" in message
    (workdir / "notes.txt").write_text("mine")
    before = (workdir / "history.csv").read_bytes()
    assert call(capsys, main, *arguments, "--learning-rate", "0.25", "--overwrite")[0] == 0
    assert (workdir / "history.csv").read_bytes() != before
    assert (workdir / "notes.txt").read_text() == "mine"


def test_other_vectors_under_the_same_name_are_another_run(capsys, tmp_path, tiny_export):
    vectors, numbers = tmp_path / "v.vec", " 1 0 2 0 1\n"
    words = [
        "--export",
        tiny_export,
        "--workdir",
        tmp_path / "run",
        *_NOTEBOOK,
        "--student",
        "fasttext",
    ]
    words += ["--epochs", "1", "--embedding-dim", "5", "--embeddings", vectors]
    vectors.write_text("w0" + numbers)
    assert call(capsys, main, *words)[0] == 0
    assert call(capsys, main, *words, "--resume")[0] == 0
    vectors.write_text("w1" + numbers)
    for further in ((), ("--resume",), ("--resume", "--seeds", "2")):
        assert "it holds another run: its embeddings_sha256 is" in refusal(capsys, main, *words, *further)
    vectors.unlink()
    assert call(capsys, main, *words, "--resume")[0] == 0  # it is finished, and asks for nothing


def test_an_unfinished_run_wants_resume(capsys, small_run):
    workdir, arguments = small_run
    (workdir / "metrics.json").unlink()
    assert "it holds this run, unfinished; give --resume" in refusal(capsys, main, *arguments)
    assert call(capsys, main, *arguments, "--resume")[0] == 0
    assert (workdir / "metrics.json").is_file()


def test_a_run_killed_before_its_first_checkpoint_is_resumed_from_the_start(capsys, small_run):
    workdir, arguments = small_run
    before = (workdir / "history.csv").read_bytes()
    for name in ("metrics.json", "history.csv", "test_predictions.npz", "tokenizer.json"):
        (workdir / name).unlink()
    shutil.rmtree(workdir / "checkpoints")
    assert call(capsys, main, *arguments, "--resume")[0] == 0
    assert (workdir / "history.csv").read_bytes() == before
    assert has_checkpoint(workdir / "checkpoints")


def test_further_epochs_that_diverge_leave_the_run_that_was_finished(capsys, small_run, monkeypatch):
    workdir, arguments = small_run
    before = {name: (workdir / name).read_bytes() for name in ("weights.npz", "history.csv", "test_predictions.npz")}

    def diverge(*_, **__):
        raise NonFiniteLossError("the loss became inf in epoch 2")

    with monkeypatch.context() as patched:
        patched.setattr("distill_jax.training.run.fit", diverge)
        assert "the loss became inf in epoch 2" in refusal(capsys, main, *arguments[:-1], "3", "--resume")
    assert call(capsys, main, *arguments, "--resume")[0] == 0
    assert {name: (workdir / name).read_bytes() for name in before} == before
    assert read_run(workdir).config["train"]["epochs"] == 1


def test_fewer_epochs_than_are_done_are_refused_and_leave_the_run_as_it_is(capsys, small_run, monkeypatch):
    workdir, arguments = small_run
    with monkeypatch.context() as patched:
        patched.setattr("distill_jax.training.run._finish", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            main([*map(str, arguments[:-1]), "2", "--resume"])
    sentence = refusal(capsys, main, *arguments, "--resume")
    assert "expected --epochs 2 or more, as far as its training has come, got 1; name another" in sentence
    assert call(capsys, main, *arguments[:-1], "2", "--resume")[0] == 0
    assert len(read_run(workdir).history) == 2


def test_more_epochs_go_on_with_a_finished_run(capsys, small_run):
    workdir, arguments = small_run
    assert call(capsys, main, *arguments[:-1], "2", "--resume")[0] == 0
    assert len(read_run(workdir).history) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs: expected a number at least 1 and at most 100,000, got 0"),
        (["--batch-size", "0"], "--batch-size: expected a number at least 1"),
        (["--learning-rate", "0"], "--learning-rate: expected a number more than 0"),
        (["--learning-rate", "nan"], "--learning-rate: expected a number more than 0 and at most 1e+06, got nan"),
        (["--learning-rate-decay", "1.5"], "--learning-rate-decay: expected a number more than 0 and at most 1"),
        (["--distil", "--alpha", "1.1"], "--alpha: expected a number at least 0 and at most 1, got 1.1"),
        (["--alpha", "0.5"], "--alpha goes with --distil"),
        (["--seed", "-1"], "--seed: expected a number at least 0"),
        (["--embedding-dim", "0"], "--embedding-dim: expected a number at least 1 and at most 65,536, got 0"),
        (["--dropout", "1"], "dropout: expected a number at least 0 and at most 0.99, got 1"),
        (["--resume", "--overwrite"], "--resume and --overwrite exclude each other"),
    ],
)
def test_options_out_of_range_are_one_sentence_and_leave_nothing(capsys, tmp_path, tiny_export, options, message):
    workdir = tmp_path / "run"
    assert message in refusal(capsys, main, "--export", tiny_export, "--workdir", workdir, *options)
    assert not workdir.exists()


def test_a_process_that_refuses_exits_2_without_a_traceback(tmp_path, environment):
    process = start("distill_jax.train", "--export", tmp_path / "none", cwd=tmp_path, env=environment)
    status, output, error = finish(process)
    assert (status, output) == (2, "")
    assert error == (
        f"error: export folder {tmp_path / 'none'}: there is no such folder; make one with python "
        "-m teacher_export, or name another with --export\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def bad_export(tmp_path):
    return write_tiny_export(tmp_path / "export", 40, 20)


def test_a_damaged_part_is_named_and_a_run_that_is_there_is_kept(capsys, tmp_path, bad_export):
    options = [*_NARROW, "--student", "fasttext", "--epochs", "1"]
    arguments = ["--export", bad_export, "--workdir", tmp_path / "run", *options]
    assert call(capsys, main, *arguments)[0] == 0
    path = bad_export / "test/part-00000.npz"
    path.write_bytes(path.read_bytes()[:-30])
    message = refusal(capsys, main, *arguments, "--overwrite")
    assert "test/part-00000.npz: its bytes do not match the manifest" in message
    assert (tmp_path / "run" / "metrics.json").is_file()
    refusal(capsys, main, *arguments[:2], "--workdir", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_export_that_has_not_ended_and_one_without_tokenizer(capsys, tmp_path, bad_export):
    (bad_export / "tokenizer.json").unlink()
    assert "it has no tokenizer.json" in refusal(capsys, main, "--export", bad_export, "--workdir", tmp_path / "run")
    (bad_export / "manifest.json").unlink()
    message = refusal(capsys, main, "--export", bad_export, "--workdir", tmp_path / "run")
    assert "it has no manifest.json, so its export has not ended" in message
    assert not (tmp_path / "run").exists()


def test_a_diverging_training_says_so_and_keeps_its_folder(capsys, tmp_path, tiny_export):
    options = [*_NOTEBOOK, "--student", "fasttext", "--distil", "--learning-rate", "1e5"]
    message = refusal(capsys, main, "--export", tiny_export, "--workdir", tmp_path / "run", *options)
    assert "in epoch 1, step " in message
    assert message.endswith("at learning rate 100000; try a lower --learning-rate (nothing is kept yet)")
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_workdir_that_cannot_be_written(capsys, tmp_path, tiny_export):
    (tmp_path / "file").write_text("")
    arguments = ["--export", tiny_export, *_NARROW, "--epochs", "1", "--workdir"]
    message = refusal(capsys, main, *arguments, tmp_path / "file" / "run")
    assert f"expected a folder, found a file ({tmp_path / 'file'}); name another" in message
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        assert "Permission denied" in refusal(capsys, main, *arguments, tmp_path / "closed" / "run")


def test_a_full_disk_is_one_sentence(capsys, tmp_path, tiny_export, monkeypatch):
    import errno

    def no_space(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("distill_jax.files.os.fsync", no_space)
    arguments = ["--export", tiny_export, "--workdir", tmp_path / "run", *_NARROW, "--epochs", "1"]
    message = refusal(capsys, main, *arguments)
    assert "no space left on the disk" in message
    assert [path for path in (tmp_path / "run").rglob("*") if path.is_file()] == []


def test_ctrl_c_before_the_first_step_says_how_to_go_on(capsys, tmp_path, tiny_export, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("distill_jax.training.run.predict_logits", interrupted)
    options = [*_NARROW, "--epochs", "1", "--student", "fasttext"]
    arguments = ["--export", tiny_export, "--workdir", tmp_path / "run", *options]
    status, _, error = call(capsys, main, *arguments)
    assert status == 130
    assert "interrupted; nothing is kept yet. Go on with:\n  python -m distill_jax.train" in error
    assert error.rstrip().endswith("--resume")
    monkeypatch.undo()
    assert call(capsys, main, *arguments, "--resume")[0] == 0


def test_the_default_workdir_is_named_after_the_export_and_the_student(capsys, tmp_path, tiny_export, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [*_NARROW, "--student", "fasttext", "--distil", "--epochs", "1"]
    assert call(capsys, main, "--export", tiny_export, *options)[0] == 0
    assert (tmp_path / "runs/tiny/fasttext-distil/metrics.json").is_file()
