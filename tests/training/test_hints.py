"""Hints: the student's state at each token learns to say the teacher's, and nothing of it stays in the student."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import distill_jax as dj
from command_lines import refusal
from distill_jax.config import TrainConfig, train_config
from distill_jax.data.compaction import Compaction
from distill_jax.data.exports import Export
from distill_jax.data.ragged import Ragged
from distill_jax.data.stored_examples import store_examples
from distill_jax.errors import InputError
from distill_jax.estimator import TextClassifier
from distill_jax.export import reader
from distill_jax.export.format import HINT_STEP, ExportFormatError, parse_manifest, read_manifest
from distill_jax.export.reader import read_part
from distill_jax.files import read_json
from distill_jax.losses import objective_of
from distill_jax.runs.weights import read_weights
from distill_jax.students.registry import student_kind, student_names
from distill_jax.students.student import build_student
from distill_jax.train import main
from distill_jax.training.fit import fit
from distill_jax.training.hints import hint_array, hint_losses, new_hint_map
from distill_jax.training.run_data import TrainData
from distill_jax.training.runners import DenseRunner
from distill_jax.training.start_embeddings import recipe_for
from distill_jax.training.stretches import Stretches, row_costs
from distill_jax.training.token_arrays import token_arrays
from padded import padded
from tiny_export import write_tiny_export
from tolerances import AGREEMENT, assert_close, assert_trees_close

WIDTH, HIDDEN = 5, 6
OPTIONS = ("--student", "bilstm", "--distil", "--hidden", "6", "--embedding-dim", "8", "--epochs", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """150 rows in four parts, and 90 of a transfer set in three, with hints."""
    path = tmp_path_factory.mktemp("export") / "e"
    return write_tiny_export(path, 150, 40, 40, transfer_rows=90, validation_rows=40, hint_width=WIDTH)


@pytest.fixture(scope="module")
def export(folder):
    return Export.open(folder)


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr("distill_jax.training.runners.STEPS_PER_CHUNK", 2)


def _student(export):
    return build_student("bilstm", **export.manifest.sizes, embedding_dim=8, hidden=HIDDEN, dense=7, dropout=0.0)


def _config(**changes):
    options = {"epochs": 3, "batch_size": 8, "distil": True, "hint_weight": 0.5, **changes}
    return TrainConfig.notebook("bilstm", **options)


def _trained(export, train, config, **options):
    student = _student(export)
    return fit(student, student.init(config.seed), train=train, test=export.test, config=config, **options)


def test_only_splits_that_students_learn_from_have_hints(export):
    for split in (export.train, export.transfer):
        assert split.hints.ids.dtype == np.int8
        assert split.hints.ids.shape == (len(split.tokens.ids), WIDTH)
        assert split.hints.lengths.tolist() == split.tokens.lengths.tolist()
    assert export.test.hints is export.validation.hints is None


def test_rows_that_are_taken_keep_their_hints(export):
    rows = np.array([7, 3, 90])
    some = export.train.take(rows)
    expected = [np.split(export.train.hints.ids, export.train.tokens.stops[:-1])[row] for row in rows]
    np.testing.assert_array_equal(some.hints.ids, np.concatenate(expected))


def test_the_loss_is_the_mean_square_over_a_text_s_tokens_whatever_it_is_padded_to():
    rng = np.random.default_rng(0)
    lengths, longest = np.array([3, 0, 5]), 8
    states = rng.normal(size=(3, longest, 4)).astype(np.float32)
    hints = rng.integers(-127, 128, (3, longest, WIDTH)).astype(np.int8)
    hint_map = {"kernel": rng.normal(size=(4, WIDTH)).astype(np.float32), "bias": rng.normal(size=WIDTH)}
    is_token = np.arange(longest) < lengths[:, None]
    expected = [
        np.mean((states[row, :n] @ hint_map["kernel"] + hint_map["bias"] - hints[row, :n] / 16.0) ** 2) if n else 0.0
        for row, n in enumerate(lengths)
    ]
    found = hint_losses(states, hints, is_token, hint_map)
    assert_close(found, expected, terms=60, why="a sum over a text's tokens")
    cut = hint_losses(states[:, :5], hints[:, :5], is_token[:, :5], hint_map)
    assert_close(cut, found, terms=60, why="a sum over a text's tokens")


def _reference(student, train, config):
    """Train by optax on the student and the map together, every row's loss written out: the parameters and the map."""
    steps = -(-len(train) // config.batch_size)
    trained = (student.init(config.seed), new_hint_map(2 * HIDDEN, WIDTH, config.seed))
    optimizer = optax.adam(config.learning_rate)
    state, objective, losses = optimizer.init(trained), objective_of(config, student.config.labelling), []
    ids, tokens = padded(train), train.tokens.lengths
    hints = np.zeros((*ids.shape, WIDTH), np.float32)
    hints[np.arange(ids.shape[1]) < tokens[:, None]] = train.hints.ids * HINT_STEP

    @jax.jit
    def step_of(trained, state, rows, weight):
        def loss_of(trained):
            params, hint_map = trained
            logits, states = student.with_token_states(params, jnp.asarray(ids)[rows])
            errors = jnp.square(states @ hint_map["kernel"] + hint_map["bias"] - jnp.asarray(hints)[rows]).mean(axis=-1)
            real = jnp.arange(ids.shape[1]) < jnp.asarray(tokens)[rows][:, None]
            hint = (errors * real).sum(axis=1) / jnp.asarray(tokens)[rows]
            plain = objective(logits, jnp.asarray(train.labels)[rows], jnp.asarray(train.teacher_logits)[rows])
            return (plain + weight * hint).mean(), plain.mean()

        (_, plain), gradient = jax.value_and_grad(loss_of, has_aux=True)(trained)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(trained, updates), state, plain

    for number in range(config.epochs * steps):
        done = number / (steps * config.epochs)
        first = number % steps * config.batch_size
        rows = np.arange(first, min(first + config.batch_size, len(train)))
        weight = config.hint_weight * max(0, 1 - done / 0.7)
        trained, state, plain = step_of(trained, state, rows, weight)
        losses.append(float(plain))
    return trained, losses


def test_steps_are_those_of_optax_on_student_and_map_and_the_loss_that_is_told_is_without_hints(export):
    student, config, train = _student(export), _config(), export.train
    ids = student.config.ids
    compaction = Compaction.of([np.arange(ids, dtype=np.int32)], ids, student.config.pad_id)
    runner = DenseRunner(student, train, config, compaction)
    runner.load(student.init(config.seed), None, 0)
    losses = []
    for epoch in range(config.epochs):
        step = 0
        while step < -(-len(train) // config.batch_size):
            chunk = runner.run(epoch, step)
            step += len(chunk.losses)
            losses += chunk.losses.tolist()
    (params, hint_map), expected = _reference(student, train, config)
    moved = hint_map["kernel"] - new_hint_map(2 * HIDDEN, WIDTH, config.seed)["kernel"]
    assert np.abs(moved).max() > 0.01
    assert_close(losses, expected, terms=3000, why="57 steps")
    assert_trees_close(runner.params(), params, terms=3000, why="57 steps")
    kernel, bias = sorted(runner.opt_state()[-2:], key=np.size, reverse=True)
    assert_close(kernel, hint_map["kernel"], terms=3000, why="57 steps")
    assert_close(bias, hint_map["bias"], terms=3000, why="57 steps")


def test_hints_move_the_student_and_are_no_part_of_it(export):
    plain, hinted = (_trained(export, export.train, _config(hint_weight=weight)) for weight in (0.0, 0.5))
    assert jax.tree.structure(plain.params) == jax.tree.structure(hinted.params)
    assert np.abs(plain.params["embedding"] - hinted.params["embedding"]).max() > 0.01


def test_without_a_weight_hints_change_nothing(export):
    bare = dataclasses.replace(export.train, hints=None)
    one, other = (_trained(export, train, _config(hint_weight=0.0)) for train in (bare, export.train))
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


def test_rows_on_the_disk_train_the_student_that_they_train_in_memory(export):
    config, student = _config(shuffle=False), _student(export)
    stored = store_examples(export.folder, export.manifest, ("train",), student.config, hints=True)
    stored = dataclasses.replace(stored, room=int(0.5 * row_costs(stored).sum()))
    assert len(Stretches(stored, config).of(0)) > 1
    whole, streamed = (_trained(export, train, config) for train in (export.train, stored))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=AGREEMENT), streamed.params, whole.params)


@pytest.mark.parametrize("hints", [False, True])
def test_who_does_not_learn_from_hints_does_not_read_them(export, hints, monkeypatch):
    asked, plain = [], reader.read_npz
    monkeypatch.setattr(
        reader, "read_npz", lambda *given, **named: asked.append(named["optional"]) or plain(*given, **named)
    )
    assert (export.split("train", hints=hints).hints is not None) == hints
    assert {"hints" in optional for optional in asked} == {hints}


def test_what_hints_take_is_counted_in_the_memory(export):
    """They are read, put together, and in the array that steps read, which has room for up to twice as many."""
    student = _student(export)
    with_hints, without = (
        store_examples(export.folder, export.manifest, ("train",), student.config, hints=hints)
        for hints in (True, False)
    )
    counted = int((row_costs(with_hints) - row_costs(without)).sum())
    rows = with_hints.read(np.arange(len(with_hints)))
    room = token_arrays(rows.tokens)["tokens"]
    assert counted >= 2 * rows.hints.ids.nbytes + hint_array(rows.hints, rows.tokens, len(room)).nbytes


def test_the_weight_falls_along_a_line_to_nothing():
    weights = np.concatenate([_config(epochs=10, hint_weight=0.7).hint_weights(epoch, 5) for epoch in range(10)])
    assert_close(weights[:36:5], np.linspace(0.7, 0, 8), terms=10, why="a few products")
    assert not weights[35:].any()
    assert not _config(epochs=10).can_go_on


def test_the_recipe_takes_hints_where_there_are_some(export, tmp_path):
    bare = Export.open(write_tiny_export(tmp_path / "bare", 50, 40, 40))
    recipe = train_config("bilstm", distil=True)
    assert recipe.hint_weight == 0.3
    assert recipe_for(recipe, export.manifest).hint_weight == 0.3
    assert recipe_for(recipe, bare.manifest).hint_weight == 0
    asked = dataclasses.replace(recipe, hint_weight=0.2)
    assert recipe_for(asked, bare.manifest, ["hint_weight"]).hint_weight == 0.2
    assert train_config("bilstm").hint_weight == 0
    for name in student_names():
        if not student_kind(name).recipes["best"].training(distil=True).get("hint_weight", 0):
            assert train_config(name, distil=True).hint_weight == 0


def test_a_run_with_hints_is_a_student_like_any_other(folder, tmp_path):
    main(["--export", str(folder), "--workdir", str(tmp_path / "run"), *OPTIONS])
    assert read_json(tmp_path / "run" / "config.json", "run")["train"]["hint_weight"] == 0.3
    assert not [name for name in read_weights(tmp_path / "run") if "hint" in name]


def test_rows_are_kept_in_memory_without_hints_where_they_are_not_used(folder):
    for weight in (0.0, 0.3):
        data = TrainData(folder, _config(hint_weight=weight, transfer=True), {"embedding_dim": 8})
        assert (data.train(0).hints is None) == (weight == 0)


def test_what_cannot_be_is_refused_in_one_sentence(capsys, folder, tmp_path):
    bare = write_tiny_export(tmp_path / "bare", 50, 40, 40)
    options = ("--workdir", tmp_path / "run", *OPTIONS, "--hint-weight", "0.3")
    said = refusal(capsys, main, "--export", bare, *options)
    assert "train: hints: --hint-weight 0.3 needs them of all rows, a transfer set's too, got none; export with" in said
    said = refusal(capsys, main, "--export", bare, *options, "--memory", "4GB")
    assert "needs them of all rows" in said
    said = refusal(capsys, main, "--export", folder, "--student", "cnn", "--distil", "--hint-weight", "1")
    assert "--hint-weight 1 does not go with --student cnn, which has no state at each token" in said
    said = refusal(capsys, main, "--export", folder, "--student", "bilstm", "--hint-weight", "1")
    assert "--hint-weight goes with --distil" in said
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"hint_weight: expected 0, for only an export has hints"):
        TextClassifier("bilstm", training={"hint_weight": 0.3}).fit(["a b", "b c"], [0, 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda hints: Ragged(hints.ids, hints.lengths[:-1]), "hints: expected 150 rows"),
        (lambda hints: Ragged(hints.ids, np.roll(hints.lengths, 1)), "expected one for each token of each row"),
        (lambda hints: Ragged(hints.ids / 16, hints.lengths), r"expected int8 \[tokens, width\], got float64"),
        (lambda hints: Ragged(hints.ids[:, 0], hints.lengths), r"expected int8 \[tokens, width\], got int8 \[\d+\]"),
    ],
)
def test_hints_of_other_rows_or_kinds_are_refused(export, change, message):
    hints = change(export.train.hints)
    with pytest.raises(InputError, match=message):
        dataclasses.replace(export.train, hints=hints)


def test_pads_at_the_ends_of_an_export_s_rows_change_nothing(export):
    """As a framework writes rows that has them in one array."""
    train, pad_id = export.train, export.manifest.pad_id
    tokens = Ragged(train.tokens.padded(train.length, pad_id).reshape(-1), np.full(len(train), train.length))
    hints = np.zeros((len(train), train.length, WIDTH), np.int8)
    hints[np.arange(train.length) < train.tokens.lengths[:, None]] = train.hints.ids
    padded_rows = dataclasses.replace(
        train, tokens=tokens, hints=Ragged(hints.reshape(-1, WIDTH), np.full(len(train), train.length))
    )
    assert len(hints.reshape(-1, WIDTH)) > 1.5 * len(train.hints.ids)
    one, other = (_trained(export, rows, _config(shuffle=True)) for rows in (train, padded_rows))
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


def test_python_takes_the_recipe_s_hints_where_all_rows_have_some(export):
    student = dj.student("bilstm", export, embedding_dim=8, hidden=HIDDEN)
    train, transfer = export.train, export.transfer
    bare = [dataclasses.replace(rows, hints=None) for rows in (train, transfer)]

    def weight(train, transfer, **options):
        return dj.fit(student, train, distil=True, transfer=transfer, epochs=1, **options).config.hint_weight

    assert weight(train, transfer) == weight(train, None) == 0.3
    assert weight(train, bare[1]) == weight(*bare) == 0
    with pytest.raises(InputError, match=r"needs them of all rows, a transfer set's too"):
        weight(train, bare[1], hint_weight=0.3)


def test_a_part_s_hints_are_as_wide_as_the_manifest_says(folder):
    manifest = read_manifest(folder)
    info = manifest.splits["train"][0]
    for width in (WIDTH + 1, 1):
        other = dataclasses.replace(manifest, config={**manifest.config, "hint_width": width})
        with pytest.raises(ExportFormatError, match=rf"part-00000.npz: hints: expected {width} numbers .*got {WIDTH}$"):
            read_part(folder, info, other, hints=True)
    without = dataclasses.replace(manifest, config={})
    with pytest.raises(ExportFormatError, match=rf"hints: expected 0 numbers a token .*got {WIDTH}$"):
        read_part(folder, info, without, hints=True)
    assert read_part(folder, info, without).hints is None


@pytest.mark.parametrize("width", ["4", 4.0, -4, True, None, 0])
def test_a_manifest_s_width_is_a_whole_number_above_0(folder, width):
    value = {**read_json(folder / "manifest.json", "manifest")}
    value["config"] = {**value["config"], "hint_width": width}
    with pytest.raises(ExportFormatError, match="config: hint_width: expected"):
        parse_manifest(value, "manifest")
