"""The cross-validation: folds, words, what is resumed and refused, its statistics, and its tables from made-up runs."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from command_lines import call, refusal
from distill_jax.errors import InputError, Interrupted
from distill_jax.metrics.classification import accuracy
from run_folders import write_run
from scripts.crossvalidate import folds, steps
from scripts.crossvalidate.ceiling import measure_ceiling
from scripts.crossvalidate.command_line import main
from scripts.crossvalidate.pooled import TEACHER, Pooled, compare, group_means, score_student
from scripts.crossvalidate.rows import PARTS, TEST, VALIDATION, draw_folds
from scripts.crossvalidate.variants import ExportWords, Variant, read_variants
from teacher_export.data import demo as demo_data
from teacher_export.data import demo_votes
from teacher_export.data.demo import FILES, LABEL_NAMES
from tolerances import assert_close

ROWS = 150
TABLE = ["--dataset", "table", "--data", "x.jsonl", "--text-column", "text", "--label-column", "label"]


def digits(classes):
    return "".join(map(str, classes))


@pytest.mark.parametrize("seed", range(2))
def test_each_row_tests_once_and_no_group_is_divided_between_two_parts_of_a_fold(seed):
    rng = np.random.default_rng(seed)
    labels, groups = rng.integers(0, 3, 400), rng.integers(0, 150, 400)
    parts = draw_folds(labels, groups, 4, seed)
    np.testing.assert_array_equal((parts == PARTS.index(TEST)).sum(axis=0), 1)
    for fold in parts:
        assert all(len(set(fold[groups == group])) == 1 for group in groups)
        assert 60 < (fold == PARTS.index(TEST)).sum() < 140
        assert 15 < (fold == PARTS.index(VALIDATION)).sum() < 45
    np.testing.assert_array_equal(parts, draw_folds(labels, groups, 4, seed))
    assert (parts != draw_folds(labels, groups, 4, seed + 1)).any()
    with pytest.raises(InputError, match=r"--folds 90: expected at least as many rows of each class"):
        draw_folds(labels, groups, 90, seed)


def test_a_variant_s_words_take_the_place_of_the_study_s_and_teachers_are_shared():
    plain, more, tuned = (
        ExportWords.of(Variant("x", export), "demo", TABLE, {"augment": 6})
        for export in ((), ("--augment", "2"), ("--finetune-epochs", "1"))
    )
    assert plain.words[len(TABLE) :] == ("--finetune-epochs", "2", "--augment", "6")
    assert more.words[len(TABLE) :] == ("--finetune-epochs", "2", "--augment", "2")
    assert tuned.words[len(TABLE) :] == ("--augment", "6", "--finetune-epochs", "1")
    assert plain.teacher_key == more.teacher_key != tuned.teacher_key
    assert len({plain.key, more.key, tuned.key}) == 3
    hinted = ExportWords.of(Variant("x"), "demo", TABLE, {"augment": 6, "hint_width": 8})
    without = ExportWords.of(Variant("x", ("--hint-width", "0")), "demo", TABLE, {"augment": 6, "hint_width": 8})
    assert hinted.words[len(TABLE) :] == ("--finetune-epochs", "2", "--augment", "6", "--hint-width", "8")
    assert hinted.teacher_key == without.teacher_key == plain.teacher_key
    assert hinted.key != without.key
    with pytest.raises(InputError, match="variant x: --augment: expected"):
        ExportWords.of(Variant("x", ("--augment", "-1")), "demo", TABLE, {"augment": 6})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a table for each variant, found none"),
        ("x = 1", "x: expected a table with direct, export, students, train, got no table"),
        ("[x]\ntrains = []", "x: expected a table with direct, export, students, train, got 'trains'"),
        ("[x]\ntrain = '--alpha 1'", "x: train: expected a list of words in quotation marks, got '--alpha 1'"),
        ("[x.students]\ncnn = [1]", r"x: students.cnn: expected a list of words"),
        ("['../x']", "../x: expected a name of letters, digits, dots and dashes"),
        ("[x", "expected TOML, got"),
    ],
)
def test_a_file_of_variants_is_refused_by_its_fault(tmp_path, content, message):
    (tmp_path / "v.toml").write_text(content)
    with pytest.raises(InputError, match=message):
        read_variants(tmp_path / "v.toml")


def test_words_that_a_training_would_refuse_are_refused_before_anything_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(steps, "_run", lambda *_: pytest.fail("a command ran"))
    variants = tmp_path / "v.toml"
    for content, said in {
        "[x]\ntrain = ['--alpha', '2']": "variant x: --alpha: expected",
        "[x]\ntrain = ['--nonsense']": "variant x: a command does not take its words: --student",
        "[x.students]\ntransformer = []": "variant x: it has words for 'transformer', which is none of --students",
    }.items():
        variants.write_text(content)
        assert said in refusal(capsys, main, "--variants", variants, "--output", tmp_path / "out")
    assert "--only-fold: expected" in refusal(capsys, main, "--only-fold", "5")


def words_of_a_study():
    """Return each option that a study gives its commands itself, and where a file of variants would name it."""
    rows = SimpleNamespace()
    plan = folds.Plan(Path("o"), "demo", rows, np.zeros((1, 1), np.int8), ("cnn",), 1, "best", 0, 0, 0, (Variant("x"),))
    export, *trainings = plan.steps(0, Variant("x", export=("--finetune-epochs", "1")))
    found = {("export", word) for word in export.words if word.startswith("--")} - {("export", "--finetune-epochs")}
    for training in trainings:
        own = {word for word in training.words if word.startswith("--")}
        found |= {(key, word) for key in ("train", "direct", "students.cnn") for word in own}
    return sorted(found)


@pytest.mark.parametrize(("key", "word"), words_of_a_study())
def test_words_that_the_study_sets_itself_are_refused_with_their_place(tmp_path, key, word):
    path = tmp_path / "v.toml"
    for spelt in (word, f"{word}=x", word.replace("-", "_").replace("__", "--", 1), f"--no-{word[2:]}"):
        path.write_text(f"[x]\n{key} = ['--epochs', '1', '{spelt}']")
        message = f"^--variants {path}: x: {key}: expected words that the study does not set itself, got '{spelt}'$"
        with pytest.raises(InputError, match=message):
            read_variants(path)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A tiny data set, and commands that write made-up runs: a teacher right on most rows, students on fewer."""
    rng = np.random.default_rng(0)
    names = [name for files in FILES.values() for name in files]
    for name in names:
        texts, votes = [], []
        for row in range(ROWS):
            ratings = np.clip(rng.normal(rng.normal(0, 2), 1, 8).round(), -4, 4).astype(int)
            words = " ".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 12))
            texts.append(f"{row}\t{ratings.mean()}\t{words}\r\n")
            votes.append(f"{row}\t{ratings.mean()}\t1\t{ratings.tolist()}\n")
        (tmp_path / name).write_text("".join(texts), newline="")
        (tmp_path / demo_votes.votes_file(name)).write_text("".join(votes))
    monkeypatch.setattr(demo_data, "fetch_demo_data", lambda: tmp_path)
    monkeypatch.setattr(demo_votes, "fetch_demo_votes", lambda _: tmp_path)
    ran = []

    def run(step, log):
        ran.append(step.name)
        if step.name.startswith("train"):
            write_made_up(step)

    monkeypatch.setattr(steps, "_run", run)
    monkeypatch.setattr(folds, "_baselines", made_up_baselines)
    monkeypatch.setattr(folds, "read_manifest", lambda _: SimpleNamespace(fingerprint="the fold's"))
    return ran


def write_made_up(step):
    words = dict(itertools.pairwise(step.words))
    distil = "--distil" in step.words
    fold = Path(words["--export"]).parent.parent
    rows = [json.loads(line) for line in (fold.parent / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    ids = [place for place, row in enumerate(rows) if row[fold.name] == "test"]
    labels = np.array([LABEL_NAMES.index(rows[place]["label"]) for place in ids])
    places, seed = np.array(ids), int(words["--seed"])
    right = {"teacher": places % 10 < 8, "student": places % 10 < (6 if distil else 4) + (places % 20 < seed)}
    answers = {name: np.where(each, labels, (labels + 1) % 5) for name, each in right.items()}
    write_run(
        Path(words["--workdir"]),
        answers["student"],
        student=words["--student"],
        distil=distil,
        labels=labels,
        teacher=answers["teacher"],
        label_names=LABEL_NAMES,
        example_ids=ids,
        export_fields={"fingerprint": "the fold's"},
    )


def made_up_baselines(_, test, labels, say):
    answers = np.where(test % 10 < 5, labels, (labels + 1) % 5)
    return [{"name": "simple", "answers": digits(answers), "accuracy": accuracy(labels, answers), "macro_f1": 0.5}]


def test_a_study_ends_in_tables_and_what_is_done_is_not_done_again(study, tmp_path, capsys):
    words = (
        "--dataset",
        "demo-tweets",
        "--folds",
        "3",
        "--students",
        "cnn",
        "--seeds",
        "2",
        "--output",
        tmp_path / "o",
    )
    status, said, error = call(capsys, main, *words, "--plan")
    assert (status, study) == (0, []), error
    assert "150 rows in 150 groups of near copies; 3 folds, each with" in said
    assert "15 commands to run" in said
    status, said, error = call(capsys, main, *words, "--only-fold", "1")
    assert status == 0, error
    assert len(study) == 5
    assert call(capsys, main, *words)[0] == 0
    assert len(study) == 15
    status, said, error = call(capsys, main, *words)
    assert (status, len(study)) == (0, 15), error
    numbers = json.loads((tmp_path / "o" / "summary.json").read_text())
    (found,) = numbers["variants"]
    assert (found["rows"], found["folds"], found["best_baseline"]) == (150, [0, 1, 2], "simple")
    cnn = found["students"]["cnn"]
    places = np.arange(150)
    own, direct = (np.mean([places % 10 < most + (places % 20 < seed) for seed in (0, 1)]) for most in (6, 4))
    assert_close(cnn["kept"]["value"], own / 0.8, terms=10, why="a mean and a ratio")
    assert_close(cnn["gap_closed"]["value"], (own - direct) / (0.8 - direct), terms=10, why="means and a ratio")
    assert_close(cnn["over_baseline"]["value"], own - 0.5, terms=10, why="a difference of means")
    assert cnn["kept"]["low"] < cnn["kept"]["value"] < cnn["kept"]["high"]
    assert len(cnn["kept_by_fold"]) == 3
    page = (tmp_path / "o" / "summary.md").read_text()
    for line in ("| Teacher | 0.800", "| CNN, distilled |", "| simple | 0.500", "## What a reader can reach"):
        assert line in page
    assert "8 to 8 raters each" in said


def test_a_command_that_changed_or_that_was_interrupted(study, tmp_path, capsys, monkeypatch):
    words = ("--dataset", "demo-tweets", "--folds", "2", "--students", "cnn", "--output", tmp_path / "o")
    run = steps._run

    def interrupted(step, log):
        if "cnn-distil" in step.name:
            raise Interrupted("interrupted; what is done is kept, and the same command goes on")
        run(step, log)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "_run", interrupted)
        assert call(capsys, main, *words)[0] == 130
    assert len(study) == 2
    assert call(capsys, main, *words)[0] == 0
    assert len(study) == 6
    assert "it holds other rows or folds than" in refusal(capsys, main, *words[:2], "--folds", "3", *words[4:])
    said = refusal(capsys, main, *words, "--recipe", "notebook")
    assert "was done by another command" in said
    assert len(study) == 6


@pytest.mark.parametrize(
    ("before", "now"), [("--augment 2", "--augment 3"), ("--recipe notebook", ""), ("--seeds 2", ""), ("", "--seeds 2")]
)
def test_folds_made_with_other_settings_are_named_and_left_out_of_the_tables(study, tmp_path, capsys, before, now):
    words = ("--dataset", "demo-tweets", "--folds", "3", "--students", "cnn", "--output", tmp_path / "o")
    for fold in ("0", "2"):
        assert call(capsys, main, *words, *before.split(), "--only-fold", fold)[0] == 0
    status, said, error = call(capsys, main, *words, *now.split(), "--only-fold", "1")
    assert status == 0, error
    line = "Folds made with other settings are left out (default: folds 0, 2): this command with --only-fold 0 2 makes"
    page = (tmp_path / "o" / "summary.md").read_text()
    assert said.count(line) == page.count(line) == 1
    (found,) = json.loads((tmp_path / "o" / "summary.json").read_text())["variants"]
    alone = json.loads((tmp_path / "o" / "results" / "default" / "fold-1.json").read_text())
    assert (found["folds"], found["rows"]) == ([1], len(alone["labels"]))
    assert f"folds 1), {len(alone['labels'])} of 150" in page
    if "--seeds" in before + now:  # the other folds' commands are the same, so that they are made again
        assert call(capsys, main, *words, *now.split())[0] == 0
        (found,) = json.loads((tmp_path / "o" / "summary.json").read_text())["variants"]
        assert (found["folds"], found["rows"]) == ([0, 1, 2], 150)
        assert "left out" not in (tmp_path / "o" / "summary.md").read_text()


def test_students_of_another_export_give_no_results(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(folds, "read_manifest", lambda _: SimpleNamespace(fingerprint="made anew"))
    words = ("--dataset", "demo-tweets", "--folds", "2", "--students", "cnn", "--output", tmp_path / "o")
    assert "seed-0: it was trained on another export than the fold's is now" in refusal(capsys, main, *words)
    assert not (tmp_path / "o" / "results").exists()


def test_results_of_other_rows_are_not_taken_for_done(study, tmp_path, capsys):
    words = ("--dataset", "demo-tweets", "--folds", "2", "--students", "cnn", "--output", tmp_path / "o")
    assert call(capsys, main, *words)[0] == 0
    (tmp_path / "o" / "rows.jsonl").unlink()
    assert "its test rows are not those of the fold" in refusal(capsys, main, *words, "--split-seed", "1")


def test_a_summary_of_a_study_of_before_is_replaced_and_no_page_of_another(study, tmp_path, capsys):
    words = ("--dataset", "demo-tweets", "--folds", "2", "--students", "cnn", "--output", tmp_path / "o")
    assert call(capsys, main, *words)[0] == 0
    numbers, page = tmp_path / "o" / "summary.json", tmp_path / "o" / "summary.md"
    written = json.loads(numbers.read_text())
    assert written.pop("beside") == ["summary.md"]
    numbers.write_text(json.dumps(written))
    assert call(capsys, main, *words)[0] == 0
    numbers.write_text(json.dumps(written))
    for others in ("# demo, cross-validated\n", "my own notes", "# demo-tweets, cross-validated again\n"):
        page.write_text(others)
        assert f"{page}: expected no such file" in refusal(capsys, main, *words, "--plan")
        assert page.read_text() == others


def test_variants_are_compared_row_by_row_and_a_direct_student_is_trained_once(study, tmp_path, capsys):
    (tmp_path / "v.toml").write_text("[one]\n[two]\ntrain = ['--alpha', '0.5']\n")
    words = ("--dataset", "demo-tweets", "--folds", "2", "--students", "cnn", "--output", tmp_path / "o")
    status, said, error = call(capsys, main, *words, "--variants", tmp_path / "v.toml")
    assert status == 0, error
    assert len(study) == 2 * (1 + 1 + 2)  # an export, a student of labels, and a distilled one of each variant
    assert "two less one" in said
    assert "+0.0 (+0.0 to +0.0)" in said
    assert "; 12 copies of each training text; " in (tmp_path / "o" / "summary.md").read_text(encoding="utf-8")
    (tmp_path / "v.toml").write_text("[one]\n[two]\nexport = ['--augment', '2']\n")
    status, _, error = call(capsys, main, *words[:-1], tmp_path / "p", "--variants", tmp_path / "v.toml")
    assert status == 0, error
    page = (tmp_path / "p" / "summary.md").read_text(encoding="utf-8")
    assert "; 12 (one), 2 (two) copies of each training text; " in page


def test_a_failing_command_is_told_with_the_end_of_its_log(tmp_path):
    step = steps.Step("export x", "export", ("-c",), ("import sys; print('error: no such file'); sys.exit(2)",))
    with pytest.raises(InputError, match="export x: error: no such file"):
        steps.Steps(tmp_path).run(step, print)
    crash = steps.Step("train x", "train", ("-c",), ("1/0",))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        steps.Steps(tmp_path).run(crash, print)
    assert not (tmp_path / steps.DONE).exists()


def pooled(rng, rows=600, copies=1):
    """Return the answers of a teacher, a student and its twin of labels, each right with a chance of its own."""
    groups = np.arange(rows) // copies
    labels = np.zeros(rows, np.int64)
    chances = {TEACHER: 0.8, "cnn": 0.4, "cnn-distil": 0.6}
    right = {name: (rng.random(rows // copies) < chance)[groups] for name, chance in chances.items()}
    answers = {name: np.where(each, 0, 1)[None] for name, each in right.items()}
    return Pooled(np.arange(rows) % 3, groups, labels, answers)


def test_intervals_are_those_of_groups_and_paired():
    single, fourfold = pooled(np.random.default_rng(0)), pooled(np.random.default_rng(0), copies=4)
    draws = [group_means(each.right("cnn"), each.groups) for each in (single, fourfold)]
    widths = [np.ptp(np.quantile(each, [0.025, 0.975])) for each in draws]
    assert 1.6 < widths[1] / widths[0] < 2.4  # a fourth as many things to draw: twice as wide
    expected = 2 * 1.96 * np.sqrt(0.4 * 0.6 / 600)
    assert 0.85 * expected < widths[0] < 1.15 * expected
    scores = score_student(single, "cnn", None)
    own, direct, teacher = (single.accuracy(name) for name in ("cnn-distil", "cnn", TEACHER))
    assert scores.kept.value == own / teacher
    assert scores.gap_closed.value == (own - direct) / (teacher - direct)
    assert scores.over_baseline is None
    same = compare(single, single, "cnn-distil")
    assert (same.accuracy.low, same.accuracy.high, same.kept.low, same.kept.high) == (0, 0, 0, 0)


def test_the_ceiling_lies_between_what_half_of_the_raters_know_and_what_all_do():
    cuts = np.array([-1.5, -0.5, 0.5, 1.5])
    agreed = measure_ceiling([[2] * 9, [-2] * 8, [0] * 5], cuts)
    np.testing.assert_array_equal(agreed.halves, 1)
    np.testing.assert_array_equal(agreed.known, 1)
    assert agreed.raters == (5, 8, 9)
    rng = np.random.default_rng(0)
    ratings = [rng.normal(mean, 2, rng.integers(6, 20)).round() for mean in rng.normal(0, 1, 200)]
    votes = [np.clip(each, -4, 4).astype(int).tolist() for each in ratings]
    found = measure_ceiling(votes, cuts)
    assert (found.halves.mean(axis=1) > 0.2).all()
    assert (found.halves.mean(axis=1) + 0.1 < found.known.mean(axis=1)).all()
    assert (found.known < 1).any()
