"""The demo's sentences with their mean rating as a score: the demo's rows and splits."""

import numpy as np
import pytest

from distill_jax.errors import InputError
from teacher_export.command_line import parse_arguments
from teacher_export.data import demo as demo_data
from teacher_export.data.dataset import load_dataset
from teacher_export.options.data import DataConfig

ROWS = 30


@pytest.fixture
def tiny_files(tmp_path, monkeypatch):
    ratings = np.random.default_rng(0).normal(size=2 * ROWS).round(3)
    for place, name in enumerate(demo_data.REVIEW_FILES):
        lines = [f"{row}\t{ratings[place * ROWS + row]}\t{name} text {row}\r\n" for row in range(ROWS)]
        lines[3] = f"3\t{ratings[place * ROWS + 3]}\ttoo short\r\n"
        (tmp_path / name).write_text("".join(lines), newline="")
    monkeypatch.setattr(demo_data, "fetch_demo_data", lambda: tmp_path)
    return ratings


@pytest.mark.parametrize("options", [{}, {"validation_fraction": 0.2, "train_fraction": 0.6, "seed": 5}])
def test_the_rows_and_splits_are_the_demo_s_and_the_scores_its_ratings(tiny_files, capsys, options):
    classes = load_dataset(DataConfig(**options))
    scores = load_dataset(DataConfig(dataset="demo-ratings", task="score", **options))
    assert (scores.task.name, scores.label_names) == ("score", ("rating",))
    assert list(scores.splits) == list(classes.splits)
    for name, split in scores.splits.items():
        np.testing.assert_array_equal(split.example_ids, classes.splits[name].example_ids)
        assert split.texts == classes.splits[name].texts
        np.testing.assert_array_equal(split.labels, tiny_files[split.example_ids].astype(np.float32))
    assert scores.fingerprint != classes.fingerprint
    assert "data set demo-ratings (score): 60 rows read, 2 dropped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--dataset demo-ratings goes with --task score, got --task single-label"),
        (["--task", "multi-label"], "--dataset demo-ratings goes with --task score, got --task multi-label"),
        (["--task", "score", "--data", "x.csv"], "--data goes with"),
        (["--task", "score", "--stratify"], "--stratify goes with --task single-label"),
    ],
)
def test_what_does_not_go_with_ratings_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        parse_arguments(["--dataset", "demo-ratings", *words])


def test_the_other_demos_have_no_score():
    for name in ("demo", "demo-votes"):
        with pytest.raises(
            InputError, match=f"--task score goes with --dataset table or demo-ratings: the rows of {name}"
        ):
            parse_arguments(["--dataset", name, "--task", "score"])
