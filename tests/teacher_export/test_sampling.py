"""Sampling by row number is what the notebook's pandas code does to a data frame."""

import numpy as np
import pandas as pd
import pytest

from distill_jax.errors import InputError
from teacher_export.data.sampling import select_rows, train_rows, validation_rows
from teacher_export.options.data import DataConfig
from tolerances import share_error

NAMES = ("a", "b", "c")
CLASSES = np.random.default_rng(3).choice([-1, 0, 1, 2], size=4000, p=[0.1, 0.5, 0.3, 0.1]).astype(np.int16)


def with_pandas(classes, max_rows, seed):
    """The notebook's way, on a data frame."""
    table = pd.DataFrame({"row": np.arange(len(classes)), "label": classes})
    table = table[table["label"] >= 0]
    n = min(max_rows // 3, table["label"].value_counts().min())
    balanced = pd.concat([group.sample(n, random_state=seed) for _, group in table.groupby("label")])
    return balanced.sample(frac=1, random_state=seed)["row"].tolist()


def select(classes=CLASSES, names=NAMES, **options):
    return select_rows(classes, names, **{"max_rows": 300, "balance": True, "seed": 42, **options})


@pytest.mark.parametrize("seed", [0, 42])
@pytest.mark.parametrize("max_rows", [6, 301, 1_000_000])
def test_the_rows_are_the_notebooks(max_rows, seed):
    rows = select(max_rows=max_rows, seed=seed)
    assert rows.tolist() == with_pandas(CLASSES, max_rows, seed)
    assert rows.dtype == np.int64
    assert len(set(np.bincount(CLASSES[rows]))) == 1


def test_no_limit():
    smallest = np.bincount(CLASSES[CLASSES >= 0]).min()
    assert len(select(max_rows=0)) == 3 * smallest
    everything = select(max_rows=0, balance=False)
    assert sorted(everything) == np.flatnonzero(CLASSES >= 0).tolist()
    assert everything.tolist() != sorted(everything)


def test_without_balancing_rows_are_drawn_from_all():
    rows = select(max_rows=1000, balance=False)
    assert len(set(rows.tolist())) == 1000
    assert (CLASSES[rows] >= 0).all()
    assert np.bincount(CLASSES[rows]) / 1000 == pytest.approx(np.array([5, 3, 1]) / 9, abs=share_error(0.5, 1000))


@pytest.mark.parametrize("balance", [True, False])
def test_the_seed_decides(balance):
    first, again, other = (select(balance=balance, seed=seed).tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("classes", "names", "options", "message"),
    [
        ([0, 0, 0], ("a",), {}, r"expected at least two classes, got 1 \(a\)"),
        ([-1, -1], (), {}, r"expected at least two classes, got 0 \(none\)"),
        ([0, 0, 1], ("a", "b"), {}, r"class 'b': expected at least 2 usable rows in the data, got 1"),
        ([0, 0, 2, 2, -1], NAMES, {"balance": False}, r"class 'b': expected at least 2 usable rows in the data, got 0"),
        (
            [0, 0, 1, 1],
            ("a", "b"),
            {"max_rows": 3},
            r"--max-rows 3: expected at least 4, so that each of the 2 classes",
        ),
        ([0] * 998 + [1] * 2, ("a", "b"), {"max_rows": 9, "balance": False}, r"class 'b': .* among the 9 rows sampled"),
    ],
)
def test_too_few_rows_are_refused(classes, names, options, message):
    with pytest.raises(InputError, match=message):
        select(np.array(classes, np.int16), names, **options)


def test_the_split_is_the_notebooks():
    assert train_rows(50_000, 0.8) == 40_000
    assert train_rows(14_127, 0.8) == 11_301


@pytest.mark.parametrize(("rows", "fraction", "split"), [(4, 0.1, "train"), (4, 1 - 1e-17, "test")])
def test_an_empty_split_is_refused(rows, fraction, split):
    with pytest.raises(InputError, match=rf"--train-fraction .*: of 4 rows it leaves the {split} split empty"):
        train_rows(rows, fraction)


def test_validation_takes_a_share_of_the_training_rows():
    assert validation_rows(11_301, 0.1) == 1_130
    assert validation_rows(11_301, 0) == 0


@pytest.mark.parametrize(("rows", "fraction", "split"), [(4, 0.1, "validation"), (4, 1 - 1e-17, "train")])
def test_an_empty_validation_or_training_split_is_refused(rows, fraction, split):
    with pytest.raises(InputError, match=rf"--validation-fraction .*: of 4 training rows it leaves the {split} split"):
        validation_rows(rows, fraction)


def test_balancing_that_leaves_out_most_rows_names_the_class_that_costs_them(capsys):
    classes = np.array([0] * 397 + [1] * 3)
    assert len(select_rows(classes, ("pos", "neg"), max_rows=0, balance=True, seed=1)) == 6
    warned = capsys.readouterr().err
    assert "--balance keeps 6 of 400 rows, because the class 'neg' has 3" in warned
    select_rows(np.array([0] * 50 + [1] * 40), ("pos", "neg"), max_rows=0, balance=True, seed=1)
    select_rows(classes, ("pos", "neg"), max_rows=4, balance=True, seed=1)  # so few were wanted
    assert capsys.readouterr().err == ""


def test_no_row_is_left_out_unasked():
    assert not DataConfig("table", ("a.csv",), text_column=("t",), label_column="l").is_balanced
    assert DataConfig("table", ("a.csv",), text_column=("t",), label_column="l").most_rows == 0
    assert DataConfig("amazon-pds", ("a.tsv",)).is_balanced
    assert DataConfig("amazon-pds", ("a.tsv",)).most_rows == 50_000
