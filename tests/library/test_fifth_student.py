"""A fifth student, defined here alone, is trained, resumed, predicted with and reported."""

import dataclasses
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import distill_jax as dj
from command_lines import call
from distill_jax import predict, report, train
from distill_jax.options import Range
from distill_jax.recipes import ADAM, NOTEBOOK, Recipe
from distill_jax.students import registry
from distill_jax.students.networks.layers import linear
from distill_jax.training import run as training
from tolerances import OF_LOGITS, assert_close


class AveragingNetwork(nnx.Module):
    def __init__(self, config, rngs):
        self.config = config
        self.embedding = nnx.Param(jax.random.normal(rngs.params(), (config.vocab_size, config.embedding_dim)))
        self.hidden = linear(config.embedding_dim, config.hidden, rngs)
        self.fc = linear(config.hidden, config.num_labels, rngs)

    def __call__(self, inputs, padded_length=None, dropout_rng=None):
        del padded_length, dropout_rng
        real = (inputs != self.config.pad_id)[:, :, None]
        mean = (self.embedding[...][inputs] * real).sum(axis=1) / jnp.maximum(real.sum(axis=1), 1)
        hidden = jax.nn.relu(mean @ self.hidden["kernel"][...] + self.hidden["bias"][...])
        return hidden @ self.fc["kernel"][...] + self.fc["bias"][...]


@dataclasses.dataclass(frozen=True)
class AveragingConfig(dj.StudentConfig):
    """A deep averaging network (Iyyer et al. 2015)."""

    name: ClassVar = "averaging"
    title: ClassVar = "Averaging"
    recipes: ClassVar = {NOTEBOOK: Recipe({}, ADAM)}

    hidden: Annotated[int, Range(1, 65_536)] = 16
    """Units of the hidden layer."""

    def module(self, rngs):
        return AveragingNetwork(self, rngs)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(registry, "_KINDS", dict(registry._KINDS))
    dj.register(AveragingConfig)


def test_it_is_trained_stopped_resumed_predicted_with_and_reported(tiny_export, tmp_path, capsys, monkeypatch):
    words = ["--export", tiny_export, "--student", "averaging", "--recipe", "notebook", "--distil", "--hidden", "7"]
    words += ["--epochs", "3", "--embedding-dim", "5"]
    assert call(capsys, train.main, *words, "--workdir", tmp_path / "whole")[0] == 0
    save, count = training.save_checkpoint, []

    def stop_after_the_second(*arguments):
        save(*arguments)
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "save_checkpoint", stop_after_the_second)
        assert call(capsys, train.main, *words, "--workdir", tmp_path / "stopped")[0] == 130
    assert call(capsys, train.main, *words, "--workdir", tmp_path / "stopped", "--resume")[0] == 0
    whole, resumed = dj.load(tmp_path / "whole"), dj.load(tmp_path / "stopped")
    texts = ["w1 w2", "", "w3 w4 w5"]
    np.testing.assert_array_equal(whole.logits(texts), resumed.logits(texts))
    assert_close(whole.logits(texts[:1]), whole.logits([*texts, *texts])[:1], **OF_LOGITS)
    status, output, _ = call(capsys, predict.main, "--run", tmp_path / "whole", stdin=b"w1 w2\n")
    assert status == 0
    assert '"label": "' in output
    page = report.write_report(report.ReportConfig(runs=[tmp_path / "whole"], output=tmp_path / "report"))
    assert "Averaging (distilled)" in page.read_text()


def test_its_options_are_checked_and_another_s_refused(tiny_export):
    export = dj.Export.open(tiny_export)
    with pytest.raises(dj.InputError, match="--hidden: expected a number at least 1"):
        dj.student("averaging", export, recipe="notebook", hidden=0)
    with pytest.raises(dj.InputError, match="--filters: student averaging has no such option; it has --embedding-dim"):
        dj.student("averaging", export, recipe="notebook", filters=3)
    with pytest.raises(dj.InputError, match="recipe: expected one of notebook, got 'best'"):
        dj.student("averaging", export)


def test_a_name_is_given_once():
    class Other(AveragingConfig):
        pass

    with pytest.raises(dj.InputError, match="the name 'averaging' is"):
        dj.register(Other)
