"""The StableHLO program, read back from its bytes, is NumPy's network."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import export
from tokenizers import Tokenizer

from command_lines import call
from distill_jax.conversion.stablehlo import exported
from distill_jax.convert import main as convert
from distill_jax.data.ragged import Ragged
from packed_students import LENGTH, STUDENTS, TASKS, VOCAB, packed_student
from tiny_export import tiny_texts

TOLERANCE = 1e-5
TEXTS = [*tiny_texts(60, 4)[0], "", "w1 " * 99, "w1"]
rows_of_tokens = st.lists(st.lists(st.integers(0, VOCAB - 1), max_size=LENGTH), min_size=1, max_size=8)


def program_of(student):
    """Return the program as one that has its bytes alone gets it."""
    return export.deserialize(bytearray(exported(student).serialize()))


def run(program, tokens, *, length, behind=0):
    """Return the outputs for rows of tokens, padded to a length by any token."""
    found = program.call(tokens.padded(length, behind), tokens.lengths.astype(np.int32))
    return [np.asarray(one) for one in found]


@pytest.mark.parametrize("whole", [False, True], ids=["quantised", "whole"])
@pytest.mark.parametrize("name", STUDENTS)
def test_its_logits_are_numpy_s_whatever_stands_behind_a_text(name, whole):
    student = packed_student(name, whole=whole)
    program, predictor = program_of(student), student.predictor()

    @settings(max_examples=4, deadline=None)  # each extent is compiled
    @given(rows=rows_of_tokens, more=st.integers(1, 3), behind=st.integers(0, VOCAB - 1))
    def agree(rows, more, behind):
        tokens = Ragged.of(rows)
        length = min(int(tokens.lengths.max()) + more, LENGTH)
        logits, probabilities = run(program, tokens, length=length, behind=behind)
        expected = predictor.network.start(tokens, 1)()
        assert logits.dtype == probabilities.dtype == np.float32
        scale = max(1, np.abs(expected).max())
        np.testing.assert_allclose(logits, expected, rtol=TOLERANCE, atol=TOLERANCE * scale)
        np.testing.assert_allclose(probabilities, predictor.task.probabilities(expected), rtol=0, atol=TOLERANCE)

    agree()


def test_it_is_lowered_for_processors_and_gpus_of_any_batch_and_of_lengths_that_the_student_sees():
    program = program_of(packed_student("bilstm"))
    assert set(program.platforms) == {"cpu", "cuda"}
    assert [str(extent) for extent in program.in_avals[0].shape] == ["batch", "length"]
    with pytest.raises(ValueError, match="shapes"):
        run(program, Ragged.of([[5] * LENGTH]), length=LENGTH + 1)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_s_outputs_are_the_predictor_s(task):
    student = packed_student("cnn", task=task)
    predictor = student.predictor()
    found = run(program_of(student), predictor.tokenizer.encode(TEXTS), length=LENGTH)
    expected = predictor.logits(TEXTS)
    np.testing.assert_allclose(found[0], expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())
    if task == "score":
        assert len(found) == 1
    else:
        np.testing.assert_allclose(found[1], predictor.predict_proba(TEXTS), rtol=0, atol=TOLERANCE)


def test_the_folder_alone_answers_texts_as_the_packed_file_does(tmp_path, capsys):
    student = packed_student("linear")
    student.write(tmp_path / "student.djx")
    folder = tmp_path / "program"
    status, _, error = call(capsys, convert, tmp_path / "student.djx", "--to", "stablehlo", "--output", folder)
    assert (status, error) == (0, "")
    program = export.deserialize(bytearray((folder / "model.stablehlo").read_bytes()))
    about = json.loads((folder / "student.json").read_text())
    encodings = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(TEXTS)
    ids = np.array([encoding.ids for encoding in encodings], np.int32)
    lengths = np.array([sum(encoding.attention_mask) for encoding in encodings], np.int32)
    _, probabilities = program.call(ids, lengths)
    found = [about["label_names"][place] for place in np.asarray(probabilities).argmax(axis=1)]
    assert found == list(student.predictor().predict(TEXTS))
