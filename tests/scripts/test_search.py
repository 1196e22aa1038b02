"""``python -m scripts.search``: trials are stored and gone on with; the test split is never read."""

import contextlib
import io
import json
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from command_lines import call, python, refusal
from distill_jax import train
from distill_jax.data.examples import drawn_rows, read_examples
from distill_jax.errors import InputError, Interrupted
from distill_jax.export.format import read_manifest
from distill_jax.inference.logits import predict_logits
from distill_jax.inference.predictor import Predictor
from distill_jax.metrics.calibration import divergence
from distill_jax.runs.checkpoints import Snapshot
from distill_jax.runs.folder import read_run
from distill_jax.students.student import Student
from distill_jax.training.fit import NonFiniteLossError, fit
from scripts.search import objective, space
from scripts.search.command_line import main
from scripts.search.data import read_data
from scripts.search.space import Whole
from scripts.search.study import open_study
from search_helpers import SMALL_SPACE, SPLITS, write_split_export
from tiny_export import write_tiny_export
from tolerances import OF_LOGITS, assert_close


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export with every split."""
    return write_split_export(tmp_path_factory.mktemp("exports") / "split")


@pytest.fixture(scope="module")
def without_test(tmp_path_factory, export):
    """The same export with its test split's parts gone."""
    folder = tmp_path_factory.mktemp("exports") / "split"
    shutil.copytree(export, folder)
    shutil.rmtree(folder / "test")
    return folder


@pytest.fixture(autouse=True)
def _small_space(monkeypatch):
    monkeypatch.setitem(space.SPACES, "fasttext", SMALL_SPACE)


@pytest.fixture(scope="module")
def searched(tmp_path_factory, without_test):
    """A study of two trials, and what the command printed."""
    study = tmp_path_factory.mktemp("studies") / "linear.db"
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
        patch.setitem(space.SPACES, "fasttext", SMALL_SPACE)
        main(_arguments(without_test, study, "--trials", "2"))
    return study, output.getvalue()


@pytest.fixture
def study(tmp_path, searched):
    """A copy of that study."""
    return shutil.copy(searched[0], tmp_path / "linear.db")


def _arguments(export, study, *options):
    return ["--student", "fasttext", "--export", str(export), "--study", str(study), *options]


def _trials(study):
    storage = optuna.storages.RDBStorage(f"sqlite:///{study}")
    found = optuna.load_study(study_name=None, storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    return found


def _printed_command(output):
    command = output.partition("train it with:\n\n")[2].replace("\\\n", " ")
    return shlex.split(command)


def _never(*_, **__):
    pytest.fail("trained")


def test_it_starts_from_the_recipe_and_stores_every_trial(searched):
    study, output = searched
    first, second = _trials(study)
    assert [first.state, second.state] == [TrialState.COMPLETE] * 2
    assert first.user_attrs["recipe"]
    assert first.params["learning_rate"] == 0.5
    assert (first.params["soft_loss"], first.params["temperature"], first.params["transfer_share"]) == ("kl", 1.0, 1.0)
    assert first.user_attrs["bytes"] == 4 * (64 * 8 + 8 * 3 + 3)
    assert second.params != first.params
    assert "120 training and 90 transfer rows, scored on 60 validation rows" in output
    scores = f"divergence {first.value:.4f}, macro F1 {first.user_attrs['f1_macro']:.4f}"
    assert f"trial 0: {scores}, 2 epochs, 0.0 MB, the recipe's own settings" in output
    assert "the best of 2 trials, 2 of them trained to the end" in output
    assert "trial 0 (recipe)" in output


def test_the_printed_command_gives_the_trial_s_score(capsys, tmp_path, searched, export):
    study, output = searched
    words = _printed_command(output)
    assert words[:3] == ["python", "-m", "distill_jax.train"]
    assert words[-1] == str(study.with_suffix(""))
    words[words.index("--export") + 1], words[-1] = str(export), str(tmp_path / "run")
    assert call(capsys, train.main, *words[3:])[0] == 0
    best = min(_trials(study), key=lambda trial: trial.value)
    run, manifest = read_run(tmp_path / "run"), read_manifest(export)
    assert run.history["validation_f1_macro"][run.metrics["kept_epoch"]] == best.user_attrs["f1_macro"]
    validation = read_examples(export, manifest, "validation")
    trained = Predictor.load(run.folder)
    logits = predict_logits(Student(trained.config), trained.weights(), validation.tokens, validation.length)
    assert_close(divergence(validation.teacher_logits, logits), best.value, **OF_LOGITS, scale=np.abs(logits).max())


def test_the_trials_after_the_recipe_are_its_neighbours(searched):
    study, _ = searched
    first, second = _trials(study)
    assert second.user_attrs["neighbour"] == 0
    shared = set(first.params) & set(second.params)
    assert 1 <= sum(first.params[name] != second.params[name] for name in shared) <= 2


def test_the_same_command_again_adds_trials_that_differ(capsys, study, without_test):
    status, output, _ = call(capsys, main, *_arguments(without_test, study, "--trials", "1"))
    assert status == 0
    assert f"going on with {study}: 2 finished trials" in output
    trials = _trials(study)
    assert len(trials) == 3
    assert trials[2].params not in [trials[0].params, trials[1].params]


def test_the_test_split_is_never_opened(capsys, tmp_path, export, monkeypatch):
    damaged = tmp_path / "damaged"
    shutil.copytree(export, damaged)
    (damaged / "test/part-00000.npz").write_bytes(b"damaged")
    seen = []

    def watched(*arguments, **options):
        seen.append(options)
        return fit(*arguments, **options)

    monkeypatch.setattr(objective, "fit", watched)
    assert call(capsys, main, *_arguments(damaged, tmp_path / "s.db", "--trials", "1"))[0] == 0
    assert seen[0].get("test") is None
    assert len(seen[0]["validation"]) == SPLITS["validation"]
    assert (damaged / "test/part-00000.npz").read_bytes() == b"damaged"


@pytest.mark.parametrize(
    ("options", "name"),
    [(["--rows", "100"], "rows is 50000, this one's is 100"), (["--seed", "3"], "seed is 0"),
     (["--max-bytes", "99999"], "max_bytes is None, this one's is 99999"),
     (["--student", "cnn"], "student is 'fasttext', this one's is 'cnn'")],
)  # fmt: skip
def test_another_search_s_study_is_refused(capsys, study, without_test, monkeypatch, options, name):
    monkeypatch.setattr(objective, "fit", _never)
    words = _arguments(without_test, study)
    option, value = options
    if option in words:
        words[words.index(option) + 1] = value
    else:
        words += options
    message = refusal(capsys, main, *words)
    assert f"study {study}: it belongs to another search: its " in message
    assert name in message
    assert len(_trials(study)) == 2


def test_another_export_s_and_another_space_s_study_is_refused(capsys, study, without_test, tmp_path, monkeypatch):
    other = write_split_export(tmp_path / "other", {**SPLITS, "train": 30})
    assert "its export.fingerprint is '" in refusal(capsys, main, *_arguments(other, study))
    monkeypatch.setitem(space.SPACES, "fasttext", {**SMALL_SPACE, "epochs": space.Whole(1, 3)})
    assert "its space.epochs.high is 2, this one's is 3" in refusal(capsys, main, *_arguments(without_test, study))


def test_a_student_that_is_too_large_is_not_trained(capsys, tmp_path, without_test, monkeypatch):
    widths = []

    def watched(student, *arguments, **options):
        widths.append(student.config.embedding_dim)
        return fit(student, *arguments, **options)

    monkeypatch.setattr(objective, "fit", watched)
    smaller = 4 * (64 * 4 + 4 * 3 + 3)
    options = ["--trials", "1", "--max-bytes", str(smaller)]
    status, output, _ = call(capsys, main, *_arguments(without_test, tmp_path / "s.db", *options))
    assert status == 0
    assert "trial 0: 0.0 MB, too large, not trained" in output
    assert widths == [4]
    first, *others = _trials(tmp_path / "s.db")
    assert first.state == TrialState.PRUNED
    assert others[-1].params["embedding_dim"] == 4
    message = refusal(capsys, main, *_arguments(without_test, tmp_path / "t.db", "--max-bytes", str(smaller - 1)))
    assert f"--max-bytes {smaller - 1}: the smallest fasttext of the search has {smaller} bytes" in message
    assert not (tmp_path / "t.db").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_keeps_the_finished_trials_and_says_how_to_go_on(capsys, study, without_test, monkeypatch, times):
    def interrupted(*_, should_stop, **__):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        assert should_stop()
        raise Interrupted("interrupted in epoch 1")

    monkeypatch.setattr(objective, "fit", interrupted)
    arguments = _arguments(without_test, study, "--trials", "1")
    status, _, error = call(capsys, main, *arguments)
    assert status == 130
    assert "Traceback" not in error
    assert f"interrupted; 2 finished trials are kept in {study}. Go on with:" in error
    assert shlex.split(error.splitlines()[-1]) == ["python", "scripts/search", *arguments]
    monkeypatch.undo()
    monkeypatch.setitem(space.SPACES, "fasttext", SMALL_SPACE)
    assert call(capsys, main, *arguments)[0] == 0
    *_, given_up, again = _trials(study)
    assert (given_up.state, again.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert again.params == given_up.params


def test_a_trial_that_the_time_ran_out_on_is_the_first_of_the_next_search(capsys, study, without_test, monkeypatch):
    def out_of_time(*_, **__):
        raise Interrupted("interrupted")

    monkeypatch.setattr(objective, "fit", out_of_time)
    status, output, _ = call(capsys, main, *_arguments(without_test, study, "--trials", "1"))
    assert status == 0
    assert "trial 2: given up in the middle; it is the first of the next search" in output
    assert "the best of 2 trials" in output
    *_, given_up, waiting = _trials(study)
    assert waiting.state == TrialState.WAITING
    assert waiting.system_attrs["fixed_params"] == given_up.params


def test_without_time_for_one_trial_it_says_so(capsys, tmp_path, without_test, monkeypatch):
    monkeypatch.setattr(objective, "fit", _never)
    message = refusal(capsys, main, *_arguments(without_test, tmp_path / "s.db", "--minutes", "1e-9"))
    assert "no trial was trained to its end yet; run the same command again, with more --minutes" in message


def test_a_trial_that_diverges_is_a_bad_one_and_the_search_goes_on(capsys, study, without_test, monkeypatch):
    def diverging(*_, **__):
        raise NonFiniteLossError("the loss became nan")

    monkeypatch.setattr(objective, "fit", diverging)
    status, output, _ = call(capsys, main, *_arguments(without_test, study, "--trials", "2"))
    assert status == 0
    assert "trial 3: diverged in epoch 1" in output
    assert [trial.state for trial in _trials(study)[2:]] == [TrialState.PRUNED] * 2


def test_a_killed_trial_is_tried_once_more(study):
    identity = _identity(study)
    params = []
    for _ in range(2):
        with open_study(study, identity, {}, 0) as opened:
            trial = opened.ask()
            params.append((trial.suggest_float("alpha", 0.0, 0.5, step=0.1), dict(trial.user_attrs)))
    assert params[0][0] == params[1][0]
    assert params[1][1] == {"killed": True}
    with open_study(study, identity, {}, 0) as opened:
        assert not opened.get_trials(states=(TrialState.WAITING, TrialState.RUNNING))


def _identity(study):
    with contextlib.closing(sqlite3.connect(study)) as database:
        rows = dict(database.execute("SELECT key, value_json FROM study_user_attributes"))
    return json.loads(rows["search"])


def test_a_study_of_another_score_is_refused(capsys, study, without_test):
    """Before trials were scored by divergence the higher score was the better one."""
    before = {name: value for name, value in _identity(study).items() if name != "score"}
    with contextlib.closing(sqlite3.connect(study)) as database, database:
        changed = "UPDATE study_user_attributes SET value_json = ? WHERE key = 'search'"
        database.execute(changed, (json.dumps(before),))
    message = refusal(capsys, main, *_arguments(without_test, study))
    assert "it belongs to another search: its score is None, this one's is 'divergence'" in message


def test_two_searches_do_not_share_a_study(capsys, study, without_test):
    with open_study(study, _identity(study), {}, 0):
        message = refusal(capsys, main, *_arguments(without_test, study))
    assert f"study {study}: another process is writing it" in message


def test_files_that_are_no_study_are_left_as_they_are(capsys, tmp_path, without_test):
    (tmp_path / "notes.txt").write_text("mine, and longer than the header of a database: " + "text " * 30)
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("CREATE TABLE films (name TEXT)")
    for name, words in (("notes.txt", "got another file"), ("other.db", "got another database"), (".", "a folder")):
        before = (tmp_path / name).read_bytes() if name != "." else None
        assert words in refusal(capsys, main, *_arguments(without_test, tmp_path / name))
        assert before is None or (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("names", [["theirs"], ["distill-jax", "theirs"], [""]])
def test_another_program_s_studies_are_left_as_they_are(capsys, tmp_path, without_test, names):
    path = tmp_path / "theirs.db"
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    for name in names:
        optuna.create_study(storage=storage, study_name=name)
    storage.remove_session()
    storage.engine.dispose()
    before = path.read_bytes()
    sentence = refusal(capsys, main, *_arguments(without_test, path, "--trials", "1"))
    assert f"expected a study of this program alone, got the studies {', '.join(map(repr, names))};" in sentence
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["theirs.db"]


_KILLED_WRITER = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")  # so that half of it gets to the disk
database.execute("BEGIN")
for number in range(500):
    row = (1, number, "x" * 999)
    database.execute("INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (?, ?, ?)", row)
os._exit(0)
"""


def test_a_study_whose_writer_was_killed_is_gone_on_with(capsys, tmp_path, without_test):
    path = tmp_path / "study.db"
    words = _arguments(without_test, path, "--trials", "1")
    assert call(capsys, main, *words)[0] == 0
    subprocess.run([sys.executable, "-c", _KILLED_WRITER, str(path)], check=True)
    assert (tmp_path / "study.db-journal").stat().st_size > 0
    status, said, _ = call(capsys, main, *words)
    assert (status, "going on with" in said) == (0, True)
    assert not (tmp_path / "study.db-journal").exists()


def test_an_export_without_validation_split_is_refused(capsys, tmp_path, tiny_export):
    message = refusal(capsys, main, *_arguments(tiny_export, tmp_path / "s.db"))
    assert "it has no validation split" in message
    assert "python -m teacher_export --output FOLDER --validation-fraction 0.1" in message
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_not_there_is_refused_with_the_command_that_makes_it(capsys, tmp_path):
    export = tmp_path / "my exports" / "best"
    message = refusal(capsys, main, *_arguments(export, tmp_path / "s.db"))
    assert f"make it with python -m teacher_export --output '{export}' --validation-fraction 0.1" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--minutes", "0"], "--minutes: expected a number more than 0"),
        (["--trials", "0"], "--trials: expected a number at least 1"),
        (["--rows", "0"], "--rows: expected a number at least 1"),
        (["--seed", "-1"], "--seed: expected a number at least 0"),
        (["--max-bytes", "0"], "--max-bytes: expected a number at least 1"),
    ],
)
def test_options_out_of_range_are_one_sentence(capsys, tmp_path, without_test, options, message):
    assert message in refusal(capsys, main, *_arguments(without_test, tmp_path / "s.db", *options))
    assert list(tmp_path.iterdir()) == []


def test_without_optuna_it_says_what_to_install(capsys, tmp_path, without_test, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    message = refusal(capsys, main, *_arguments(without_test, tmp_path / "s.db"))
    assert message == (
        'searching needs the extra search: python -m pip install "distill-jax[search]" (optuna is not installed)'
    )


def test_rows_are_drawn_from_train_and_transfer_split_alike(without_test):
    manifest = read_manifest(without_test)
    data = read_data(without_test, manifest, 105, seed=0)
    assert len(data.train) + len(data.transfer) == 105
    assert 45 <= len(data.train) <= 75  # of 120 and 90
    assert len(data.validation) == SPLITS["validation"]
    assert read_data(without_test, manifest, 105, 0).train.example_ids.tolist() == data.train.example_ids.tolist()
    assert len(read_data(without_test, manifest, 10**9, 0).train) == SPLITS["train"]
    unlucky = next(seed for seed in range(20) if drawn_rows(210, 1, seed)[0] >= SPLITS["train"])
    with pytest.raises(InputError, match="--rows 1: too few, no training row is among them"):
        read_data(without_test, manifest, 1, unlucky)


class _Reports:
    """Takes the place of a trial: what was reported, and a fixed opinion on it."""

    def __init__(self, *, prune):
        self.reported, self._prune = {}, prune

    def report(self, score, step):
        self.reported[step] = score

    def should_prune(self):
        return self._prune


def _snapshot(scores):
    """A snapshot whose parameters are its last epoch's score."""
    return Snapshot(scores[-1], [], len(scores), 0, np.zeros(0), np.zeros(0), np.zeros((len(scores), 10)), 0.0)


@pytest.mark.parametrize(
    ("epochs", "reported"),
    [(1, {1: 0, 2: 0, 3: 0, 4: 0}), (3, {1: 0, 2: 1, 3: 2, 4: 2}), (4, {1: 0, 2: 1, 3: 2, 4: 3}),
     (6, {1: 1, 2: 2, 3: 4, 4: 5}), (12, {1: 2, 2: 5, 3: 8, 4: 11})],
)  # fmt: skip
def test_each_quarter_of_a_training_is_reported_once(epochs, reported):
    trial = _Reports(prune=False)
    watch = objective._Watch(trial, epochs, float, "divergence")
    for done in range(1, epochs + 1):
        watch(_snapshot(list(range(done))))
        watch(_snapshot(list(range(done))))  # stopped in the next epoch: nothing new
    assert trial.reported == reported


def test_a_training_without_prospects_ends_but_not_one_that_is_done():
    with pytest.raises(optuna.TrialPruned, match=r"pruned after epoch 1 of 2 at a divergence of 0\.2500"):
        objective._Watch(_Reports(prune=True), 2, float, "divergence")(_snapshot([0.25]))
    objective._Watch(_Reports(prune=True), 1, float, "divergence")(_snapshot([0.25]))


_HELP = """
import runpy, sys
sys.argv = ["search", "--help"]
try:
    runpy.run_module("scripts.search", run_name="__main__")
except SystemExit as exit_:
    assert not exit_.code, exit_.code
print([name for name in ("jax", "optuna", "sqlalchemy", "pandas") if name in sys.modules])
"""


def test_help_imports_no_framework():
    output = python(_HELP)
    assert output.splitlines()[-1] == "[]"
    assert "usage: python -m scripts.search" in output


def test_trials_learn_from_hints_where_the_recipe_does(tmp_path, monkeypatch):
    folder = write_tiny_export(tmp_path / "e", 60, 40, 200, transfer_rows=30, validation_rows=120, hint_width=3)
    small = {"embedding_dim": Whole(4, 8, 4), "hidden": Whole(4, 8, 4), "epochs": Whole(1, 2)}
    monkeypatch.setitem(space.SPACES, "bilstm", {**space.SPACES["bilstm"], **small})
    seen, plain = [], objective.fit

    def noted(*given, **named):
        seen.append((named["config"].hint_weight, named["train"].hints))
        return plain(*given, **named)

    monkeypatch.setattr(objective, "fit", noted)
    main(["--student", "bilstm", "--export", str(folder), "--study", str(tmp_path / "s.db"), "--trials", "1"])
    assert [weight for weight, _ in seen] == [0.3]
    assert all(hints.ids.shape[1] == 3 for _, hints in seen)
