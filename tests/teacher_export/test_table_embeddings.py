"""Students of a table's answers start from the embeddings of the model beside the tokenizer that is given."""

import json
import shutil
import struct

import numpy as np
import pytest

from command_lines import call
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import read_token_embeddings
from teacher_export.__main__ import main
from teacher_export.teacher.table_embeddings import embeddings_beside
from teacher_families import FAMILIES, save_family
from tiny_teacher import make_teacher, reviews


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model's folder with its tokenizer."""
    made = tmp_path_factory.mktemp("models") / "tiny"
    make_teacher(made, head=False)
    return made


def table_of(folder):
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder).get_input_embeddings().weight.detach().numpy()


def exported(capsys, tmp_path, tokenizer, output="out"):
    texts, labels = reviews(40)
    data = tmp_path / "r.jsonl"
    rows = (
        {"text": t, "answer": {str(k): 0.8 if k == x else 0.05 for k in range(5)}}
        for t, x in zip(texts, labels, strict=True)
    )
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--dataset", "table", "--data", data, "--text-column", "text", "--teacher-outputs", "answer"]
    status, said, error = call(capsys, main, *words, "--tokenizer", tokenizer, "--output", tmp_path / output)
    assert status == 0, error
    return tmp_path / output, said, error


def test_an_export_has_the_model_s_own_embeddings_and_is_reused(folder, tmp_path, capsys):
    output, said, _ = exported(capsys, tmp_path, folder)
    manifest = read_manifest(output)
    rows = read_token_embeddings(output, manifest)
    theirs = table_of(folder)
    assert len(rows) == manifest.vocab_size
    np.testing.assert_array_equal(rows, theirs[: len(rows)].astype(np.float16))
    assert "students may start from the 16 embeddings a token" in said
    assert "it is reused" in exported(capsys, tmp_path, folder)[1]


def test_a_file_alone_has_none_and_is_another_export(folder, tmp_path, capsys):
    output, said, _ = exported(capsys, tmp_path, folder / "tokenizer.json")
    assert "students may start" not in said
    assert not read_manifest(output).has_token_embeddings
    assert "given_embeddings" not in read_manifest(output).config


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_s_table_is_found_by_its_name(tmp_path, family):
    model, _ = save_family(family, tmp_path)
    theirs = model.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(embeddings_beside(str(tmp_path), len(theirs)), theirs)
    more = embeddings_beside(str(tmp_path), len(theirs) + 2)
    assert not more[len(theirs) :].any()


def test_weights_that_are_damaged_are_not_taken_and_it_is_said(folder, tmp_path, capsys):
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-40])
    output, _, error = exported(capsys, tmp_path, broken)
    assert "are not taken" in error
    assert not read_manifest(output).has_token_embeddings


def with_table(folder, dtype, shape, content):
    header = {"wte.weight": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(content)]}}
    encoded = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(encoded)) + encoded + content)
    return str(folder)


@pytest.mark.parametrize("number", [1e300, float("nan"), -float("inf")])
def test_numbers_that_float32_does_not_hold_are_not_taken(tmp_path, capsys, number):
    table = np.full((4, 8), 0.5)
    assert np.array_equal(embeddings_beside(with_table(tmp_path, "F64", [4, 8], table.tobytes()), 4), table)
    table[2, 3] = number
    assert embeddings_beside(with_table(tmp_path, "F64", [4, 8], table.tobytes()), 4) is None
    assert "are not taken: expected one table of finite numbers" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [[1, 20_000_000], [8, 0], [8], [2, 2, 2]])
def test_a_table_of_other_tokens_takes_no_memory(tmp_path, capsys, shape):
    folder = with_table(tmp_path, "U8", shape, bytes(int(np.prod(shape))))
    assert embeddings_beside(folder, 30_000) is None  # of the first, it would take two terabytes
    assert "are not taken" in capsys.readouterr().err
