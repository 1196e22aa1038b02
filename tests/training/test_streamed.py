"""A training whose rows do not fit into memory takes each of them once an epoch, and goes on from anywhere."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

from distill_jax.config import TrainConfig
from distill_jax.data.exports import Export
from distill_jax.data.stored_examples import store_examples
from distill_jax.errors import InputError, Interrupted
from distill_jax.students.student import build_student
from distill_jax.training.fit import fit
from distill_jax.training.run import TrainRun, train_run
from distill_jax.training.stretches import Stretches, row_costs
from tiny_export import write_tiny_export
from tolerances import AGREEMENT

STUDENTS = {
    "cnn": {"filters": 4},
    "fasttext": {"ngrams": 2, "buckets": 100, "mask_padding": True},
}


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """150 rows in four parts, and 90 of a transfer set in three."""
    return Export.open(write_tiny_export(tmp_path_factory.mktemp("export") / "e", 150, 40, 40, transfer_rows=90))


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr("distill_jax.training.runners.ROWS_PER_CHUNK", 16)
    monkeypatch.setattr("distill_jax.training.runners.STEPS_PER_CHUNK", 2)


def config_of(name, **changes):
    return TrainConfig.notebook(name, **{"epochs": 3, "batch_size": 8, "distil": True, "alpha": 0.3, **changes})


def student_of(name, export):
    return build_student(name, **export.manifest.sizes, embedding_dim=8, **STUDENTS[name])


def stored_of(export, student, share, *splits):
    """Return the rows of splits on the disk, with room for a share of them."""
    stored = store_examples(export.folder, export.manifest, splits or ("train",), student.config)
    return dataclasses.replace(stored, room=int(share * row_costs(stored).sum()))


def trained(name, export, train, config, **options):
    student = student_of(name, export)
    return fit(student, student.init(config.seed), train=train, test=export.test, config=config, **options)


@pytest.mark.parametrize("name", STUDENTS)
def test_rows_in_their_order_train_the_student_that_they_train_in_memory(export, name):
    config, student = config_of(name, shuffle=False), student_of(name, export)
    stored = stored_of(export, student, 0.5)
    assert len(Stretches(stored, config).of(0)) > 1
    whole, streamed = (trained(name, export, train, config) for train in (export.train, stored))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=AGREEMENT), streamed.params, whole.params)
    numbers = [result.history.select_dtypes("number").to_numpy() for result in (streamed, whole)]
    np.testing.assert_allclose(*numbers, rtol=0, atol=AGREEMENT)


@pytest.mark.parametrize("share", [0.4, 0.7])
def test_an_epoch_takes_each_row_once_in_whole_batches_and_another_order_each_time(export, share):
    config = config_of("cnn", shuffle=True, transfer=True, transfer_passes=2)
    stored = stored_of(export, student_of("cnn", export), share, "train", "transfer")
    stretches = Stretches(stored, config)
    epochs = [stretches.of(epoch) for epoch in range(3)]
    for epoch, rows in enumerate(epochs):
        assert sorted(np.concatenate(rows).tolist()) == sorted(stretches.plan.rows(epoch).tolist())
        assert all(len(each) % 8 == 0 for each in rows[:-1])
        assert all(row_costs(stored)[each].sum() <= stored.room for each in rows)
    assert [each.tolist() for each in epochs[0]] != [each.tolist() for each in epochs[1]]
    for rows in epochs[0]:
        found = stored.read(rows)
        np.testing.assert_array_equal(
            found.teacher_logits, np.concatenate([export.train.teacher_logits, export.transfer.teacher_logits])[rows]
        )
        first = export.train.take(rows[rows < 150]).tokens.ids
        assert found.tokens.ids[: len(first)].tolist() == first.tolist()


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_stopped_training_goes_on_to_the_same_bits(export, name, after):
    config = config_of(name, shuffle=True, distil=False, alpha=0.0)
    stored = stored_of(export, student_of(name, export), 0.5)
    asked, snapshots = iter(range(1, 1000)), []
    with pytest.raises(Interrupted):
        trained(name, export, stored, config, on_epoch=snapshots.append, should_stop=lambda: next(asked) >= after)
    whole, resumed = trained(name, export, stored, config), trained(name, export, stored, config, resume=snapshots[-1])
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)
    assert resumed.history.to_csv() == whole.history.to_csv()
    assert whole.history["train_loss"].iloc[-1] < whole.history["train_loss"].iloc[0]


def run_of(export, folder, memory):
    train = config_of("cnn", shuffle=True, epochs=2, memory=memory)
    return TrainRun(export.folder, folder, train, {"filters": 4, "embedding_dim": 8})


def test_where_there_is_room_for_all_rows_nothing_differs(capsys, tmp_path, export):
    for name, memory in (("whole", ""), ("room", "4GB")):
        train_run(run_of(export, tmp_path / name, memory))
    history = [(tmp_path / name / "history.csv").read_bytes() for name in ("whole", "room")]
    assert history[0] == history[1]
    with np.load(tmp_path / "whole" / "weights.npz") as whole, np.load(tmp_path / "room" / "weights.npz") as room:
        assert all(np.array_equal(whole[name], room[name]) for name in whole)


def test_a_command_streams_and_what_is_too_little_is_refused(capsys, tmp_path, export, monkeypatch):
    monkeypatch.setattr("distill_jax.training.stretches._PROGRAM_BYTES", 0)
    with pytest.raises(InputError, match=r"--memory 0\.05MB: expected room for the largest part's rows, [0-9,]+ bytes"):
        train_run(run_of(export, tmp_path / "small", "0.05MB"))
    assert not (tmp_path / "small" / "config.json").exists()
    monkeypatch.setattr("distill_jax.training.run_data.memory_beside_rows", lambda *_: 0)
    stored = stored_of(export, student_of("cnn", export), 0.6)
    train_run(run_of(export, tmp_path / "run", f"{stored.room / 1e6:.3f}MB"))
    assert "they are read again in every epoch" in capsys.readouterr().out
    with pytest.raises(InputError, match="expected a number above 0 and MB, GB or TB"):
        config_of("cnn", memory="2 gigs")
