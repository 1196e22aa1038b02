"""``seeds.json``, and ``python -m distill_jax.train --seeds``."""

import dataclasses
import json
import os
import shutil
import signal
import statistics

import jax
import numpy as np
import pytest

from command_lines import call, refusal
from distill_jax.config import TrainConfig
from distill_jax.errors import InputError
from distill_jax.export.writer import ExportWriter
from distill_jax.inference.logits import eval_logits, predict_logits
from distill_jax.inference.predictor import Predictor
from distill_jax.locks import exclusive, lock_file
from distill_jax.runs.folder import read_run
from distill_jax.runs.history import write_history
from distill_jax.runs.seed_scores import SeedScores, Spread, read_seeds, read_seeds_of, seed_folders, write_seeds
from distill_jax.runs.weights import read_weights
from distill_jax.tasks.single_label import SingleLabel
from distill_jax.train import main
from distill_jax.training.run import TrainRun, train_run
from distill_jax.training.seed_runs import train_seeds
from distill_jax.training.steps import apply_gradients, batch_gradients
from student_options import padding
from tiny_export import tiny_header, tiny_part, tiny_tokenizer, write_tiny_export

SCORES = SeedScores((4, 5, 6), Spread((0.5, 0.6, 0.7)), Spread((0.4, 0.4, 0.4)), Spread((0.1, 0.2, 0.6)))


def test_what_is_written_is_read(tmp_path):
    assert read_seeds(tmp_path) is None
    write_seeds(tmp_path, SCORES)
    assert read_seeds(tmp_path) == SCORES
    content = json.loads((tmp_path / "seeds.json").read_text())
    assert content["seeds"] == [4, 5, 6]
    accuracy = content["test_acc"]
    assert (accuracy["mean"], accuracy["standard_deviation"]) == pytest.approx((0.6, 0.1))
    assert content["test_f1_macro"]["standard_deviation"] == pytest.approx(0)
    without = SeedScores(SCORES.seeds, SCORES.first, SCORES.second)
    write_seeds(tmp_path, without)
    assert read_seeds(tmp_path) == without
    assert "validation_f1_macro" not in json.loads((tmp_path / "seeds.json").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format_version=2), "format_version is 2, this program reads version 1"),
        (lambda c: c.update(seeds=[1]), r"seeds: expected at least two different whole numbers, got \[1\]"),
        (lambda c: c.update(seeds=[1, 2, 1]), "seeds: expected at least two different whole numbers"),
        (lambda c: c.update(seeds=[1, 2, 2.5]), "seeds: expected a list of whole numbers"),
        (lambda c: c.update(seeds=None), "seeds: expected a list of whole numbers, got None"),
        (lambda c: c.pop("test_acc"), "missing field 'test_acc'"),
        (lambda c: c.update(test_acc=0.5), "test_acc: expected a JSON object, got 0.5"),
        (lambda c: c["test_acc"].update(values=[0.5, 0.6]), "test_acc: values: expected 3 numbers from 0 to 1"),
        (lambda c: c["test_acc"].update(values=[0.5, 0.6, 7]), "test_acc: values: expected 3 numbers from 0 to 1"),
        (lambda c: c["test_acc"].update(values=["a"]), "test_acc: values: expected a list of numbers"),
        (lambda c: c["test_acc"].update(mean=0.61), "test_acc: mean: expected 0.6.*, that of its values, got 0.61"),
        (lambda c: c["test_f1_macro"].pop("standard_deviation"), "test_f1_macro: standard_deviation: expected .*None"),
    ],
)
def test_a_broken_file_is_refused_by_field(tmp_path, change, message):
    write_seeds(tmp_path, SCORES)
    content = json.loads((tmp_path / "seeds.json").read_text())
    change(content)
    (tmp_path / "seeds.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"^seed scores .*seeds\.json: {message}"):
        read_seeds(tmp_path)


def test_scores_of_another_run_are_refused(tmp_path):
    assert read_seeds_of(tmp_path, 4, 0.5) is None
    write_seeds(tmp_path, SCORES)
    assert read_seeds_of(tmp_path, 4, 0.5) == SCORES
    for seed, accuracy in ((5, 0.5), (4, 0.6)):
        with pytest.raises(InputError, match=r"says test accuracy 0.5000 for seed 4, the run has 0\.[56]000 with seed"):
            read_seeds_of(tmp_path, seed, accuracy)


@pytest.fixture(scope="module")
def words(tiny_export):
    """The words of a training with shuffling, the teacher's embeddings and dropout, which all differ by seed."""
    shape = ["--embedding-dim", "8", "--filters", "4", "--filter-heights", "2"]
    return ["--export", tiny_export, "--distil", "--epochs", "2", "--seed", "7", *shape]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, words):
    """The folder of three seeds, trained in one go; what it printed; the programs compiled by the first and later."""
    workdir, programs = tmp_path_factory.mktemp("seeds") / "run", []

    def count(*_):
        programs.append([step._cache_size() for step in (batch_gradients, apply_gradients, eval_logits)])
        return begin(*_)

    from distill_jax.training import run as train_run

    begin = train_run.begin_run
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distill_jax.training.run.begin_run", count)
        for module in ("run", "seed_runs", "run_data"):
            patch.setattr(f"distill_jax.training.{module}.say", lambda line="": lines.append(line))
        patch.setattr("sys.argv", ["train", *map(str, words), "--workdir", str(workdir), "--seeds", "3"])
        main()
    programs.append([step._cache_size() for step in (batch_gradients, apply_gradients, eval_logits)])
    return workdir, "\n".join(lines), programs


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of these runs, to be changed."""
    shutil.copytree(trained[0], tmp_path / "run")
    return tmp_path / "run"


def _replaced(words, option, value):
    """Return a command line's words with another value of an option."""
    index = words.index(option) + 1
    return [*words[:index], value, *words[index + 1 :]]


def _runs(workdir):
    return [read_run(folder) for folder in (workdir, *seed_folders(workdir))]


def test_every_seed_has_a_run_and_the_first_one_s_is_the_folder_itself(trained):
    workdir, printed, _ = trained
    assert [folder.name for folder in seed_folders(workdir)] == ["seed-8", "seed-9"]
    runs = _runs(workdir)
    assert [run.config["train"]["seed"] for run in runs] == [7, 8, 9]
    assert len({run.predictions.logits.tobytes() for run in runs}) == 3
    Predictor.load(workdir).logits(["w1"])
    scores = read_seeds(workdir)
    assert scores.seeds == (7, 8, 9)
    assert scores.first.values == tuple(run.metrics["test_acc"] for run in runs)
    assert scores.second.values == tuple(run.metrics["test_f1_macro"] for run in runs)
    assert scores.validation is None
    assert printed.count("reading ") == 1
    for run, seed in zip(runs, scores.seeds, strict=True):
        line = f"seed {seed}: accuracy {run.metrics['test_acc']:.4f}, macro F1 {run.metrics['test_f1_macro']:.4f}"
        assert line in printed.splitlines()
    values = scores.first.values
    mean = f"3 seeds: accuracy {statistics.mean(values):.4f} ± {statistics.stdev(values):.4f} ("
    assert mean in printed
    assert "% of the teacher's 0." in printed


def test_further_seeds_compile_nothing(trained):
    _, _, (before, after_first, after_second, after_third) = trained
    assert before < after_first == after_second == after_third


def test_each_seed_is_the_run_that_it_would_be_alone(trained, words, tmp_path, capsys):
    alone = tmp_path / "alone"
    assert call(capsys, main, *_replaced(words, "--seed", "9"), "--workdir", alone)[0] == 0
    expected = trained[0] / "seed-9"
    assert (alone / "history.csv").read_bytes() == (expected / "history.csv").read_bytes()
    jax.tree.map(np.testing.assert_array_equal, read_weights(alone), read_weights(expected))
    assert not (alone / "seeds.json").exists()


def _times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_finished_seeds_are_kept_and_only_missing_ones_trained(copy, words, capsys):
    before = _times(copy)
    status, output, _ = call(capsys, main, *words, "--workdir", copy, "--seeds", "3")
    assert status == 0
    assert output.count("holds this run already, finished") == 3
    assert "reading " not in output
    assert _times(copy) == before
    shutil.rmtree(copy / "seed-8")
    (copy / "seeds.json").unlink()
    status, output, _ = call(capsys, main, *words, "--workdir", copy, "--seeds", "3")
    assert status == 0
    after = _times(copy)
    assert {path for path in before if before[path] == after.get(path)} >= {
        path for path in before if "seed-8" not in path.parts and path.name != "seeds.json"
    }
    assert read_seeds(copy).seeds == (7, 8, 9)


@pytest.mark.parametrize("option", [(), ("--overwrite",), ("--resume",)])
def test_a_further_seed_s_folder_that_is_a_link_is_refused_before_anything_is_deleted(copy, words, capsys, option):
    outside = shutil.copytree(copy / "seed-8", copy.parent / "outside")
    shutil.rmtree(copy / "seed-8")
    (copy / "seed-8").symlink_to(outside)
    before = {path: path.read_bytes() for path in copy.parent.rglob("*") if path.is_file()}
    message = refusal(capsys, main, *words, "--workdir", copy, "--seeds", "2", *option)
    assert "expected seed-8 to be its own, found a link to" in message
    assert {path: path.read_bytes() for path in copy.parent.rglob("*") if path.is_file()} == before


def test_fewer_seeds_than_are_there_leave_them_as_they_are(copy, words, capsys):
    before = _times(copy)
    assert "3 seeds: accuracy" in call(capsys, main, *words, "--workdir", copy, "--seeds", "2")[1]
    assert call(capsys, main, *words, "--workdir", copy)[0] == 0
    assert _times(copy) == before


def test_an_interrupted_set_goes_on_at_the_seed_that_was_interrupted(trained, words, tmp_path, capsys, monkeypatch):
    workdir, calls = tmp_path / "run", []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:  # before the first seed's training, then before the second's
            raise KeyboardInterrupt
        return predict_logits(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("distill_jax.training.run.predict_logits", interrupted)
        status, _, error = call(capsys, main, *words, "--workdir", workdir, "--seeds", "3")
    assert status == 130
    assert error.rstrip().endswith(f"--workdir {workdir} --seeds 3 --resume")
    assert not (workdir / "seeds.json").exists()
    message = refusal(capsys, main, *words, "--workdir", workdir, "--seeds", "3")
    assert message.startswith(f"run folder {workdir / 'seed-8'}: it holds this run, unfinished; give --resume")
    status, output, _ = call(capsys, main, *words, "--workdir", workdir, "--seeds", "3", "--resume")
    assert status == 0
    assert output.count("holds this run already, finished") == 1
    assert (workdir / "seeds.json").read_bytes() == (trained[0] / "seeds.json").read_bytes()


def test_overwrite_deletes_the_runs_of_the_old_set_and_nothing_else(copy, words, capsys):
    (copy / "seed-9" / "notes.txt").write_text("mine")
    (copy / "seed-11").mkdir()
    (copy / "seed-11" / "config.json").write_text("{}")
    assert call(capsys, main, *_replaced(words, "--epochs", "1"), "--workdir", copy, "--overwrite")[0] == 0
    assert not (copy / "seeds.json").exists()
    assert not (copy / "seed-8").exists()
    assert [path.name for path in (copy / "seed-9").iterdir()] == ["notes.txt"]
    assert (copy / "seed-11" / "config.json").is_file()
    assert len(read_run(copy).history) == 1


def test_a_folder_of_something_else_is_refused_before_anything_is_trained(tmp_path, words, capsys):
    (tmp_path / "run" / "seed-8").mkdir(parents=True)
    (tmp_path / "run" / "seed-8" / "thesis.txt").write_text("years of work")
    message = refusal(capsys, main, *words, "--workdir", tmp_path / "run" / "seed-8")
    assert "expected an empty folder or a run, found other files" in message
    config = '{"train": {}, "program": "distill-jax 0"}'
    (tmp_path / "run" / "config.json").write_text(config)
    message = refusal(capsys, main, *words, "--workdir", tmp_path / "run", "--seeds", "2", "--overwrite")
    assert message.startswith(f"run folder {tmp_path / 'run' / 'seed-8'}: expected an empty folder or a run")
    assert (tmp_path / "run" / "config.json").read_text() == config


def test_the_last_seed_is_a_seed_too(tmp_path, words, capsys):
    last = _replaced(words, "--seed", str(2**31 - 1))
    message = refusal(capsys, main, *last, "--workdir", tmp_path / "run", "--seeds", "2")
    assert message.startswith("--seed: expected a number at least 0")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def export_with_transfer(tmp_path_factory):
    return write_tiny_export(tmp_path_factory.mktemp("transfer") / "export", transfer_rows=40)


def _drawn_config(number):
    """Return a random small configuration and the student's options; four of them share in the transfer set."""
    rng = np.random.default_rng([5, number])
    student = ("cnn", "fasttext", "bilstm", "ensemble")[number % 4]
    distil = number < 4 or bool(rng.integers(2))
    changes = {"shuffle": bool(rng.integers(2)), "schedule": str(rng.choice(["step", "cosine"]))}
    changes |= {
        "learning_rate_decay": 1.0,
        "seed": int(rng.integers(1000)),
        "epochs": 2,
        "batch_size": int(rng.integers(16, 40)),
    }
    if distil:
        changes |= {"alpha": float(rng.choice([0.0, 0.5])), "transfer": True}
        changes |= {"transfer_share": float(rng.choice([0.3, 0.5])), "transfer_passes": int(rng.integers(2))}
    config = TrainConfig.notebook(student, distil=distil, **changes)
    options = {"embedding_dim": 6, **padding(student, "masked")}
    if student in ("cnn", "ensemble"):
        options["filters"] = 4
    if student == "ensemble":
        options |= {"ngrams": 2, "buckets": 50}
    return config, options


@pytest.mark.parametrize("number", range(6))
def test_every_seed_of_several_is_trained_as_it_is_alone(number, export_with_transfer, tmp_path):
    config, options = _drawn_config(number)
    several = TrainRun(export_with_transfer, tmp_path / "several", config, options)
    train_seeds(several, 2)
    alone = dataclasses.replace(config, seed=config.seed + 1)
    train_run(TrainRun(export_with_transfer, tmp_path / "alone", alone, options))
    (second,) = seed_folders(tmp_path / "several")
    for name in ("test_predictions.npz", "history.csv"):
        assert (second / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    found, expected = (read_weights(folder) for folder in (second, tmp_path / "alone"))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_scores_that_there_are_none_of_are_left_out_and_every_file_is_json(tmp_path):
    """A validation split without a label, which a teacher's logits are enough for, has no macro F1."""
    writer = ExportWriter(tmp_path / "export", tiny_header())
    for seed, split in enumerate(("train", "test", "validation")):
        part = tiny_part(30, seed, 30 * seed)
        labels = np.full_like(part.labels, -1) if split == "validation" else part.labels
        writer.write(split, 0, dataclasses.replace(part, labels=labels))
    writer.write_tokenizer(tiny_tokenizer().to_str())
    writer.finish(dict.fromkeys(("train", "test", "validation"), 1), writer.header.teacher)
    config = TrainConfig.notebook("fasttext", distil=True, epochs=2, batch_size=8)
    train_seeds(TrainRun(tmp_path / "export", tmp_path / "run", config, {"embedding_dim": 6}), 2)
    scores = read_seeds(tmp_path / "run")
    assert scores.seeds == (0, 1)
    assert scores.validation is None
    for path in (tmp_path / "run").rglob("*.json"):
        json.loads(path.read_text(), parse_constant=lambda word, path=path: pytest.fail(f"{word} in {path}"))
    assert read_run(tmp_path / "run").history["validation_loss"].notna().all()


def test_seeds_whose_test_rows_define_no_score_are_trained_and_not_summed_up(tmp_path, capsys, monkeypatch):
    export, config = write_tiny_export(tmp_path / "export"), TrainConfig.notebook("fasttext", epochs=1, batch_size=8)
    monkeypatch.setattr(SingleLabel, "scores", lambda *_: (0.5, float("nan")))
    train_seeds(TrainRun(export, tmp_path / "run", config, {"embedding_dim": 6}), 2)
    assert "no seeds.json sums them up: the test rows do not define accuracy and macro F1" in capsys.readouterr().err
    assert not (tmp_path / "run" / "seeds.json").exists()
    assert read_run(tmp_path / "run" / "seed-1").metrics["epochs_done"] == 1


def test_a_signal_in_the_last_epoch_of_a_seed_lets_no_other_seed_begin(capsys, monkeypatch, tmp_path, tiny_export):
    words = ["--export", tiny_export, "--workdir", tmp_path / "run", "--student", "fasttext", "--recipe", "notebook"]
    words += ["--embedding-dim", 6, "--epochs", 2, "--seeds", 3]
    written = []

    def write_and_signal(path, history):
        write_history(path, history)
        written.append(path)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("distill_jax.training.run.write_history", write_and_signal)
    status, _, error = call(capsys, main, *words)
    assert status == 143
    assert "interrupted; seed 0 (1 of 3) is finished" in error
    assert "--resume" in error
    assert read_run(tmp_path / "run").metrics["epochs_done"] == 2
    assert seed_folders(tmp_path / "run") == []
    assert call(capsys, main, *words, "--resume")[0] == 0
    assert read_seeds(tmp_path / "run").seeds == (0, 1, 2)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_seed_that_another_process_is_writing_is_left_to_it_before_anything_is_done(tiny_export, tmp_path, overwrite):
    config = TrainConfig.notebook("fasttext", distil=True, epochs=1)
    run = TrainRun(tiny_export, tmp_path / "run", config, {"embedding_dim": 6})
    train_seeds(run, 2)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    again = dataclasses.replace(run, overwrite=overwrite)
    with exclusive(tmp_path / "run" / "seed-1", "run folder"):
        for count in (2, 3) if not overwrite else (1, 2, 3):  # of one alone the other seeds are overwritten too
            with pytest.raises(InputError, match="seed-1: another process is writing it"):
                train_seeds(again, count)
        assert {path: path.read_bytes() for path in before} == before
    assert not list((tmp_path / "run").glob(".*.lock"))


def test_the_lock_that_a_killed_training_of_a_seed_left_goes_with_the_next(tiny_export, tmp_path):
    run = TrainRun(tiny_export, tmp_path / "run", TrainConfig.notebook("fasttext", epochs=1), {"embedding_dim": 6})
    train_seeds(run, 1)
    left, held = tmp_path / "run" / ".seed-1.lock", tmp_path / "run" / "seed-2"
    left.write_text('{"process": 1')
    with exclusive(held, "run folder"):
        train_seeds(run, 1)
        assert not left.exists()
        assert lock_file(held).exists()
