"""The demo's reviews: the format, what is left out, the five classes."""

import numpy as np
import pandas as pd
import pytest

from distill_jax.errors import InputError
from teacher_export.data import demo as demo_data
from teacher_export.data.dataset import load_dataset
from teacher_export.data.demo import (
    FILES,
    load_demo_reviews,
    load_unlabelled_demo_texts,
    quintile_classes,
    read_rated_texts,
)
from teacher_export.options.data import DataConfig
from teacher_export.pip_download import UnreachableIndexError

REVIEWS = {
    "amazonReviewSnippets_GroundTruth.txt": (
        "1_1\t-0.9\tvery bad indeed\r\n1_2\t2.5\ttoo short\r\n1_3\t1\tit is fine, é"
    ),
    "movieReviewSnippets_GroundTruth.txt": (
        "1\t3.25\tvery bad indeed\r\n2\t-3\tVery bad indeed\r\n3\t0.5\ta b c\r\n4\t2\tgreat fun it is\r\n"
    ),
    "nytEditorialSnippets_GroundTruth.txt": "1_1\t0\tone two three\r\n1_2\t0\tone two three\r\n1_3\t0\ta b c\r\n",
    "tweets_GroundTruth.txt": "1\t0\tshort one\r\n2\t0\tfour five six\r\n",
}


@pytest.fixture
def tiny_files(tmp_path, monkeypatch):
    for name, content in REVIEWS.items():
        (tmp_path / name).write_bytes(content.encode())
    monkeypatch.setattr(demo_data, "fetch_demo_data", lambda: tmp_path)
    return tmp_path


def test_short_and_repeated_texts_are_left_out_and_counted(tiny_files):
    reviews = load_demo_reviews()
    assert len(reviews.texts) == 7
    assert reviews.texts[2] == "it is fine, é"
    assert (reviews.classes == -1).tolist() == [False, True, False, True, False, False, False]
    assert reviews.dropped == {"of fewer than 3 words": 1, "with an earlier row's text": 1}


def test_unlabelled_texts_are_neither_reviews_nor_repeated(tiny_files):
    assert load_unlabelled_demo_texts() == ["one two three", "four five six"]


@pytest.mark.parametrize(
    ("dataset", "texts", "others"),
    [
        ("demo-tweets", ["four five six"], ["very bad indeed", "it is fine, é", "Very bad indeed", "a b c"]),
        ("demo-editorials", ["one two three", "a b c"], ["very bad indeed", "it is fine, é", "Very bad indeed"]),
    ],
)
def test_tweets_and_editorials_are_data_sets_and_all_others_are_unlabelled_then(tiny_files, dataset, texts, others):
    files = FILES[dataset]
    reviews = load_demo_reviews(files)
    kept = np.flatnonzero(reviews.classes >= 0)
    assert [reviews.texts[row] for row in kept] == texts
    assert {name for name, _ in reviews.ids} == set(files)
    found = load_unlabelled_demo_texts(files)
    assert found[: len(others)] == others
    assert not set(found) & set(texts)


def test_classes_are_the_fifths_of_the_kept_ratings(tiny_files):
    ratings = np.random.default_rng(0).normal(size=503).round(1)  # with many ties, as means of twenty have
    assert quintile_classes(ratings).tolist() == pd.qcut(ratings, 5, labels=False).tolist()
    assert load_demo_reviews().classes.tolist() == [1, -1, 3, -1, 0, 2, 4]


@pytest.mark.parametrize("line", ["1\t2", "1\tgood\ttext here now", "1\t2\ta\tb"])
def test_a_changed_file_is_refused_by_line(tmp_path, line):
    (tmp_path / "f.txt").write_text(f"0\t1\tfine so far\r\n{line}\r\n", newline="")
    with pytest.raises(InputError, match=r"f.txt: line 2: expected id, rating and text"):
        read_rated_texts(tmp_path / "f.txt")


@pytest.fixture(scope="module")
def demo_reviews():
    try:
        return load_demo_reviews()
    except UnreachableIndexError as error:
        pytest.skip(str(error))


@pytest.mark.demo
def test_the_real_reviews(demo_reviews):
    kept = demo_reviews.classes >= 0
    assert len(kept) == 3708 + 10605
    assert kept.sum() == 14_127
    assert demo_reviews.dropped == {"of fewer than 3 words": 178, "with an earlier row's text": 8}
    highest = [demo_reviews.ratings[demo_reviews.classes == class_].max() for class_ in range(4)]
    assert np.round(highest, 4).tolist() == [-1.8125, -0.8889, 1.1667, 2.0]
    assert np.bincount(demo_reviews.classes[kept]).tolist() == [2835, 2826, 2816, 2927, 2723]
    words = [len(text.split()) for text, is_kept in zip(demo_reviews.texts, kept, strict=True) if is_kept]
    assert np.mean(words) == pytest.approx(18, abs=1)


@pytest.mark.demo
@pytest.mark.parametrize(("dataset", "rows"), [("demo-tweets", 4_152), ("demo-editorials", 5_064)])
def test_the_real_tweets_and_editorials(demo_reviews, dataset, rows):
    splits = load_dataset(DataConfig(dataset=dataset)).splits
    labels = np.concatenate([split.labels for split in splits.values()])
    assert len(labels) == rows
    assert np.bincount(labels, minlength=5).min() > 0.15 * rows


@pytest.mark.demo
def test_the_real_data_set(demo_reviews, capsys):
    dataset = load_dataset(DataConfig())
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 11_301, "test": 2_826}
    ids = np.concatenate([split.example_ids for split in dataset.splits.values()])
    assert len(np.unique(ids)) == 14_127
    for split in dataset.splits.values():
        assert all(demo_reviews.texts[row] == text for row, text in zip(split.example_ids, split.texts, strict=True))
        assert (demo_reviews.classes[split.example_ids] == split.labels).all()
    assert "14,313 rows read, 186 dropped" in capsys.readouterr().out
    assert load_dataset(DataConfig()).fingerprint == dataset.fingerprint
    assert load_dataset(DataConfig(seed=1)).fingerprint != dataset.fingerprint
    assert len(load_unlabelled_demo_texts()) == 9_216
