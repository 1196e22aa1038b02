"""A run's files are those that its training wrote, to the bit, or it is refused."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bit_flips import flip_bits
from distill_jax.checksums import CHECKSUMS, read_checksums, record_files
from distill_jax.config import TrainConfig
from distill_jax.errors import InputError, Interrupted
from distill_jax.inference.predictor import Predictor
from distill_jax.reporting.table import build_table
from distill_jax.runs.checkpoints import load_params, load_snapshot
from distill_jax.runs.config import student_of, training_of
from distill_jax.runs.folder import read_config, read_run
from distill_jax.runs.seed_scores import SeedScores, Spread, read_seeds, write_seeds
from distill_jax.runs.weights import write_weights
from distill_jax.students.params import flat_params
from distill_jax.training.run import TrainRun, train_run
from run_folders import record
from tiny_export import tiny_texts


@pytest.fixture
def run(tiny_runs, tmp_path):
    return shutil.copytree(tiny_runs["fasttext"], tmp_path / "run")


def _answers(folder, texts):
    """Return a function to all that a finished run answers: its predictions, and its line in a report."""

    def answer():
        predictor = Predictor.load(folder)
        row = build_table([read_run(folder)]).students[0]
        figures = (row.accuracy, row.macro_f1, row.parameters, row.bytes, row.epochs_done, row.student, row.distilled)
        return predictor.label_names, predictor.logits(texts).tobytes(), figures

    return answer


def test_a_flipped_bit_in_a_finished_run_is_refused_or_changes_no_answer(run):
    files = [path for path in run.iterdir() if path.is_file()]  # of the checkpoints beside them nothing is read
    outcomes = flip_bits(run, _answers(run, tiny_texts(8, 5)[0]), 250, files=sorted(files))
    assert outcomes["refused"] > 200


def test_the_record_is_what_sha256sum_reads(run):
    assert set(read_checksums(run)) == {path.name for path in run.iterdir() if path.is_file()} - {CHECKSUMS}
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", CHECKSUMS], cwd=run, check=True)


@pytest.mark.parametrize("name", ["weights.npz", "tokenizer.json", "config.json"])
def test_a_file_of_another_run_is_refused(run, tiny_export, tmp_path, name):
    other = shutil.copytree(run, tmp_path / "other")
    content = (other / name).read_bytes()
    (run / name).write_bytes(content if name == "weights.npz" else content + b"\n")
    if name == "weights.npz":
        weights = dict(np.load(other / name))
        np.savez(run / name, **{key: array + 1 for key, array in weights.items()})
    with pytest.raises(InputError, match=f"{name} is not the file that was written"):
        Predictor.load(run)


def test_a_record_that_is_gone_or_damaged_is_refused(run):
    whole = (run / CHECKSUMS).read_text()
    for text in (
        "",
        "no digest\n",
        whole.replace("  ", " "),
        whole + whole,
        whole.replace("config.json", "../config.json"),
    ):
        (run / CHECKSUMS).write_text(text)
        with pytest.raises(InputError, match=f"checksums {run / CHECKSUMS}: "):
            Predictor.load(run)
    (run / CHECKSUMS).unlink()
    with pytest.raises(InputError, match=r"has no line for config\.json, so it was not written with the others"):
        Predictor.load(run)


def test_a_run_whose_results_are_not_recorded_has_not_ended(run):
    lines = (run / CHECKSUMS).read_text().splitlines(keepends=True)
    (run / CHECKSUMS).write_text("".join(line for line in lines if "metrics.json" not in line))
    with pytest.raises(InputError, match=r"it has no whole sha256sums\.txt yet, so its training has not ended"):
        read_run(run)


def test_weights_that_are_not_finite_are_refused(run):
    weights = dict(np.load(run / "weights.npz"))
    weights["output.bias"][0] = np.inf
    np.savez(run / "weights.npz", **weights)
    record_files(run, "weights.npz")
    with pytest.raises(InputError, match=r"parameter output\.bias: expected finite numbers"):
        Predictor.load(run)


@pytest.fixture
def unfinished(tiny_export, tmp_path, monkeypatch):
    """A run that was stopped after its first epoch."""

    def stop(*_, **__):
        raise KeyboardInterrupt

    train = TrainConfig.notebook("fasttext", distil=True, epochs=2, batch_size=8)
    run = TrainRun(tiny_export, tmp_path / "unfinished", train, {"embedding_dim": 8})
    with monkeypatch.context() as patch:
        patch.setattr("distill_jax.training.run.write_weights", stop)
        with pytest.raises(Interrupted):
            train_run(run)
    return run


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what the storage library leaves behind
def test_a_flipped_bit_in_a_checkpoint_is_refused_or_changes_nothing(unfinished):
    folder = unfinished.workdir / "checkpoints"

    def answer():
        snapshot = load_snapshot(folder)
        arrays = [*flat_params(load_params(folder)).values(), *snapshot.opt_state, snapshot.history, snapshot.losses]
        return snapshot.epoch, snapshot.step, snapshot.seconds, [np.asarray(array).tobytes() for array in arrays]

    latest = folder / str(max(int(path.name) for path in folder.iterdir()))
    files = sorted(path for path in latest.rglob("*") if path.is_file())
    outcomes = flip_bits(folder, answer, 60, files=files)
    assert outcomes["refused"] > 10


def test_checkpoints_of_another_student_are_refused(unfinished, tiny_runs, tmp_path):
    folder = unfinished.workdir / "checkpoints"
    other = dataclasses.replace(
        unfinished, workdir=tmp_path / "other", student={"embedding_dim": 9}, train=unfinished.train
    )
    train_run(other)
    shutil.rmtree(folder)
    shutil.copytree(other.workdir / "checkpoints", folder)
    with pytest.raises(
        InputError, match=r"parameter embeddings: expected float32 \[64, 8\] \(config.json\), got float32 \[64, 9\]"
    ):
        train_run(dataclasses.replace(unfinished, resume=True))


def test_a_run_killed_before_its_record_was_whole_goes_on_to_the_same_files(unfinished, tiny_export, tmp_path):
    train_run(dataclasses.replace(unfinished, resume=True))
    whole = dataclasses.replace(unfinished, workdir=tmp_path / "whole")
    train_run(whole)
    for name in ("weights.npz", "history.csv"):
        assert (unfinished.workdir / name).read_bytes() == (whole.workdir / name).read_bytes()
    record(unfinished.workdir)


def test_a_kill_between_the_weights_record_and_the_weights_leaves_a_run_that_predicts(unfinished, monkeypatch):
    texts = tiny_texts(4, 5)[0]
    before = Predictor.load(unfinished.workdir).logits(texts)

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("distill_jax.runs.weights.atomic_write", kill)
        with pytest.raises(KeyboardInterrupt):
            write_weights(unfinished.workdir, load_params(unfinished.workdir / "checkpoints"))
    assert "weights.npz" in read_checksums(unfinished.workdir)
    np.testing.assert_array_equal(Predictor.load(unfinished.workdir).logits(texts), before)


def test_a_run_from_before_there_was_a_record_is_read_with_new_seed_scores(tmp_path):
    golden = Path(__file__).resolve().parent.parent / "golden" / "v0_1" / "runs" / "cnn"
    run = shutil.copytree(golden, tmp_path / "run")
    write_seeds(run, SeedScores((0, 1), Spread((0.5, 0.6)), Spread((0.5, 0.6)), None))
    assert read_seeds(run).seeds == (0, 1)
    assert read_run(run).metrics["epochs_done"] == 2
    Predictor.load(run)


def test_a_damaged_checkpoint_costs_a_finished_run_nothing(tiny_runs, tiny_export, tmp_path):
    run = shutil.copytree(tiny_runs["fasttext"], tmp_path / "run")
    config = read_config(run)
    train, student = training_of(config, "train"), student_of(config, "student")
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    latest = max((run / "checkpoints").iterdir(), key=lambda path: int(path.name))
    for path in latest.rglob("*"):
        if path.is_file() and path.stat().st_size > 1000:
            path.write_bytes(path.read_bytes()[:-400] + bytes(400))
    longer = dataclasses.replace(train, epochs=train.epochs + 1)
    with pytest.raises(InputError, match="the latest one"):
        train_run(TrainRun(tiny_export, run, longer, student.options(), resume=True))
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("kind", [np.float64, np.uint32, np.dtype(">f4"), "U3"])
def test_weights_of_another_type_are_refused_also_where_they_are_recorded(tiny_runs, tmp_path, kind):
    folder = shutil.copytree(tiny_runs["cnn"], tmp_path / "run")
    weights = dict(np.load(folder / "weights.npz"))
    name = next(name for name in weights if name.endswith("kernel"))
    for changed in ({name: np.abs(weights[name]).astype(kind)}, {"further": np.zeros(2, np.float32)}):
        np.savez(folder / "weights.npz", **{**weights, **changed})
        record(folder)
        with pytest.raises(InputError, match=f"parameter {next(iter(changed))}: expected (float32 .*|none)"):
            Predictor.load(folder)
