"""The examples in the docstrings of the library are run, on an export and a run where the demo's would lie."""

import doctest
import importlib
import shutil

import pytest

MODULES = {
    "distill_jax.data.exports": 4,
    "distill_jax.estimator": 10,
    "distill_jax.formats.registry": 6,
    "distill_jax.inference.predictor": 7,
    "distill_jax.losses": 4,
    "distill_jax.students.torch_state": 2,
}


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module, tiny_export, tiny_runs, tmp_path, monkeypatch):
    shutil.copytree(tiny_export, tmp_path / "exports" / "demo")
    shutil.copytree(tiny_runs["fasttext"], tmp_path / "runs" / "demo" / "fasttext-distil")
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(module))
    assert (found.failed, found.attempted) == (0, MODULES[module])
