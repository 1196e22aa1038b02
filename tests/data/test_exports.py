"""An export folder that another export takes while it is used: what was opened is used, or the other one refused."""

import hashlib
import json
import shutil

import numpy as np
import pytest

import distill_jax as dj
from distill_jax.checksums import CHECKSUMS, record_files
from distill_jax.config import TrainConfig
from distill_jax.export.format import ExportFormatError
from distill_jax.export.reader import read_token_embeddings
from distill_jax.training.run import TrainRun, train_run
from distill_jax.training.run_data import TrainData
from distill_jax.training.start_embeddings import start_table
from tiny_export import tiny_texts, write_tiny_export

TEXTS = tiny_texts(20, seed=3)[0]


@pytest.fixture
def folder(tmp_path):
    """An export."""
    return write_tiny_export(tmp_path / "export")


@pytest.fixture
def replace(tmp_path, folder):
    """A function that puts another export in the folder's place: of the same shapes, with other ids for words."""
    other = write_tiny_export(tmp_path / "other")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    words = [word for word in vocabulary if word.startswith("w")]
    vocabulary |= {word: vocabulary[after] for word, after in zip(words, words[1:] + words[:1], strict=True)}
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["config"]["seed"] = 1
    (other / "manifest.json").write_text(json.dumps(manifest))
    record_files(other, "manifest.json", "tokenizer.json", "token_embeddings.npy")

    def put():
        shutil.rmtree(folder)
        shutil.copytree(other, folder)

    return put


def test_a_student_is_saved_with_the_tokenizer_that_it_was_trained_with(folder, replace, tmp_path):
    export = dj.Export.open(folder)
    student = dj.student("fasttext", export, recipe="notebook", embedding_dim=6)
    result = dj.fit(student, export.train, distil=True, evaluate={"test": export.test}, epochs=2)
    replace()
    loaded = dj.load(result.save(tmp_path / "run"))
    np.testing.assert_array_equal(loaded.logits(TEXTS), result.model.logits(TEXTS))


def test_a_later_seed_has_the_tokenizer_and_the_name_of_the_export_that_it_learns_from(folder, replace, tmp_path):
    wanted = {name: (folder / name).read_bytes() for name in ("tokenizer.json", "manifest.json")}
    first, later = (TrainConfig.notebook("fasttext", epochs=1, seed=seed) for seed in (0, 1))
    student = {"embedding_dim": 6}
    data = TrainData(folder, first, student)
    train_run(TrainRun(folder, tmp_path / "run", first, student), data)
    replace()
    second = TrainRun(folder, tmp_path / "run/seed-1", later, student)
    train_run(second, data)
    assert (second.workdir / "tokenizer.json").read_bytes() == wanted["tokenizer.json"]
    config = json.loads((second.workdir / "config.json").read_text())
    assert config["export"]["fingerprint"] == hashlib.sha256(wanted["manifest.json"]).hexdigest()


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("what", ["embeddings", "words"])
def test_what_is_read_later_is_refused_where_it_is_another_export_s(folder, replace, tmp_path, recorded, what):
    (tmp_path / "words.vec").write_text("w1 0.5 0.25\nw2 0.5 0.125\n")
    export = dj.Export.open(folder)
    read = {
        "embeddings": lambda: read_token_embeddings(folder, export.manifest),
        "words": lambda: start_table(str(tmp_path / "words.vec"), 2, folder, export.manifest),
    }[what]
    read()
    replace()
    if not recorded:
        (folder / CHECKSUMS).unlink()
    with pytest.raises(ExportFormatError, match="it was written anew since its manifest was read"):
        read()
