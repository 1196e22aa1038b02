import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from distill_jax.config import TrainConfig
from distill_jax.data.examples import Examples
from distill_jax.students.student import build_student
from distill_jax.training.fit import fit
from tolerances import assert_close, assert_trees_close

OF_STEPS = {"terms": 100, "why": "the steps of an epoch, one after another"}

VOCAB, LENGTH, CLASSES = 60, 45, 3


def _train(batch_size):
    """Return the losses' mean of each epoch and the parameters: texts of up to 45 tokens, many of them twice."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, VOCAB, (70, LENGTH)).astype(np.int32)
    ids[np.arange(LENGTH) >= rng.integers(0, LENGTH + 1, 70)[:, None]] = 0
    examples = Examples.from_padded(ids, rng.integers(0, CLASSES, 70).astype(np.int32))
    student = build_student("fasttext", vocab_size=VOCAB, num_labels=CLASSES, embedding_dim=10, mask_padding=True)
    config = TrainConfig("fasttext", optimizer="sgd", learning_rate=0.5, batch_size=batch_size, epochs=2)
    result = fit(student, student.init(0), train=examples, test=examples, config=config)
    return result.history["train_loss"].to_numpy(), result.params


_PROGRAM = """
import sys
from distill_jax.jax_setup import configure_jax, loops_are_fused
configure_jax(fused_loops=True)
assert loops_are_fused()
sys.path.insert(0, sys.argv[1])
import jax, numpy as np
from test_fused_loops import _train
for batch_size in (1, 8):
    losses, params = _train(batch_size)
    np.savez(f"{sys.argv[2]}/{batch_size}.npz", losses, *jax.tree.leaves(params))
"""


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    """Return where a process with fused loops left what it trained."""
    folder = tmp_path_factory.mktemp("fused")
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "xla_backend_extra_options" not in flag]
    here = Path(__file__).resolve().parent
    environment = {**os.environ, "XLA_FLAGS": " ".join(flags), "PYTHONPATH": os.pathsep.join([str(here), *sys.path])}
    subprocess.run([sys.executable, "-c", _PROGRAM, str(here), str(folder)], check=True, env=environment)
    return folder


@pytest.mark.parametrize("batch_size", [1, 8])
def test_fused_loops_train_alike(fused, batch_size):
    losses, params = _train(batch_size)
    with np.load(fused / f"{batch_size}.npz") as archive:
        found = [archive[name] for name in archive.files]
    assert_close(found[0], losses, **OF_STEPS)
    assert_trees_close(found[1:], jax.tree.leaves(params), **OF_STEPS)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_taking_several_tokens_at_a_time_changes_nothing(monkeypatch, batch_size):
    losses, params = _train(batch_size)
    monkeypatch.setattr("distill_jax.training.runners.loops_are_fused", lambda: True)
    again, other = _train(batch_size)
    assert_close(again, losses, **OF_STEPS)
    assert_trees_close(other, params, **OF_STEPS)
