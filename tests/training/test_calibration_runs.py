"""A run's calibration temperature: fitted, kept, predicted with, gone on with, and shown by reports."""

import csv
import json
import shutil

import numpy as np
import pytest
from scipy.special import softmax

import distill_jax as dj
from command_lines import call, refusal
from distill_jax import compare, pack, predict, report
from distill_jax.config import TrainConfig
from distill_jax.metrics.calibration import fitted_temperature, reliability_curve
from distill_jax.reporting.charts import reliability_frame
from distill_jax.reporting.comparable_runs import read_runs
from distill_jax.reporting.table import build_table
from distill_jax.runs.folder import read_run
from distill_jax.training.fit import fit
from distill_jax.training.run import TrainRun, train_run
from distill_jax.training.seed_runs import train_seeds
from run_folders import record
from tiny_export import tiny_texts, write_tiny_export
from tolerances import SIX_DECIMALS

SIZE = {"embedding_dim": 8}
TEXTS = tiny_texts(20, seed=9)[0]


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return write_tiny_export(tmp_path_factory.mktemp("calibrated") / "export", test_rows=600, validation_rows=300)


def asked(export, workdir, epochs=4, **options):
    """Return a training that makes the linear student far too sure of itself."""
    config = TrainConfig.notebook("fasttext", epochs=epochs, learning_rate=4.0)
    return TrainRun(export, workdir, config, SIZE, **options)


@pytest.fixture(scope="module")
def runs(export, tmp_path_factory):
    """The folder of a run of two seeds."""
    folder = tmp_path_factory.mktemp("runs") / "linear"
    train_seeds(asked(export, folder), 2)
    return folder


def temperature(folder):
    decision = json.loads((folder / "decision.json").read_text())
    assert set(decision) == {"temperature"}
    return decision["temperature"]


def test_every_seed_has_the_temperature_of_its_own_logits_on_the_validation_rows(runs, export):
    validation = dj.Export.open(export).validation
    found = []
    for folder in (runs, runs / "seed-1"):
        logits = dj.load(folder).network.start(validation.tokens, len(validation))()
        assert temperature(folder) == pytest.approx(fitted_temperature(logits, validation.labels), rel=1e-4)
        found.append(temperature(folder))
    assert found[0] != found[1]
    assert min(found) > 1.2


def test_predictions_are_calibrated_by_command_from_python_and_of_a_saved_copy(runs, capsys, tmp_path):
    model = dj.load(runs)
    logits = model.logits(TEXTS)
    expected = softmax(logits.astype(np.float64) / temperature(runs), axis=1)
    dj.save(model, tmp_path / "copy")
    for each in (model, dj.load(tmp_path / "copy")):
        np.testing.assert_allclose(each.predict_proba(TEXTS), expected)
        assert each.predict(TEXTS).tolist() == [model.label_names[place] for place in logits.argmax(axis=1)]
    status, output, error = call(capsys, predict.main, "--run", runs, stdin="\n".join(TEXTS).encode())
    assert status == 0, error
    written = [list(json.loads(line)["probabilities"].values()) for line in output.splitlines()]
    np.testing.assert_allclose(written, expected, atol=2 * SIX_DECIMALS)


def test_a_run_that_is_gone_on_with_has_the_temperature_of_one_that_never_stopped(runs, export, tmp_path):
    train_run(asked(export, tmp_path / "run", epochs=2))
    first = temperature(tmp_path / "run")
    train_run(asked(export, tmp_path / "run", resume=True))
    assert first != temperature(tmp_path / "run")
    assert (tmp_path / "run/decision.json").read_bytes() == (runs / "decision.json").read_bytes()


def test_from_any_snapshot_the_temperature_has_the_bits_of_a_training_that_was_not_stopped(export):
    opened = dj.Export.open(export)
    student = dj.student("fasttext", opened, recipe="notebook", **SIZE).student
    splits = {"train": opened.train, "test": opened.test, "validation": opened.validation}
    config, params, snapshots = asked(export, "unused").train, student.init(0), []
    whole = fit(student, params, config=config, on_epoch=snapshots.append, **splits)
    assert len(snapshots) == config.epochs
    for snapshot in snapshots:  # after the last one nothing is left to train
        assert fit(student, params, config=config, resume=snapshot, **splits).task == whole.task
    assert whole.task.temperature is not None


def test_a_library_training_keeps_it_too(runs, export, tmp_path):
    opened = dj.Export.open(export)
    student = dj.student("fasttext", opened, recipe="notebook", **SIZE)
    chosen = {"evaluate": {"test": opened.test}, "select_on": opened.validation}
    trained = dj.fit(student, opened.train, epochs=4, learning_rate=4.0, **chosen)
    assert temperature(trained.save(tmp_path / "run")) == trained.model.task.temperature == temperature(runs)


def test_without_a_validation_split_or_with_few_labels_in_it_nothing_is_fitted(tiny_export, tmp_path):
    few = write_tiny_export(tmp_path / "few", validation_rows=60)
    for number, export in enumerate((tiny_export, few)):
        train_run(asked(export, tmp_path / f"run-{number}"))
        assert not (tmp_path / f"run-{number}/decision.json").exists()
        model = dj.load(tmp_path / f"run-{number}")
        expected = softmax(model.logits(TEXTS).astype(np.float64), axis=1)
        np.testing.assert_allclose(model.predict_proba(TEXTS), expected)


@pytest.mark.parametrize("content", ['{"temperature": "hot"}', '{"temperature": 1e999}', '{"thresholds": [0.5]}', "{"])
def test_a_decision_that_is_none_is_refused_in_a_sentence(runs, content, tmp_path, capsys):
    run = shutil.copytree(runs, tmp_path / "run")
    (run / "decision.json").write_text(content)
    for words in ((predict.main, "--run", run), (report.main, run, "--output", tmp_path / "report")):
        assert str(run) in refusal(capsys, *words)
    record(run)
    for words in ((predict.main, "--run", run), (report.main, run, "--output", tmp_path / "report")):
        assert refusal(capsys, *words).startswith(f"decision {run / 'decision.json'}: ")


def test_a_run_without_the_decision_that_its_record_names_is_refused(runs, tmp_path, capsys):
    run = shutil.copytree(runs, tmp_path / "run", ignore=shutil.ignore_patterns("decision.json"))
    for words in ((predict.main, "--run", run), (report.main, run, "--output", tmp_path / "report"), (pack.main, run)):
        assert "decision.json is missing, which sha256sums.txt names; copy the run again" in refusal(capsys, *words)


@pytest.fixture
def compared(runs, export, tmp_path):
    """The calibrated run, and the same without its temperature, as an older version left it."""
    plain = shutil.copytree(runs, tmp_path / "plain", ignore=shutil.ignore_patterns("decision.json", "seed*"))
    record(plain)
    return runs, plain


def errors_of(folder):
    """Return the calibration error on the test rows before the temperature and after it."""
    predictions = read_run(folder).predictions
    logits = predictions.logits.astype(np.float64)
    return [
        reliability_curve(scaled, predictions.labels).expected_calibration_error
        for scaled in (logits, logits / temperature(folder))
    ]


def test_the_report_shows_the_error_before_and_after(compared, capsys, tmp_path):
    status, _, error = call(capsys, report.main, *compared, "--output", tmp_path / "report")
    assert status == 0, error
    page = (tmp_path / "report/report.html").read_text()
    before, after = errors_of(compared[0])
    assert after < before / 2
    for text in ("Calibration temperature", "Calibration error before", f"{before:.3f}</td><td>{after:.3f}</td>"):
        assert text in page
    assert page.count("divided by its calibration temperature") == 1
    with (tmp_path / "report/results.csv").open() as stream:
        teacher, calibrated, plain, *baselines = csv.DictReader(stream)
    names = ("calibration_error", "calibration_error_after")
    assert [float(calibrated[name]) for name in names] == pytest.approx([before, after])
    assert [float(plain[name]) for name in names] == pytest.approx([before, before])
    assert teacher["calibration_error"] == teacher["calibration_error_after"]
    assert float(calibrated["calibration_temperature"]) == temperature(compared[0])
    assert teacher["calibration_temperature"] == plain["calibration_temperature"] == ""
    for name in ("accuracy", "macro_f1", "kl_from_teacher"):
        assert calibrated[name] == plain[name]
    assert baselines
    assert all(row[name] == "" for row in baselines for name in (*names, "kl_from_teacher"))


def test_the_reliability_chart_is_of_the_probabilities_that_are_given(compared):
    table = build_table(read_runs(list(compared)))
    frame = reliability_frame(table)
    gaps = [
        np.average(abs(part["accuracy"] - part["confidence"]), weights=part["rows"])
        for part in (frame[frame["model"] == row.model] for row in table.students)
    ]
    before, after = errors_of(compared[0])
    assert gaps == pytest.approx([after, before], abs=0.01)


def test_a_report_without_a_temperature_says_nothing_of_one(compared, capsys, tmp_path):
    status, _, error = call(capsys, report.main, compared[1], "--output", tmp_path / "report")
    assert status == 0, error
    assert "alibration temperature" not in (tmp_path / "report/report.html").read_text()


def test_a_comparison_shows_the_error_before_and_after(compared, capsys, tmp_path):
    status, output, error = call(capsys, compare.main, *compared, "--json", tmp_path / "numbers.json")
    assert status == 0, error
    before, after = errors_of(compared[0])
    lines = {line[:26].strip(): line[26:].split() for line in output.splitlines()}
    assert lines["Calibration temperature"] == [f"{temperature(compared[0]):.3f}", "–"]
    assert lines["Calibration error before"] == [f"{before:.3f}"] * 2
    assert lines["Calibration error after"] == [f"{after:.3f}", f"{before:.3f}"]
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    measures = numbers["first"]["measures"]
    assert measures["expected_calibration_error"] == pytest.approx(before)
    assert measures["expected_calibration_error_after"] == pytest.approx(after)
    assert (measures["temperature"], numbers["second"]["measures"]["temperature"]) == (temperature(compared[0]), None)
    status, output, error = call(capsys, compare.main, compared[1], "--teacher")
    assert status == 0, error
    assert "Calibration error " in output
    assert "temperature" not in output
