"""The ONNX model is NumPy's network, whatever the batch; its tokenizer's output is its input."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from command_lines import ROOT, call, refusal
from distill_jax.conversion.onnx.converter import onnx_model
from distill_jax.conversion.registry import converter_named
from distill_jax.convert import main as convert
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from packed_students import LENGTH, STUDENTS, TASKS, VOCAB, packed_student
from tiny_export import tiny_texts

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is of the extra test")

TOLERANCE = 1e-5
TEXTS = [*tiny_texts(60, 4)[0], "", "w1 " * 99, "w1", "w2 unknown w3"]
rows_of_tokens = st.lists(st.lists(st.integers(0, VOCAB - 1), max_size=LENGTH), min_size=1, max_size=64)


def session_of(student):
    """Return the model in ONNX Runtime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = onnx_model(student).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session, tokens, *, length, behind):
    """Return the outputs for rows of tokens, padded to a length by any token."""
    inputs = {"input_ids": tokens.padded(length, behind).astype(np.int64), "lengths": tokens.lengths}
    return session.run(None, inputs)


def assert_alike(found, expected):
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, expected, rtol=TOLERANCE, atol=TOLERANCE * max(1, np.abs(expected).max(initial=0))
    )


@pytest.mark.parametrize("whole", [False, True], ids=["quantised", "whole"])
@pytest.mark.parametrize("name", STUDENTS)
def test_its_logits_are_numpy_s_whatever_stands_behind_a_text(name, whole):
    student = packed_student(name, whole=whole)
    session, predictor = session_of(student), student.predictor()

    @settings(max_examples=25, deadline=None)
    @given(rows=rows_of_tokens, more=st.integers(0, 3), behind=st.integers(0, VOCAB - 1))
    def agree(rows, more, behind):
        tokens = Ragged.of(rows)
        length = min(int(tokens.lengths.max()) + more, LENGTH)
        logits, probabilities = run(session, tokens, length=length, behind=behind)
        expected = predictor.network.start(tokens, 1)()
        assert_alike(logits, expected)
        np.testing.assert_allclose(probabilities, predictor.task.probabilities(expected), rtol=0, atol=TOLERANCE)

    agree()


@pytest.mark.parametrize("rows", range(1, 65, 9))
@pytest.mark.parametrize("length", [0, 1, 2, LENGTH])
@pytest.mark.parametrize("name", ["linear", "dan", "cnn", "bilstm"])
def test_batches_of_every_extent(name, length, rows):
    student = packed_student(name)
    lengths = np.random.default_rng(rows).integers(0, length + 1, rows)
    tokens = Ragged(np.random.default_rng(length).integers(1, VOCAB, lengths.sum()).astype(np.int32), lengths)
    logits = run(session_of(student), tokens, length=length, behind=0)[0]
    assert_alike(logits, student.predictor().network.start(tokens, 1)())


@pytest.mark.parametrize("name", STUDENTS)
def test_an_empty_batch_has_no_logits(name):
    logits, _ = run(session_of(packed_student(name)), Ragged.of([]), length=5, behind=0)
    assert logits.shape == (0, 3)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_s_outputs_are_the_predictor_s(task):
    student = packed_student("cnn", task=task)
    session, predictor = session_of(student), student.predictor()
    tokens = predictor.tokenizer.encode(TEXTS)
    found = dict(
        zip([one.name for one in session.get_outputs()], run(session, tokens, length=LENGTH, behind=0), strict=True)
    )
    assert_alike(found.pop("logits"), predictor.logits(TEXTS))
    if task == "score":
        assert found == {}
        return
    np.testing.assert_allclose(found.pop("probabilities"), predictor.predict_proba(TEXTS), rtol=0, atol=TOLERANCE)
    assert found == {}


@pytest.mark.parametrize("name", ["linear", "cnn", "bilstm"])
def test_the_folder_alone_answers_texts_as_the_packed_file_does(tmp_path, capsys, name):
    student = packed_student(name, facts={"licence": "MIT"}, label_names=("bad", "fair é\n", '"good" <b>'))
    student.write(tmp_path / "student.djx")
    status, out, error = call(capsys, convert, tmp_path / "student.djx", "--to", "onnx")
    folder = tmp_path / "student-onnx"
    assert (status, error) == (0, "")
    assert str(folder) in out
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    encodings = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(TEXTS)
    inputs = {
        "input_ids": np.array([encoding.ids for encoding in encodings]),
        "lengths": np.array([sum(encoding.attention_mask) for encoding in encodings]),
    }
    about = session.get_modelmeta().custom_metadata_map
    names = json.loads(about["label_names"])
    _, probabilities = session.run(["logits", "probabilities"], inputs)
    assert [names[place] for place in probabilities.argmax(axis=1)] == list(student.predictor().predict(TEXTS))
    assert json.loads(about["decision"]) == dict(student.decision)
    assert (about["task"], about["max_length"], about["pad_id"], about["licence"]) == ("single-label", "16", "0", "MIT")


def test_the_same_student_gives_the_same_bytes():
    files = [converter_named("onnx").files(packed_student("bilstm")) for _ in range(2)]
    assert files[0] == files[1]


def test_numbers_of_a_byte_stay_bytes():
    whole, small = (
        len(onnx_model(packed_student("linear", whole=whole)).SerializeToString()) for whole in (True, False)
    )
    assert small < 0.75 * whole


def test_a_student_without_a_graph_is_refused(monkeypatch):
    student = packed_student("cnn")
    monkeypatch.setattr(type(student.config), "onnx_network", lambda self: None)
    with pytest.raises(InputError, match="--to onnx: a student cnn of these options has no graph"):
        onnx_model(student)


def test_what_lies_there_is_not_replaced(tmp_path, capsys):
    packed_student("linear").write(tmp_path / "student.djx")
    (tmp_path / "student-onnx").mkdir()
    (tmp_path / "student-onnx" / "mine.txt").write_text("mine")
    message = refusal(capsys, convert, tmp_path / "student.djx", "--to", "onnx")
    assert str(tmp_path / "student-onnx") in message
    assert [path.name for path in (tmp_path / "student-onnx").iterdir()] == ["mine.txt"]


def test_the_documented_lines_answer_with_it(tmp_path, capsys, monkeypatch):
    packed_student("cnn").write(tmp_path / "student.djx")
    call(capsys, convert, tmp_path / "student.djx", "--to", "onnx")
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import json.*?onnxruntime.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    expected = packed_student("cnn").predictor().predict(["What a lovely film.", "Never again."])
    assert capsys.readouterr().out.splitlines() == [str(list(expected))]
