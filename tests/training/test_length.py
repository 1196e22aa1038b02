"""How a recipe's epochs follow from the rows there are."""

import itertools

import pytest

from distill_jax.config import TrainConfig, train_config
from distill_jax.training.length import MOST_EPOCHS, fitted_to_rows


@pytest.mark.parametrize("student", ["fasttext", "cnn", "bilstm", "ensemble"])
def test_few_rows_are_read_as_many_times_as_enough_steps_take(student):
    config = train_config(student, distil=True)
    direct = train_config(student)
    lengths = [fitted_to_rows(config, rows, 20 * rows) for rows in (30, 300, 3_000, 30_000, 3_000_000)]
    assert lengths[0].epochs == MOST_EPOCHS
    for each, after in itertools.pairwise(lengths):
        assert each.epochs >= after.epochs
        assert each.transfer_passes >= after.transfer_passes
    assert (lengths[-1].epochs, lengths[-1].transfer_passes) == (config.epochs, config.transfer_passes)
    # A student of the labels has as many epochs as its twin, with a transfer set or without.
    assert [each.epochs for each in lengths] == [
        fitted_to_rows(direct, rows).epochs for rows in (30, 300, 3_000, 30_000, 3_000_000)
    ]


def test_what_a_user_chose_stays():
    config = train_config("fasttext", distil=True, epochs=5)
    assert fitted_to_rows(config, 100, 1_000, given={"epochs", "transfer_passes"}) == config
    passes = fitted_to_rows(config, 100, 1_000, given={"epochs"}).transfer_passes
    assert passes == 5  # never more than the epochs
    assert fitted_to_rows(train_config("fasttext", distil=True, transfer=False), 100).transfer_passes == 0


@pytest.mark.parametrize("config", [TrainConfig.notebook("cnn"), TrainConfig("cnn"), TrainConfig.notebook("fasttext")])
def test_the_notebook_s_recipe_and_no_recipe_are_as_long_as_they_were(config):
    assert fitted_to_rows(config, 10) == config
