import dataclasses

import numpy as np
import pytest
from sklearn.decomposition import PCA

from distill_jax.config import TrainConfig
from distill_jax.errors import InputError, MissingInputError
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import read_token_embeddings
from distill_jax.students.student import build_student
from distill_jax.training.start_embeddings import initial_params, principal_components, read_word2vec
from tiny_export import PAD_ID, tiny_tokenizer
from tolerances import assert_close

WIDTH = 5


def _params(name, embeddings, export):
    manifest = read_manifest(export)
    student = build_student(
        name,
        vocab_size=manifest.vocab_size,
        num_labels=3,
        embedding_dim=WIDTH,
        **({"filters": 4} if name == "cnn" else {}),
    )
    config = dataclasses.replace(TrainConfig.notebook(name), embeddings=embeddings)
    return student, student.init(0), initial_params(student, config, export, manifest)


def test_random_embeddings_are_the_students_own(tiny_export):
    student, own, found = _params("cnn", "random", tiny_export)
    np.testing.assert_array_equal(found[student.config.table_name], own[student.config.table_name])


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
def test_the_teacher_s_are_principal_components_of_the_same_size_as_random_ones(name, tiny_export):
    student, own, found = _params(name, "teacher", tiny_export)
    table, random = found[student.config.table_name], own[student.config.table_name]
    assert table.dtype == random.dtype
    np.testing.assert_array_equal(table[PAD_ID], 0)
    rows = np.arange(len(table)) != PAD_ID
    expected = PCA(WIDTH).fit_transform(read_token_embeddings(tiny_export, read_manifest(tiny_export)).astype(float))
    for column in range(WIDTH):  # up to sign and one common scale
        assert abs(np.corrcoef(table[rows, column], expected[rows, column])[0, 1]) > 0.999
    of_squares = {"terms": table.size, "why": "the table's squares"}
    assert_close(np.square(table[rows]).mean(), np.square(random).mean(), **of_squares)
    for other in own:
        if other != student.config.table_name:
            np.testing.assert_array_equal(found[other]["bias"], own[other]["bias"])


def test_components_have_fixed_signs_and_fall_in_variance():
    table = np.random.default_rng(0).normal(size=(40, 7)) * np.arange(1, 8)
    found = principal_components(table, 7)
    assert (np.diff(found.var(axis=0)) < 0).all()
    assert_close(principal_components(table + 3, 7), found, terms=1, why="a component")  # the mean does not matter
    centred = table - table.mean(0)
    assert_close(found @ found.T, centred @ centred.T, terms=7, why="the components")


def test_a_teacher_narrower_than_the_student_is_refused(tiny_export):
    manifest = read_manifest(tiny_export)
    student = build_student("fasttext", vocab_size=manifest.vocab_size, num_labels=3, embedding_dim=9)
    config = dataclasses.replace(TrainConfig.notebook("fasttext"), embeddings="teacher")
    with pytest.raises(InputError, match="--embedding-dim of at most 8, the teacher's own width, got 9"):
        initial_params(student, config, tiny_export, manifest)


def test_a_word2vec_file_gives_the_rows_of_the_tokens_it_knows(tiny_export, tmp_path):
    path = tmp_path / "vectors.vec"
    path.write_text("3 5\nw0 1 0 0 0 0\nw7 0 2 0 0 0\nelsewhere 9 9 9 9 9\n")
    student, own, found = _params("cnn", str(path), tiny_export)
    vocabulary = tiny_tokenizer().get_vocab()
    table, random = found[student.config.table_name], own[student.config.table_name]
    np.testing.assert_allclose(table[vocabulary["w7"]] / table[vocabulary["w0"], 0], [0, 2, 0, 0, 0])
    changed = (table != random).any(axis=1)
    assert sorted(np.flatnonzero(changed)) == sorted([vocabulary["w0"], vocabulary["w7"]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"w0 1 2\n", r"line 1: expected a word and 5 numbers \(--embedding-dim\), got 2"),
        (b"1 5\nw0 1 2 3 4 x\n", "line 2: expected numbers after the word"),
        (b"w0 1 2 3 4 5\n\xff 1 2 3 4 5\n", "line 2: expected text in UTF-8"),
        (b"w0 1 2 3 4 nan\n", r"line 1: expected finite numbers, got \[1.0, 2.0, 3.0, 4.0, nan\]"),
        (b"w0 1 2 3 4 1e99\n", "line 1: expected finite numbers"),
        (
            b"w0 1 2 3 4 5\nw1 " + b"1 " * 600_000,
            "line 2: expected a word and 5 numbers .* got more than 1,049,076 bytes",
        ),
    ],
)
def test_a_broken_word2vec_file_is_refused_by_line(content, message, tmp_path):
    path = tmp_path / "vectors.vec"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_word2vec(path, 5, {"w0"})


def test_of_many_vectors_those_of_the_tokens_are_kept(tmp_path):
    path = tmp_path / "vectors.vec"
    path.write_text("".join(f"w{number} 1 2 3 4 5\n" for number in range(1000)))
    assert set(read_word2vec(path, 5, {"w3", "w7", "elsewhere"})) == {"w3", "w7"}


def test_a_missing_word2vec_file_names_the_choices(tmp_path):
    with pytest.raises(MissingInputError, match="expected random, teacher, or a word2vec text file"):
        read_word2vec(tmp_path / "none.vec", 5, set())


def test_a_file_of_another_language_is_refused(tiny_export, tmp_path):
    path = tmp_path / "vectors.vec"
    path.write_text("mot 1 2 3 4 5\n")
    with pytest.raises(InputError, match="a vector for none of the tokenizer's tokens"):
        _params("cnn", str(path), tiny_export)
