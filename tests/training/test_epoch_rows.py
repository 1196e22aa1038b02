import numpy as np
import pytest

from distill_jax.config import TrainConfig
from distill_jax.data.examples import Examples, concatenate
from distill_jax.errors import InputError
from distill_jax.students.student import build_student
from distill_jax.training.epoch_rows import EpochRows
from distill_jax.training.fit import fit
from distill_jax.training.runners import make_runner
from student_options import own


def _examples(rows, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, 30, (rows, 6)).astype(np.int32)
    return Examples.from_padded(
        ids, rng.integers(0, 3, rows).astype(np.int32), rng.normal(size=(rows, 3)).astype(np.float32)
    )


def test_an_epoch_has_all_training_rows_and_every_pass_has_each_transfer_row_once():
    plan = EpochRows(fixed=3, others=10, part=4, seed=0)
    epochs = [plan.rows(epoch) for epoch in range(5)]  # two passes
    assert len(plan) == 7
    for rows in epochs:
        assert rows[:3].tolist() == [0, 1, 2]
        assert rows.min() >= 0
    transfer = np.concatenate([rows[3:] for rows in epochs])
    assert sorted(transfer[:10].tolist()) == sorted(transfer[10:].tolist()) == list(range(3, 13))
    assert transfer[:10].tolist() != transfer[10:].tolist()
    assert not np.array_equal(epochs[0], EpochRows(3, 10, 4, seed=1).rows(0))


@pytest.mark.parametrize(("passes", "rows"), [(0, 26), (1, 9), (3, 13), (9, 26)])
def test_passes_are_spread_over_the_epochs(passes, rows):
    train = concatenate(_examples(6), _examples(20, seed=1))
    config = TrainConfig("cnn", distil=True, transfer=True, transfer_passes=passes, epochs=9)
    assert len(EpochRows.of(train, config)) == rows  # 6 + 20 · passes / 9, rounded up


def test_without_a_transfer_set_passes_change_nothing():
    config = TrainConfig("cnn", distil=True, transfer=True, transfer_passes=2, epochs=9)
    plan = EpochRows.of(_examples(6), config)
    assert plan.rows(4).tolist() == list(range(6))


@pytest.mark.parametrize("student", ["cnn", "fasttext"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_the_runners_take_an_epoch_s_rows(student, shuffle):
    train = concatenate(_examples(6), _examples(20, seed=1))
    config = TrainConfig.notebook(
        student, distil=True, transfer=True, transfer_passes=3, epochs=9, batch_size=4, shuffle=shuffle
    )
    built = build_student(student, vocab_size=30, num_labels=3, embedding_dim=4, **own(student, filters=2))
    result = fit(built, built.init(0), train=train, test=_examples(8, seed=2), config=config)
    assert len(result.history) == 9
    from distill_jax.data.compaction import Compaction

    runner = make_runner(built, train, config, Compaction.of([np.arange(30)[None]], 30, 0))
    for epoch in (0, 5):
        expected = EpochRows.of(train, config).rows(epoch)
        order = runner.order(epoch)
        assert sorted(order.tolist()) == sorted(expected.tolist())
        assert (order.tolist() == expected.tolist()) != shuffle


def test_passes_need_a_transfer_set():
    with pytest.raises(InputError, match="--transfer-passes 2 goes with --distil --transfer"):
        TrainConfig("cnn", transfer_passes=2)
