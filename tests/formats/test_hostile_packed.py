"""A packed student from elsewhere takes no process with it, and no memory that it only declares."""

import dataclasses
import json

import numpy as np
import pytest

import distill_jax as dj
from distill_jax.errors import InputError
from distill_jax.packed.container import container_bytes, read_container
from distill_jax.packed.student import whole_student
from tolerances import SIX_DECIMALS


@pytest.fixture
def packed(tiny_runs, tmp_path):
    """A packed student's file."""
    whole_student(dj.load(tiny_runs["fasttext"])).write(tmp_path / "student.djx")
    return tmp_path / "student.djx"


def test_it_answers_as_the_run_does(packed, tiny_runs):
    texts = ["w1 w2", "", "w7 " * 40]
    answers = dj.load(tiny_runs["fasttext"]).predict_proba(texts)
    np.testing.assert_allclose(dj.load(packed).predict_proba(texts), answers, atol=2 * SIX_DECIMALS)


def test_a_tokenizer_that_would_end_the_process_is_refused(tiny_runs, tmp_path):
    student = whole_student(dj.load(tiny_runs["fasttext"]))
    about = json.loads(student.tokenizer)
    about["model"] = {"type": "Unigram", "unk_id": 0, "vocab": [["[UNK]", 0.0], ["a" + "[" * 200_000, -3.0]]}
    dataclasses.replace(student, tokenizer=json.dumps(about)).write(tmp_path / "hostile.djx")
    with pytest.raises(InputError, match=r"hostile.djx: expected tokens of at most 10,000 characters, got one"):
        dj.load(tmp_path / "hostile.djx")


def test_numbers_that_are_only_declared_take_no_memory(packed):
    manifest, streams = read_container(packed)
    arrays = {"embeddings": {"coding": "float32", "shape": [1 << 20, 1 << 9]}}  # two gigabytes
    more = {**streams, "more": bytes(30_000_000)}  # of a file of so many bytes a part of them was allowed
    packed.write_bytes(container_bytes({**manifest, "arrays": arrays}, more))
    with pytest.raises(InputError, match=r"expected at most 1,073,741,824 bytes of numbers in a file of 30,"):
        dj.load(packed)
