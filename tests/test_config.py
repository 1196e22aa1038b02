import dataclasses
import math

import pytest

from distill_jax.config import TrainConfig
from distill_jax.errors import InputError, require_range


def test_the_notebook_s_training_of_each_student():
    cnn, linear = TrainConfig.notebook("cnn"), TrainConfig.notebook("fasttext", distil=True)
    assert (cnn.optimizer, cnn.learning_rate, cnn.batch_size, cnn.epochs) == ("adam", 1e-3, 32, 5)
    assert [cnn.learning_rate_at(epoch) for epoch in range(3)] == [1e-3] * 3
    assert (linear.optimizer, linear.batch_size, linear.epochs, linear.alpha) == ("sgd", 1, 5, 0.0)
    assert [linear.learning_rate_at(epoch) for epoch in range(3)] == [0.5, 0.25, 0.125]
    bilstm = TrainConfig.notebook("bilstm")  # not the notebook's: it takes what the CNN has
    assert bilstm == dataclasses.replace(cnn, student="bilstm")
    assert cnn.loss_mean == linear.loss_mean == "batches"


def test_model_names_are_the_notebook_s():
    names = [
        TrainConfig.notebook(student, distil=distil).model_name
        for student in ("fasttext", "cnn", "bilstm")
        for distil in (False, True)
    ]
    assert names == ["Linear", "Linear (distilled)", "CNN", "CNN (distilled)", "BiLSTM", "BiLSTM (distilled)"]


def test_changes_take_the_place_of_the_recipe_s_values():
    changed = TrainConfig.notebook("cnn", epochs=2, batch_size=7)
    assert changed == dataclasses.replace(TrainConfig.notebook("cnn"), epochs=2, batch_size=7)
    assert changed != TrainConfig.notebook("cnn")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"student": "rnn"}, "--student: expected one of cnn, fasttext, dan, bilstm, ensemble, got 'rnn'"),
        ({"epochs": 0}, "--epochs: expected a number at least 1 and at most 100,000, got 0"),
        ({"batch_size": 0}, "--batch-size: expected a number at least 1 and at most 65,536, got 0"),
        ({"learning_rate": 0.0}, r"--learning-rate: expected a number more than 0 and at most 1e\+06, got 0"),
        ({"learning_rate": math.inf}, "--learning-rate: expected a number more than 0"),
        ({"learning_rate": math.nan}, "--learning-rate: expected a number more than 0"),
        ({"learning_rate_decay": 0.0}, "--learning-rate-decay: expected a number more than 0 and at most 1, got 0"),
        ({"alpha": -0.1, "distil": True}, "--alpha: expected a number at least 0 and at most 1, got -0.1"),
        ({"alpha": 0.5}, "--alpha goes with --distil"),
        ({"seed": 2**31}, "--seed: expected a number at least 0"),
        ({"optimizer": "lion"}, "--optimizer: expected one of adam, sgd, got 'lion'"),
    ],
)
def test_a_value_out_of_range_is_named(changes, message):
    with pytest.raises(InputError, match=f"^{message}"):
        TrainConfig(**{"student": "cnn", **changes})


def test_an_unknown_student_has_no_recipe():
    with pytest.raises(InputError, match="--student: expected one of cnn, fasttext, dan, bilstm, ensemble, got 'rnn'"):
        TrainConfig.notebook("rnn")


def test_require_range_at_its_ends():
    require_range("x", 0, 0, 1)
    require_range("x", 1, 0, 1, low_open=True)
    with pytest.raises(InputError, match=r"^x: expected a number more than 0 and at most 1, got 0$"):
        require_range("x", 0, 0, 1, low_open=True)
    with pytest.raises(InputError, match=r"^x: expected a number at least 2, got 1$"):
        require_range("x", 1, 2, math.inf)
