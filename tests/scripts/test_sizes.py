"""The study of sizes: what its cases are, and all of it once on a tiny export."""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill_jax.data.exports import Export
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.runs import seed_scores
from distill_jax.train import main as train_main
from run_folders import LABELS, write_run
from scripts.ablation.results import Spread
from scripts.sizes import command_line
from scripts.sizes.cases import RARE, Case, cases_of, joined_halves, make, own
from scripts.sizes.results import ACCURACY, MACRO_F1, Row, markdown, student_scores
from tiny_export import write_tiny_export
from tolerances import AGREEMENT


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes") / "tiny"
    return write_tiny_export(folder, transfer_rows=200, validation_rows=50)


def test_a_case_is_an_export_of_fewer_rows_or_of_other_classes(export, tmp_path):
    whole = Export.open(export)
    few = make(Case(export, rows=66), tmp_path / "few")
    assert (len(few.train), len(few.validation), len(few.test)) == (66, 10, len(whole.test))
    drawn = dict(zip(whole.train.example_ids.tolist(), whole.train.teacher_logits, strict=True))
    for row, logits in zip(few.train.example_ids.tolist(), few.train.teacher_logits, strict=True):
        assert np.array_equal(logits, drawn[row])
    assert make(Case(export, rows=66), tmp_path / "few").manifest.fingerprint == few.manifest.fingerprint
    other = write_tiny_export(tmp_path / "other" / "tiny", transfer_rows=100, validation_rows=50)
    with pytest.raises(InputError, match=r"few: it was made of another export than .*tiny is now"):
        make(Case(other, rows=66), tmp_path / "few")
    rare = make(Case(export, rare=True), tmp_path / "rare")
    assert rare.label_names == ("lower half", "upper half")
    counts = np.bincount(rare.train.labels)
    assert counts[1] == counts[0] // RARE
    assert [case.key for case in cases_of([export], [900, 66])] == [
        "tiny-66", "tiny-all", "tiny-all-halves", "tiny-all-rare"
    ]  # fmt: skip


def test_joined_halves_have_the_sums_of_their_classes_probabilities(export):
    rows = Export.open(export).test
    joined = joined_halves(rows, 3)

    def of_first(logits):
        shares = np.exp(logits)
        return shares[:, 0] / shares.sum(axis=1)

    assert of_first(joined.teacher_logits) == pytest.approx(of_first(rows.teacher_logits), rel=AGREEMENT)
    assert np.array_equal(joined.labels, rows.labels > 0)


def test_a_copy_of_a_row_is_known_by_its_pairs_of_tokens():
    rows = Ragged.of([[2, 10, 11, 12, 13, 14, 3], [2, 20, 21, 3]])
    transfer = Ragged.of([[2, 10, 11, 12, 5, 3], [2, 10, 11, 12, 13, 3], [2, 11, 10, 12, 3], [7]])
    assert own(transfer, rows).tolist() == [False, True, False, False]


def test_it_trains_what_is_missing_and_writes_the_table(export, tmp_path, monkeypatch):
    trained = []

    def run(command, **_):
        trained.append(command[3:])
        train_main([*command[3:], "--epochs", "1"])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(command_line.subprocess, "run", run)
    monkeypatch.setattr(command_line, "cases_of", lambda *_: [Case(export, rows=66)])
    words = ["--export", str(export), "--rows", "66", "--student", "fasttext", "--seeds", "2"]
    words += ["--output", str(tmp_path / "out")]
    command_line.main(words)
    assert [words[-1] for words in trained] == ["--no-transfer", "2"]  # without a transfer set, and with it
    found = json.loads((tmp_path / "out" / "sizes.json").read_text())
    assert [len(case["students"]["fasttext"]["values"]) for case in found["cases"]] == [2, 2]
    command_line.main(words)
    assert len(trained) == 2


def folder_of_seeds(folder, values, fingerprint):
    """Write a run of some seeds with these accuracies, and macro F1 of half as much."""
    write_run(folder, LABELS, student="fasttext", distil=True, export_fields={"fingerprint": fingerprint})
    first, second = (seed_scores.Spread(tuple(value / part for value in values)) for part in (1, 2))
    seed_scores.write_seeds(folder, seed_scores.SeedScores(tuple(range(len(values))), first, second))
    return folder


@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=5), asked=st.integers(2, 6))
def test_scores_are_those_of_the_first_seeds(export, values, asked):
    opened = Export.open(export)
    with tempfile.TemporaryDirectory() as place:
        folder = folder_of_seeds(Path(place, "run"), tuple(values), opened.manifest.fingerprint)
        found = [student_scores(folder, opened, metric, asked) for metric in (ACCURACY, MACRO_F1)]
    if asked > len(values):
        assert found == [None, None]
    else:
        assert found[0].values == tuple(values[:asked])
        assert found[1].values == tuple(value / 2 for value in values[:asked])


@pytest.mark.parametrize("asked", [2, 3])
def test_scores_of_another_export_are_refused(export, tmp_path, asked):
    folder = folder_of_seeds(tmp_path / "run", (0.5, 1.0), "another")
    with pytest.raises(InputError, match=r"run: it was trained on another export than .*tiny is now; .* or delete it"):
        student_scores(folder, Export.open(export), ACCURACY, asked)


def test_an_export_made_anew_is_no_other_than_its_students_are_of(export, tmp_path, monkeypatch):
    monkeypatch.setattr(command_line, "_train", lambda *_, **__: pytest.fail("a training began"))
    monkeypatch.setattr(command_line, "cases_of", lambda *_: [Case(export, rows=66)])
    words = ["--export", str(export), "--student", "fasttext", "--seeds", "2", "--output", str(tmp_path)]
    folder_of_seeds(tmp_path / "tiny-66" / "fasttext", (1.0, 1.0), "another")
    with pytest.raises(InputError, match=r"fasttext: it was trained on another export"):
        command_line.main(words)
    assert not (tmp_path / "sizes.json").exists()


def test_the_table_shows_who_is_no_less_than_both_baselines(export):
    others = {"labels": 0.51, "logits": 0.5, "teacher": 0.6}
    students = {"cnn": Spread((0.5, 0.52)), "fasttext": Spread((0.50, 0.51))}
    row = Row(Case(export), 3, 330, 0, "accuracy", others, students)
    line = markdown([row], ["fasttext", "cnn", "bilstm"], 2).splitlines()[-1]
    assert line.endswith("| 0.510 | 0.500 | 0.505 ± 0.007 | **0.510 ± 0.014** | – |")
