"""The library: from an export to a trained student, saved, loaded and used, in a few lines."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import distill_jax as dj
from distill_jax.data.exports import Export
from distill_jax.reporting.comparable_runs import read_runs
from tiny_export import tiny_texts
from tolerances import assert_close

TINY = {"epochs": 2, "embeddings": "random", "transfer_passes": 0}


@pytest.fixture(scope="module")
def export(tiny_export):
    return dj.Export.open(tiny_export)


def fitted(export, name="cnn", **options):
    student = dj.student(name, export, recipe="notebook", embedding_dim=6, **options)
    return dj.fit(student, export.train, distil=True, evaluate={"test": export.test}, epochs=2)


def test_the_public_names_are_there_and_nothing_heavy_is_imported_for_them():
    program = "import sys, distill_jax as dj; print(sorted(dir(dj))); print({'jax', 'numpy'} & {*sys.modules})"
    lines = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert lines.splitlines() == [str(sorted(dj.__all__)), "set()"]
    assert all(getattr(dj, name) is not None for name in dj.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        dj.fitt  # noqa: B018


def test_from_an_export_to_predictions_saved_and_loaded(export, tmp_path, capfd):
    result = fitted(export, filters=4)
    assert result.history["epoch"].tolist() == [0, 1]
    assert result.logits["test"].shape == (len(export.test), len(export.label_names))
    texts = tiny_texts(7, seed=3)[0]
    folder = result.save(tmp_path / "run")
    model = dj.load(folder)
    np.testing.assert_array_equal(model.predict_proba(texts), result.model.predict_proba(texts))
    assert model.predict(texts).tolist() == [export.label_names[i] for i in model.logits(texts).argmax(axis=1)]
    assert model.classes_.tolist() == list(export.label_names)
    (run,) = read_runs([folder])
    np.testing.assert_array_equal(run.predictions.logits, result.logits["test"])
    assert capfd.readouterr() == ("", "")  # a library says nothing
    with pytest.raises(dj.InputError, match="it exists already; the student is not lost: save it under another name"):
        result.save(folder)
    assert dj.load(result.save(tmp_path / "another")).logits(texts).shape == (7, len(export.label_names))
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert dj.load(result.save(tmp_path / "link")).label_names == export.label_names
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(dj.InputError, match="dangling: it is a link that leads to nothing"):
        result.save(tmp_path / "dangling")


def test_a_library_training_is_the_command_s(export, tmp_path):
    from distill_jax.config import TrainConfig
    from distill_jax.training.run import TrainRun, train_run

    config = TrainConfig.notebook("fasttext", distil=True, epochs=2)
    train_run(TrainRun(export.folder, tmp_path / "run", config, {"embedding_dim": 6}))
    result = fitted(export, "fasttext")
    texts = tiny_texts(9, seed=4)[0]
    np.testing.assert_array_equal(dj.load(tmp_path / "run").logits(texts), result.model.logits(texts))


def test_without_a_test_split_its_columns_are_unknown_and_the_epoch_is_chosen_on_validation(export):
    student = dj.student("fasttext", export, recipe="notebook", embedding_dim=4)
    seen = []
    result = dj.fit(student, export.train, select_on=export.test, epochs=3, callbacks=[lambda s: seen.append(s.epoch)])
    assert result.history[["test_loss", "test_acc", "test_f1_macro"]].isna().all().all()
    assert result.history["validation_f1_macro"].notna().all()
    assert seen == [1, 2, 3]
    assert not result.logits
    with pytest.raises(dj.InputError, match="a run holds its test scores"):
        result.save("nowhere")


class Bag(nnx.Module):
    """A user's own network, which knows nothing of this package."""

    def __init__(self, vocab_size, classes, pad_id, rngs):
        self.table, self.out, self.pad_id = (
            nnx.Embed(vocab_size, 8, rngs=rngs),
            nnx.Linear(8, classes, rngs=rngs),
            pad_id,
        )

    def __call__(self, ids):
        real = (ids != self.pad_id)[:, :, None]
        return self.out((self.table(ids) * real).sum(axis=1) / jnp.maximum(real.sum(axis=1), 1))


def build(config, rngs):
    return Bag(config.vocab_size, config.num_labels, config.pad_id, rngs)


def test_a_module_of_one_s_own_is_trained_saved_and_loaded(export, tmp_path):
    student = dj.student(build, export, recipe="notebook")
    result = dj.fit(student, export.train, distil=True, evaluate={"test": export.test}, epochs=4, learning_rate=0.05)
    assert result.history["train_loss"].iloc[-1] < result.history["train_loss"].iloc[0]
    folder, texts = result.save(tmp_path / "run"), tiny_texts(5, seed=1)[0]
    loaded = dj.load(folder, module=build)
    np.testing.assert_array_equal(loaded.logits(texts), result.model.logits(texts))
    module = build(student.student.config, nnx.Rngs(0))
    nnx.update(module, result.model.params["module"])
    rows = loaded.tokenizer.encode(texts).padded(export.manifest.max_length, export.manifest.pad_id)
    assert_close(loaded.logits(texts), module(rows), terms=30, why="a text's embeddings, eight features")
    with pytest.raises(dj.InputError, match=r"a function of your own: give it, as load\(folder, module=…\) does"):
        dj.load(folder)


def test_a_module_with_other_state_than_parameters_is_refused(export):
    class Noisy(nnx.Module):
        def __init__(self, rngs):
            self.drop = nnx.Dropout(0.5, rngs=nnx.Rngs(dropout=0))

    student = dj.student(lambda config, rngs: Noisy(rngs), export, recipe="notebook")
    with pytest.raises(dj.InputError, match=r"expected a module whose variables are all nnx\.Param"):
        dj.fit(student, export.train, epochs=1)


@pytest.mark.parametrize("kind", [jnp.bfloat16, jnp.float16])
def test_a_module_whose_parameters_a_run_does_not_hold_is_refused_before_it_is_trained(export, kind):
    def halves(config, rngs):
        module = build(config, rngs)
        module.out = nnx.Linear(8, config.num_labels, param_dtype=kind, rngs=rngs)
        return module

    with pytest.raises(dj.InputError, match=rf"parameter out\.\w+: expected float32, got {np.dtype(kind)}"):
        dj.fit(dj.student(halves, export, recipe="notebook"), export.train, epochs=1)


def test_the_loss_in_a_loop_of_one_s_own():
    logits, teacher = jnp.array([[0.3, -1.0, 2.0]]), jnp.array([[1.0, 0.0, 0.5]])
    loss = lambda x: dj.losses.distillation(x, jnp.array([2]), teacher, alpha=0.3, temperature=2.0).sum()  # noqa: E731
    assert jnp.abs(jax.grad(loss)(logits)).sum() > 0
    assert float(dj.losses.distillation(teacher, jnp.array([-1]), teacher)[0]) == 0


def test_an_export_is_opened_and_read_when_asked(tiny_export, tmp_path):
    export = Export.open(str(tiny_export))
    assert len(export.train) == export.manifest.examples("train")
    assert export.validation is None
    with pytest.raises(dj.InputError, match="there is no such folder"):
        Export.open(tmp_path / "none")


def test_a_module_s_options_are_checked_as_every_student_s(export):
    with pytest.raises(dj.InputError, match="--embedding-dim: expected a number at least 1"):
        dj.student(build, export, embedding_dim=0)
    with pytest.raises(dj.InputError, match="--filters: student own has no such option"):
        dj.student(build, export, filters=3)
    with pytest.raises(dj.InputError, match="--recipe: expected one of notebook, best, got 'worst'"):
        dj.student(build, export, recipe="worst")


class Deep(nnx.Module):
    """A network with a list of layers, whose parameters have numbers among their names."""

    def __init__(self, config, rngs):
        self.table = nnx.Embed(config.vocab_size, 4, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(4, 4, rngs=rngs) for _ in range(12)])
        self.out = nnx.Linear(4, config.num_labels, rngs=rngs)

    def __call__(self, ids):
        features = self.table(ids).mean(axis=1)
        for layer in self.layers:
            features = nnx.relu(layer(features))
        return self.out(features)


def test_a_module_with_a_list_of_layers_is_loaded_as_it_was(export, tmp_path):
    student = dj.student(Deep, export, recipe="notebook")
    result = dj.fit(student, export.train, evaluate={"test": export.test}, epochs=1)
    loaded, texts = dj.load(result.save(tmp_path / "run"), module=Deep), tiny_texts(5, seed=1)[0]
    np.testing.assert_array_equal(loaded.logits(texts), result.model.logits(texts))


def test_a_save_that_is_stopped_leaves_nothing_and_can_be_repeated(export, tmp_path, monkeypatch):
    result = dj.fit(dj.student("fasttext", export), export.train, evaluate={"test": export.test}, epochs=1)

    def stop(*_):
        raise KeyboardInterrupt

    for name in ("write_history", "write_weights", "finish_run"):
        with monkeypatch.context() as patch:
            patch.setattr(f"distill_jax.training.python_api.{name}", stop)
            with pytest.raises(KeyboardInterrupt):
                result.save(tmp_path / "run")
        assert list(tmp_path.iterdir()) == []
    assert dj.load(result.save(tmp_path / "run")).label_names == export.label_names
