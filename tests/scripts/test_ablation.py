"""The ablation: its variants and their commands, its tables and chart, and all of it once on a tiny export."""

import dataclasses
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from command_lines import call, refusal
from distill_jax.errors import InputError
from distill_jax.export.writer import ExportWriter
from distill_jax.reporting.chart_style import png
from distill_jax.runs.folder import read_run
from distill_jax.train import parse
from scripts.ablation import command_line, worker
from scripts.ablation.curve_chart import curve_chart, curve_frame
from scripts.ablation.results import Row, RunScores, Spread, Teacher
from scripts.ablation.tables import cells, header, markdown, show
from scripts.ablation.trainings import Place, train_all
from scripts.ablation.variants import Recipe, Variant, group_variants, whole, words
from tiny_export import WORDS, tiny_header, tiny_part, tiny_tokenizer

TEACHER = Teacher(0.6, 0.59, 1000)
FASTTEXT, CNN = (Recipe.of(student, 1000, 16_000) for student in ("fasttext", "cnn"))


def parsed(recipe, variant):
    """Return the training's configuration and the student's options that a variant's words stand for."""
    arguments = parse(words(recipe, variant))
    return dataclasses.asdict(arguments.train) | arguments.student.options()


def row(title, *accuracies, changes=None, texts=None, diverged=()):
    """Return a row with as many of 100 test texts right, the first ones, as each seed's accuracy says."""
    runs = {
        seed: RunScores(np.arange(100) < round(100 * value), value - 0.01, value + 0.01, 1.0)
        for seed, value in enumerate(accuracies)
        if seed not in diverged
    }
    commands = {seed: f"train {title} {seed}" for seed in range(len(accuracies))}
    return Row(Variant("curve", title, changes or {}, texts), runs, dict.fromkeys(diverged, "infinite"), commands)


WHOLE = row("whole recipe", 0.50, 0.52, 0.54)


@pytest.mark.parametrize("recipe", [FASTTEXT, CNN], ids=lambda recipe: recipe.student)
@pytest.mark.parametrize("group", ["take-away", "alone", "curve", "loss", "steps"])
def test_every_variant_is_a_command_that_changes_what_it_says_and_nothing_else(recipe, group):
    reference = parsed(recipe, whole(recipe))
    for variant in group_variants(recipe, group):
        found = parsed(recipe, variant)
        if variant.changes.get("distil") is False:
            assert not found["distil"]
            assert found["embeddings"] == reference["embeddings"]
            continue
        assert {name: value for name, value in found.items() if value != reference[name]} == dict(variant.changes)


def test_take_away_and_alone_name_the_parts_that_the_student_has():
    titles = {recipe.student: [v.title for v in group_variants(recipe, "take-away")] for recipe in (FASTTEXT, CNN)}
    assert "no n-grams" in titles["fasttext"]
    assert "no n-grams" not in titles["cnn"]
    assert {"no transfer set", "random embeddings", "labels only", "no shuffling"} < set(titles["cnn"])
    alone = group_variants(FASTTEXT, "alone")
    assert alone[0].title == "plain baseline"
    added = {variant.title: set(alone[0].changes) - set(variant.changes) for variant in alone[1:-1]}
    assert added["+ transfer set"] == {"transfer", "transfer_passes"}
    assert added["+ teacher's embeddings"] == {"embeddings"}
    assert added["+ n-grams"] == {"ngrams", "buckets"}
    assert "schedule" in added["+ cosine schedule"]
    assert any(title.startswith("+ KL") and names == {"soft_loss", "alpha"} for title, names in added.items())


def test_the_same_training_in_two_tables_is_one_folder():
    keys = [variant.key for group in ("take-away", "curve", "loss") for variant in group_variants(CNN, group)]
    assert len(set(keys)) == len(keys) - 4  # the recipe stands in all three; no transfer set and MSE each in two
    assert len({variant.key for variant in group_variants(CNN, "loss")}) == 8


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("student", ["fasttext", "cnn", "bilstm"])
def test_the_losses_hold_the_recipe_s_own_once(student, quick):
    recipe = Recipe.of(student, 1000, 16_000, quick=quick)
    keys = [variant.key for variant in group_variants(recipe, "loss")]
    assert keys.count(whole(recipe).key) == 1
    assert len(set(keys)) == len(keys)


def test_the_curve_counts_texts_and_as_many_steps_means_more_epochs():
    assert [variant.texts for variant in group_variants(CNN, "curve")] == [0, 1000, 2000, 4000, 8000, 16_000]
    assert group_variants(CNN, "steps")[2].changes["epochs"] == CNN.values["epochs"] + 2 * 16


def test_numbers_are_shown_with_their_spread_where_there_is_one():
    assert show(Spread((0.5, 0.52, 0.54))) == "0.520 ± 0.020"
    assert show(Spread((0.5,))) == "0.500"
    assert show(Spread((-0.012, -0.014)), points=True) == "−1.3 ± 0.1"
    assert [show(Spread((value,)), points=True) for value in (-0.0004, 0.0, 0.0004, 0.0006)] == ["+0.0"] * 3 + ["+0.1"]
    assert show(Spread(())) == "–"


def test_a_row_is_compared_with_the_whole_recipe_seed_by_seed_and_says_which_runs_diverged():
    found = cells("take-away", row("less", 0.48, 0.49, 0.53, changes={"a": 1}), WHOLE, TEACHER)
    assert found == ["less", "0.500 ± 0.026", "0.490 ± 0.026", "83.3 %", "−2.0 ± 1.0", "−4.0 to −0.3"]
    assert cells("take-away", WHOLE, WHOLE, TEACHER)[-2:] == ["–", "–"]
    found = cells("loss", row("wild", 0.4, 0.4, 0.4, changes={"a": 2}, diverged=(0, 2)), WHOLE, TEACHER)
    assert found[:-1] == ["wild (2 of 3 diverged)", "0.410", "0.400", "0.390", "66.7 %", "−12.0"]
    assert len(header("loss")) == len(found)


def test_the_interval_is_paired_over_the_test_texts_and_of_the_seeds_that_both_have():
    rng = np.random.default_rng(0)
    rights = rng.random((2, 2000)) < [[0.5], [0.6]]
    one, other = (Row(Variant("loss", "", {}), {0: RunScores(right, 0, 0, 0)}, {}, {0: ""}) for right in rights)
    found = one.interval(other)
    more = rights[0].astype(float) - rights[1]
    error = 1.96 * more.std() / np.sqrt(2000)  # of the mean of independent differences
    assert found.value == more.mean() == pytest.approx(one.difference(other).mean)
    assert abs(found.high - found.low - 2 * error) < 0.2 * error
    assert one.interval(one).low == one.interval(one).high == 0
    twice = dataclasses.replace(one, runs={0: one.runs[0], 1: other.runs[0]})
    assert twice.interval(other) == found  # the other has no second seed
    swapped = dataclasses.replace(one, runs={0: other.runs[0], 1: one.runs[0]})
    assert twice.interval(swapped).low == twice.interval(swapped).high == 0  # on each text the seeds cancel
    assert twice.interval(dataclasses.replace(other, runs={})) is None


def test_the_page_has_every_table_and_every_command_once():
    tables = {"cnn": {"take-away": [WHOLE, row("less", 0.4, 0.4, 0.4)], "curve": [WHOLE]}}
    page = markdown(tables, {"cnn": WHOLE}, TEACHER, range(3), "exports/best")
    assert "| whole recipe | 0.520 ± 0.020 | 0.510 ± 0.020 | 86.7 % | – | – |" in page
    assert page.count("train whole recipe 0\n") == 1
    assert "train less 0\n" in page
    assert "seeds 0 to 2" in page


def test_the_curve_has_a_band_of_one_deviation_a_line_a_student_and_the_teacher():
    curve = [row(str(texts), 0.4, 0.5, texts=texts) for texts in (0, 1000, 2000)]
    frame = curve_frame({"cnn": curve, "fasttext": curve[:2]})
    np.testing.assert_allclose(frame["high"] - frame["accuracy"], np.std([0.4, 0.5], ddof=1))
    drawn = curve_chart({"cnn": curve, "fasttext": curve[:2]}, TEACHER, 500)
    assert drawn.to_dict()["layer"][1]["encoding"]["x"]["scale"] == {
        "type": "symlog", "constant": 1000, "domain": [0, 2000], "nice": False
    }  # fmt: skip
    assert png(drawn).startswith(b"\x89PNG")
    assert curve_chart({"cnn": [row("0", 0.4, texts=0, diverged=(0,))]}, TEACHER, 500) is None


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A tiny export with a transfer and a validation split, whose teacher has embeddings as wide as the recipe's."""
    folder = tmp_path_factory.mktemp("ablation") / "tiny"
    writer, first_id = ExportWriter(folder, tiny_header()), 0
    splits = {"train": 60, "test": 40, "validation": 30, "transfer": 400}
    for seed, (split, rows) in enumerate(splits.items()):
        part = tiny_part(rows, seed, first_id)
        if split == "transfer":
            part = dataclasses.replace(part, labels=np.full_like(part.labels, -1))
        writer.write(split, 0, part)
        first_id += rows
    writer.write_tokenizer(tiny_tokenizer().to_str())
    writer.write_token_embeddings(np.random.default_rng(0).normal(size=(WORDS + 4, 100)))
    writer.finish(dict.fromkeys(splits, 1), writer.header.teacher)
    return folder


def test_from_beginning_to_end_and_the_second_time_nothing_is_trained_again(capsys, tmp_path, export):
    output = tmp_path / "out"
    arguments = ("--export", export, "--output", output, "--student", "fasttext", "--groups", "curve", "--quick")
    status, said, error = call(capsys, command_line.main, *arguments)
    assert status == 0, error
    assert "Linear: Texts in the transfer set" in said
    found = json.loads((output / "ablation.json").read_text())
    rows = found["students"]["fasttext"]["curve"]
    assert [item["transfer_texts"] for item in rows] == [0, 1, 1, 2, 4, 8]
    assert (output / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    page = (output / "ablation.md").read_text()
    for item in rows:
        program, command = item["commands"][0].split(" -m ")
        assert program == "python"
        assert command in page
        workdir = Path(shlex.split(command)[shlex.split(command).index("--workdir") + 1])
        assert item["accuracy"]["values"] == [read_run(workdir).metrics["test_acc"]]
        (above,), (low, high) = (item["accuracy_above_whole_recipe"][name] for name in ("values", "interval"))
        assert low <= above <= high
        assert not (workdir / "checkpoints").exists()
    times = {path: path.stat().st_mtime_ns for path in output.rglob("metrics.json")}
    assert len(times) == 6
    assert call(capsys, command_line.main, *arguments)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in output.rglob("metrics.json")} == times
    assert json.loads((output / "ablation.json").read_text())["students"] == found["students"]


def test_what_a_training_refuses_is_said_and_what_diverges_is_a_row(monkeypatch, tmp_path, export):
    recipe = Recipe.of("fasttext", 60, 400, quick=True)
    place = Place(export, tmp_path)
    wild = Variant("loss", "wild", {"learning_rate": 1e6, "soft_loss": "mse", "epochs": 1})
    assert "learning rate" in train_all(place, recipe, [wild], [0])[place.folder(recipe, wild, 0)]
    with pytest.raises(InputError, match="--epochs: expected"):
        train_all(place, recipe, [Variant("loss", "none", {"epochs": 0})], [0])
    with pytest.raises(InputError, match="does not take"):
        train_all(place, recipe, [Variant("loss", "none", {"nothing": 0})], [0])
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(RuntimeError, match="ended with status 1"):
        train_all(place, recipe, [wild], [0])


def test_of_what_lies_under_a_finished_run_s_checkpoints_only_these_are_deleted(tmp_path, export):
    recipe, variant = Recipe.of("fasttext", 60, 400, quick=True), Variant("loss", "none", {"epochs": 1})
    place = Place(export, tmp_path)
    checkpoints = place.folder(recipe, variant, 0) / "checkpoints"
    assert train_all(place, recipe, [variant], [0]) == {}
    assert not checkpoints.exists()
    (checkpoints / "1").mkdir(parents=True)
    (checkpoints / "notes.txt").write_text("kept")
    assert train_all(place, recipe, [variant], [0]) == {}
    assert [path.name for path in checkpoints.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_run_of_another_machine_goes_on_where_that_is_asked_for(tmp_path, elsewhere):
    recipe = Recipe.of("fasttext", 60, 400, quick=True)
    given = Place(tmp_path, tmp_path, elsewhere=elsewhere).words(recipe, Variant("loss", "none", {}), 0)
    assert "--resume" in given
    assert ("--resume-elsewhere" in given) == elsewhere


def test_the_worker_leaves_the_command_line_of_its_process_alone(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["another program", "--its-own", "words"])
    assert "--epochs: expected a number at least 1" in worker.train(["--epochs", "0"])["refused"]
    assert sys.argv == ["another program", "--its-own", "words"]


def test_an_export_of_several_labels_a_row_is_refused(capsys, tmp_path):
    writer = ExportWriter(tmp_path / "export", dataclasses.replace(tiny_header(), task="multi-label"))
    for seed, split in enumerate(("train", "test")):
        part = tiny_part(8, seed, 8 * seed)
        writer.write(split, 0, dataclasses.replace(part, labels=np.eye(3, dtype=np.int8)[part.labels]))
    writer.write_tokenizer(tiny_tokenizer().to_str())
    writer.finish({"train": 1, "test": 1}, writer.header.teacher)
    assert "expected one class a row" in refusal(capsys, command_line.main, "--export", tmp_path / "export")


def test_what_cannot_be_used_is_one_sentence(capsys, tmp_path, tiny_export, export):
    sentence = refusal(capsys, command_line.main, "--export", tiny_export)
    assert "no validation split" in sentence
    assert "--validation-fraction" in sentence
    assert "no such folder" in refusal(capsys, command_line.main, "--export", tmp_path / "none")
    assert "--seeds" in refusal(capsys, command_line.main, "--export", export, "--seeds", "0")
    (tmp_path / "file").write_text("")
    assert "found a file" in refusal(capsys, command_line.main, "--export", export, "--output", tmp_path / "file")
