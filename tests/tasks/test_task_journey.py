"""From a table to a report: scores and several labels a row, with every student, stopped and gone on with."""

import csv
import json
import re
import shlex
import shutil
import sys
from unittest import mock

import numpy as np
import pytest
from scipy.special import expit, rel_entr
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

import distill_jax as dj
from command_lines import call, refusal
from distill_jax import compare, predict, report, train
from distill_jax.config import TrainConfig
from distill_jax.errors import InputError, Interrupted
from distill_jax.inference.logits import predict_logits
from distill_jax.reporting import results, task_report
from distill_jax.reporting.table import build_table
from distill_jax.reporting.task_table import build_task_table
from distill_jax.runs.folder import METRICS, read_run
from distill_jax.students.student import Student
from distill_jax.training.fit import fit
from distill_jax.training.run import TrainRun, train_run
from run_folders import record
from scripts.search import command_line as search
from scripts.search import space
from teacher_export.command_line import main as export_main

WORDS = {"good": 2.0, "bad": -2.0, "fine": 1.0, "awful": -3.0, "great": 3.0, "dull": -1.0, "bright": 1.5}
STUDENTS = ("fasttext", "cnn", "bilstm", "ensemble")
OPTIONS = {"score": ["--label-column", "rating", "--teacher-outputs", "llm", "--outputs-are", "score"]}
OPTIONS["multi-label"] = ["--label-column", "tags", "--teacher-outputs", "shares"]
ASKED = ["--dataset", "table", "--text-column", "text", "--validation-fraction", "0.2", "--vocabulary", "200"]


def _rows(count=120):
    rng = np.random.default_rng(0)
    for index in range(count):
        words = rng.choice([*WORDS], size=rng.integers(3, 9)).tolist()
        score = float(np.mean([WORDS[word] for word in words]))
        tags = [tag for tag, word in (("fun", "great"), ("sad", "awful"), ("light", "bright")) if word in words]
        yield {
            "text": f"{' '.join(words)} {index}",
            "rating": round(score, 1) if index % 11 else None,
            "llm": score + rng.normal(0, 0.2),
            "tags": tags if index % 13 else None,
            "shares": {tag: 0.9 if tag in tags else 0.05 for tag in ("sad", "light", "fun")},
        }


@pytest.fixture(scope="module", params=[*OPTIONS])
def journey(request, tmp_path_factory):
    """The folders of an export and of its runs, one a student, each distilled for two epochs; and the task."""
    folder = tmp_path_factory.mktemp(request.param)
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in _rows()))
    _export(data, folder / "export", request.param)
    for student in STUDENTS:
        train_run(_run(folder, student))
    return folder, request.param


def _export(data, output, task, *further):
    words = [*ASKED, "--data", str(data), "--task", task, *OPTIONS[task], "--output", str(output), *further]
    with mock.patch.object(sys, "argv", ["export", *words]):
        export_main()


def _run(folder, student, name=None, **changes):
    soft = {"soft_loss": "mse", "temperature": 1.0, "hint_weight": 0.0}
    config = TrainConfig.of_recipe(
        "best", student, distil=True, epochs=2, embeddings="random", transfer=False, **{**soft, **changes}
    )
    sizes = {"embedding_dim": 8}
    if student in ("fasttext", "ensemble"):
        sizes |= {"ngrams": 1, "buckets": 0}
    if student == "fasttext":
        sizes["mask_padding"] = True
    return TrainRun(folder / "export", folder / (name or f"runs/{student}"), config, sizes)


def test_the_manifest_says_the_task_and_the_unit(journey):
    folder, task = journey
    manifest = json.loads((folder / "export/manifest.json").read_text())
    assert manifest["task"] == task
    assert ("standardisation" in manifest) == (task == "score")
    export = dj.Export.open(folder / "export")
    labels = export.train.labels
    if task == "score":
        known = labels[~np.isnan(labels)]
        assert manifest["standardisation"] == pytest.approx([known.mean(), known.std()], rel=1e-5)
        assert export.label_names == ("rating",)
    else:
        assert export.label_names == ("fun", "light", "sad")
        assert labels.shape[1] == 3


def test_every_student_writes_its_task_s_columns_and_finite_losses(journey):
    folder, task = journey
    columns = {"score": ("rmse", "spearman"), "multi-label": ("f1_micro", "f1_macro")}[task]
    for student in STUDENTS:
        with (folder / "runs" / student / "history.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == 2
        for name in ("loss", *columns):
            assert np.isfinite(
                [float(row[f"{split}_{name}"]) for row in rows for split in ("train", "validation")]
            ).all()


@pytest.mark.parametrize("student", ["fasttext", "cnn"])
def test_a_training_that_was_stopped_ends_with_the_bytes_of_one_that_was_not(journey, student, tmp_path):
    folder, _ = journey
    export = dj.Export.open(folder / "export")
    run = _run(folder, student)
    built = dj.student(student, export, **run.student)
    splits = {"train": export.train, "test": export.test, "validation": export.validation, "config": run.train}
    params = built.student.init(0)
    whole = fit(built.student, params, **splits)
    seen = []

    def stop(snapshot):
        seen.append(snapshot)
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        fit(built.student, params, **splits, on_epoch=stop)
    resumed = fit(built.student, params, **splits, resume=seen[0])
    assert resumed.test_logits.tobytes() == whole.test_logits.tobytes()
    assert (
        resumed.history.drop(columns="model").to_numpy().tobytes()
        == whole.history.drop(columns="model").to_numpy().tobytes()
    )
    assert resumed.task == whole.task


def test_predictions_are_the_task_s_and_the_saved_student_s_too(journey, capsys, tmp_path):
    folder, task = journey
    status, output, error = call(capsys, predict.main, "--run", folder / "runs/cnn", stdin=b"great good\nawful bad\n")
    assert status == 0, error
    lines = [json.loads(line) for line in output.splitlines()]
    model = dj.load(folder / "runs/cnn")
    copy = dj.load(dj.save(model, tmp_path / "copy") or tmp_path / "copy")
    answers = [copy.predict(["great good", "awful bad"]), model.predict(["great good", "awful bad"])]
    assert answers[0].tolist() == answers[1].tolist()
    if task == "score":
        assert [set(line) for line in lines] == [{"score"}] * 2
        assert [line["score"] for line in lines] == pytest.approx(answers[1].tolist(), rel=1e-5)
    else:
        assert [tuple(line["labels"]) for line in lines] == answers[1].tolist()
        thresholds = json.loads((folder / "runs/cnn/decision.json").read_text())["thresholds"]
        for line in lines:
            shares = line["probabilities"].values()
            expected = [
                name
                for name, share, edge in zip(line["probabilities"], shares, thresholds, strict=True)
                if share >= edge
            ]
            assert line["labels"] == expected


def test_report_and_comparison_show_the_task_s_metrics_and_nothing_of_classes(journey, capsys, tmp_path):
    folder, task = journey
    titles = {"score": ("Spearman", "RMSE"), "multi-label": ("Micro F1", "Average precision")}[task]
    status, output, error = call(capsys, report.main, folder / "runs", "--output", tmp_path / "report")
    assert status == 0, error
    page = (tmp_path / "report/report.html").read_text()
    for title in titles:
        assert title in output
        assert title in page
    for of_classes in ("McNemar", "Calibration error", "What each model takes for what"):
        assert of_classes not in page
    with (tmp_path / "report/results.csv").open() as stream:
        models = [row["model"] for row in csv.DictReader(stream)]
    assert len(models) == 1 + len(STUDENTS) + 2
    learner = {"score": "ridge", "multi-label": "logistic regression"}[task]
    assert models[-2:] == [f"TF-IDF + {learner} on labels", "TF-IDF + ridge on the teacher's logits"]
    assert output.count("the simple baseline TF-IDF") == len(STUDENTS)
    assert ("Slope" in page) == (task == "score")
    assert ("label by label" in page) == ("label by label" in output) == (task == "multi-label")
    assert (tmp_path / "report/classes.csv").exists() == (task == "multi-label")
    runs = folder / "runs/cnn", folder / "runs/fasttext"
    status, output, error = call(capsys, compare.main, *runs, "--json", tmp_path / "numbers.json")
    assert status == 0, error
    assert titles[0] in output
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    status, output, _ = call(capsys, compare.main, *reversed(runs), "--json", tmp_path / "reversed.json")
    turned = json.loads((tmp_path / "reversed.json").read_text())
    for name, found in numbers["lead"].items():
        assert found["value"] == pytest.approx(-turned["lead"][name]["value"])
        assert found["probability_higher"] == pytest.approx(1 - turned["lead"][name]["probability_higher"])
    status, _, error = call(capsys, compare.main, folder / "runs/cnn", "--teacher")
    assert status == 0, error


def test_every_label_s_scores_are_scikit_learn_s_and_the_threshold_s_the_run_has(journey, capsys, tmp_path):
    folder, task = journey
    if task == "score":
        pytest.skip("a score has no labels")
    status, _, error = call(capsys, report.main, folder / "runs", "--output", tmp_path / "report")
    assert status == 0, error
    with (tmp_path / "report/classes.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["run"].endswith("/cnn")]
    run = read_run(folder / "runs/cnn")
    thresholds = json.loads((folder / "runs/cnn/decision.json").read_text())["thresholds"]
    known = (run.predictions.labels >= 0).all(axis=1)
    labels, shares = run.predictions.labels[known], 1 / (1 + np.exp(-run.predictions.logits[known]))
    assert [row["class"] for row in rows] == list(run.label_names)
    for place, row in enumerate(rows):
        true, said = labels[:, place], shares[:, place] >= thresholds[place]
        scores = precision_recall_fscore_support(true, said, average="binary", zero_division=0)[:3]
        assert [float(row[name] or 0) for name in ("precision", "recall", "f1")] == pytest.approx(scores)
        assert (int(row["count"]), int(row["predicted"])) == (true.sum(), said.sum())
        assert float(row["average_precision"]) == pytest.approx(average_precision_score(true, shares[:, place]))
        assert float(row["threshold"]) == pytest.approx(thresholds[place])


def test_a_threshold_is_a_score_s_alone(journey, capsys, tmp_path, monkeypatch):
    folder, task = journey
    words = (folder / "runs", "--output", tmp_path / "report", "--threshold", "1")
    if task == "score":
        status, output, error = call(capsys, report.main, *words)
        assert status == 0, error
        assert "Precision ≥ 1" in output
    monkeypatch.setattr("distill_jax.report._baselines", pytest.fail)  # refused before the work
    if task == "score":
        message = refusal(capsys, report.main, *words[:-1], "nan")
        assert "--threshold: expected a finite number, got nan" in message
    else:
        assert "--threshold 1 goes with the task score" in refusal(capsys, report.main, *words)


def test_an_export_that_is_there_is_reused_and_made_again_has_the_same_bytes(journey, capsys, tmp_path):
    folder, task = journey
    data = folder / "data.jsonl"
    _export(data, folder / "export", task)
    assert "it is reused" in capsys.readouterr().out
    _export(data, tmp_path / "again", task)
    names = sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file())
    for name in names:
        if "timing" not in name.name and name.suffix in (".npz", ".json", ".txt"):
            assert (tmp_path / "again" / name).read_bytes() == (folder / "export" / name).read_bytes()


def test_from_python_a_recipe_trains_saves_and_answers_as_the_command_line_s(journey, tmp_path):
    folder, task = journey
    export = dj.Export.open(folder / "export")
    student = dj.student("fasttext", export, embedding_dim=8, ngrams=1, buckets=0)
    splits = {"test": export.test}
    trained = dj.fit(student, export.train, distil=True, evaluate=splits, select_on=export.validation, epochs=2)
    trained.save(tmp_path / "run")
    texts = ["great good", "awful bad", ""]
    answers = dj.load(tmp_path / "run").predict(texts).tolist()
    assert answers == trained.model.predict(texts).tolist()
    assert all(isinstance(answer, float if task == "score" else tuple) for answer in answers)
    assert trained.config.soft_loss == ("mse" if task == "score" else "kl")


def test_a_loss_that_compares_classes_is_refused_where_a_user_asks_for_it(journey):
    folder, task = journey
    asked = {"standardised": True} if task == "multi-label" else {"soft_loss": "kl"}
    with pytest.raises(InputError, match=r"--standardised compares the classes|--soft-loss kl compares classes"):
        train_run(_run(folder, "fasttext", "refused", **asked))
    assert not (folder / "refused").exists()


def test_runs_of_different_tasks_do_not_stand_in_one_report(journey, tiny_runs, capsys, tmp_path):
    folder, _ = journey
    words = (folder / "runs/cnn", tiny_runs["cnn"], "--output", tmp_path / "report")
    assert "their tasks differ" in refusal(capsys, report.main, *words)


@pytest.mark.parametrize("student", ["fasttext", "cnn"])
def test_a_search_minimises_the_distance_of_the_task_and_its_command_gives_the_trial_s_score(
    journey, student, capsys, tmp_path, monkeypatch
):
    folder, task = journey
    few = {**space.SPACES[student], "epochs": space.Whole(1, 2), "embedding_dim": space.Whole(8, 8)}
    monkeypatch.setitem(space.SPACES, student, few)
    words = ("--student", student, "--export", folder / "export", "--study", tmp_path / "s.db")
    status, output, error = call(capsys, search.main, *words, "--trials", "1")
    assert status == 0, error
    beside, distance = {"score": ("Spearman", "squared distance"), "multi-label": ("macro F1", "divergence")}[task]
    (said,) = re.findall(rf"trial 0: {distance} ([0-9.]+), {beside} -?[0-9.]+", output)
    assert f"validation {distance}" in output
    command = shlex.split(output[output.index("python -m distill_jax.train") :].replace("\\\n", " "))
    assert ("--soft-loss" in command) == (task == "multi-label")
    command[-1] = str(tmp_path / "run")
    assert call(capsys, train.main, *command[3:])[0] == 0
    validation, model = dj.Export.open(folder / "export").validation, dj.load(tmp_path / "run")
    logits = predict_logits(Student(model.config), model.params, validation.tokens, validation.length).astype(
        np.float64
    )
    teacher = validation.teacher_logits.astype(np.float64)
    if task == "score":
        expected = ((logits - teacher) ** 2).mean() / model.config.standardisation[1] ** 2
    else:
        expected = (rel_entr(expit(teacher), expit(logits)) + rel_entr(expit(-teacher), expit(-logits))).sum(1).mean()
    assert float(said) == pytest.approx(expected, abs=1e-4)


def test_the_notebook_s_checkpoint_knows_classes_alone(journey, capsys, tmp_path):
    from scripts.convert.command_line import main as convert

    folder, task = journey
    words = (folder / "runs/cnn", "--to-torch", "--output", tmp_path / "cnn.bin")
    assert f"the student answers the task {task}" in refusal(capsys, convert, *words)
    assert not (tmp_path / "cnn.bin").exists()


def _reports_of_odd_records(run, folder, build, report):
    """Let a report show a run whose metrics are, one after the other, of other kinds than a training writes."""
    shutil.copytree(run, folder)
    whole = json.loads((run / METRICS).read_text())
    for name in whole:
        for value in ([1, 2], "x", -1, 1e300):
            (folder / METRICS).write_text(json.dumps({**whole, name: value}))
            record(folder)
            try:
                table = build([read_run(folder)])
            except InputError:
                continue
            assert report.terminal_table(table)
            assert report.csv_text(table)


def test_whatever_a_run_records_beside_what_is_required_its_report_ends(journey, tmp_path):
    _reports_of_odd_records(journey[0] / "runs/fasttext", tmp_path / "run", build_task_table, task_report)


def test_whatever_a_run_of_classes_records_its_report_ends(tiny_runs, tmp_path):
    _reports_of_odd_records(tiny_runs["fasttext"], tmp_path / "run", build_table, results)
