"""Predictions from a run folder: ``Predictor`` from Python, and ``python -m distill_jax.predict``."""

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import sys
from unittest import mock

import jax
import numpy as np
import pandas as pd
import pytest

from command_lines import call, python, refusal
from distill_jax.config import TrainConfig
from distill_jax.data.tokenizer import load_tokenizer
from distill_jax.errors import InputError, MissingInputError
from distill_jax.inference.json_lines import DIGITS, JsonLines
from distill_jax.inference.predictor import Predictor
from distill_jax.predict import main
from distill_jax.runs.folder import read_predictions
from distill_jax.students.student import Student
from distill_jax.training.run import TrainRun, train_run
from padded import padded_inputs
from run_folders import record
from tiny_export import MAX_LENGTH, tiny_texts, tiny_tokenizer
from tolerances import OF_LOGITS, assert_close, rounding

_BIGRAMS = {"ngrams": 2, "buckets": 90}
_MORE = {
    "bigrams": ("fasttext", {**_BIGRAMS, "mask_padding": True}),
    "mean-max-min": ("fasttext", {"pooling": "mean-max-min", "mask_padding": True}),
    "ensemble": ("ensemble", {"filters": 8, **_BIGRAMS}),
}
STUDENTS = ("cnn", "fasttext", "bilstm", *_MORE)
LOST_IN_WRITING = 0.5 * 10.0**-DIGITS


@pytest.fixture(scope="module")
def all_runs(tmp_path_factory, tiny_export, tiny_runs):
    """Run folders of every kind of student: name → folder."""
    runs = dict(tiny_runs)
    for name, (student, shape) in _MORE.items():
        runs[name] = tmp_path_factory.mktemp("runs") / name
        config = TrainConfig.notebook(student, distil=True, epochs=2)
        train_run(TrainRun(tiny_export, runs[name], config, {"embedding_dim": 12, **shape}))
    return runs


@pytest.fixture(scope="module")
def predictors(all_runs):
    return {name: Predictor.load(folder) for name, folder in all_runs.items()}


@pytest.fixture
def run(tiny_runs, tmp_path):
    """A copy of a run folder, to be damaged."""
    shutil.copytree(tiny_runs["fasttext"], tmp_path / "run")
    return tmp_path / "run"


def _lines(output):
    return [json.loads(line) for line in output.splitlines()]


def _assert_written(found, probabilities):
    """Assert that numbers were written of these probabilities, which change by less than their logits do."""
    allowed = LOST_IN_WRITING + rounding(OF_LOGITS["terms"], np.abs(np.log(probabilities)).max())
    np.testing.assert_allclose(found, probabilities, rtol=0, atol=allowed)


@pytest.mark.parametrize("name", STUDENTS)
def test_it_equals_the_test_predictions_on_the_same_texts(name, all_runs, predictors):
    expected = read_predictions(all_runs[name] / "test_predictions.npz", 3).logits
    assert np.ptp(expected, axis=0).min() > 0.05
    texts, _ = tiny_texts(90, 20)  # as the tiny export's test split was made
    assert_close(predictors[name].logits(texts), expected, **OF_LOGITS)


@pytest.mark.parametrize("name", STUDENTS)
def test_many_texts_are_taken_in_stretches_of_which_two_are_under_way(name, predictors, monkeypatch):
    predictor, (texts, _) = predictors[name], tiny_texts(40, 9)
    expected, under_way, most = predictor.logits(texts), 0, []
    plain = Predictor._start

    def watched(self, texts, batch_size):
        nonlocal under_way
        finish, under_way = plain(self, texts, batch_size), under_way + 1
        most.append(under_way)

        def finished():
            nonlocal under_way
            under_way -= 1
            return finish()

        return finished

    monkeypatch.setattr(Predictor, "_start", watched)
    monkeypatch.setattr("distill_jax.inference.predictor._TEXTS_AT_ONCE", 7)
    assert_close(predictor.logits(texts), expected, **OF_LOGITS)
    assert most == [1, 2, 2, 2, 2, 2]
    assert under_way == 0


@pytest.mark.parametrize("name", STUDENTS)
def test_it_gives_the_student_s_own_logits(name, predictors):
    predictor, (texts, _) = predictors[name], tiny_texts(12, 7)
    ids = [encoding.ids for encoding in tiny_tokenizer().encode_batch(texts)]
    rows = np.array([[*row, *[0] * (MAX_LENGTH - len(row))] for row in ids], np.int32)
    student = Student(predictor.config)
    expected = student.logits(predictor.params, padded_inputs(student.config, rows), padded_length=MAX_LENGTH)
    assert_close(predictor.logits(texts), expected, **OF_LOGITS)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_text_has_the_same_logits_alone_and_among_others(name, predictors):
    texts = ["", "w1", "w2 w5 w8", "w0 " * 100, "unknown words", "w1 w1"]
    together = predictors[name].logits(texts)
    assert np.isfinite(together).all()
    for row, text in enumerate(texts):
        assert_close(predictors[name].logits([text])[0], together[row], **OF_LOGITS)
    assert predictors[name].logits([]).shape == (0, 3)
    assert predictors[name].predict([]).tolist() == []


def test_labels_and_probabilities_belong_together(predictors):
    predictor = predictors["cnn"]
    texts, _ = tiny_texts(20, 5)
    probabilities = predictor.predict_proba(texts)
    assert_close(probabilities.sum(axis=1), np.ones(20), terms=3, why="the three classes", dtype=np.float64)
    assert predictor.predict(texts).tolist() == [predictor.label_names[index] for index in probabilities.argmax(axis=1)]
    assert len(set(predictor.predict(texts).tolist())) > 1


@pytest.mark.parametrize("name", STUDENTS)
def test_a_series_is_taken_by_position_and_an_iterator_whole(name, predictors, monkeypatch):
    monkeypatch.setattr("distill_jax.inference.predictor._TEXTS_AT_ONCE", 7)
    texts = [*tiny_texts(20, 6)[0], "w1 [SEP] w2", *tiny_texts(9, 7)[0]]
    expected = predictors[name].logits(texts)
    shuffled = pd.Series(texts, index=np.random.default_rng(0).permutation(len(texts)))
    for given in (shuffled, np.array(texts), np.array(texts, object), tuple(texts), iter(texts)):
        np.testing.assert_array_equal(predictors[name].logits(given), expected)


def test_what_is_no_text_is_refused_by_every_method(predictors):
    predictor = predictors["fasttext"]
    for ask in (predictor.logits, predictor.predict_proba, predictor.predict):
        for given, message in (
            ("w1", "got one string"),
            (pd.DataFrame({"text": ["w1"]}), "got a table"),
            (["w1", None], r"texts\[1\]: expected a string, got None"),
            (["w1", "\ud83d"], r"texts\[1\]: expected text, got half a surrogate pair"),
        ):
            with pytest.raises(InputError, match=message):
                ask(given)


def test_texts_are_cut_to_the_length_the_student_was_trained_with(predictors, tiny_runs):
    long = " ".join(["w1"] * (MAX_LENGTH - 2))
    np.testing.assert_array_equal(predictors["cnn"].logits([long]), predictors["cnn"].logits([long + " w2 w2"]))
    tokenizer = load_tokenizer(tiny_runs["cnn"] / "tokenizer.json", 5)
    assert len(tokenizer.encode("w1 w2 w3 w4 w5 w6").ids) == 5


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_line_in_a_line_out(capsys, tmp_path, tiny_runs, predictors, source):
    content = b"w1 w4\r\n\nw2 w5\nw0"  # CRLF, an empty line, no line feed at the end
    arguments = ["--run", tiny_runs["cnn"]]
    if source == "file":
        (tmp_path / "texts.txt").write_bytes(content)
        arguments.append(tmp_path / "texts.txt")
    status, output, error = call(capsys, main, *arguments, stdin=content)
    assert (status, error) == (0, "")
    results = _lines(output)
    expected = predictors["cnn"].predict_proba(["w1 w4", "", "w2 w5", "w0"])
    assert len(results) == 4
    for result, row in zip(results, expected, strict=True):
        assert list(result) == ["label", "probabilities"]
        assert list(result["probabilities"]) == ["bad", "fair", "good"]  # in class order
        values = list(result["probabilities"].values())
        assert abs(sum(values) - 1) < 4 * LOST_IN_WRITING  # of three numbers
        _assert_written(values, row)
        assert result["label"] == max(result["probabilities"], key=result["probabilities"].get)


def test_no_line_gives_no_line(capsys, tiny_runs):
    assert call(capsys, main, "--run", tiny_runs["cnn"], stdin=b"") == (0, "", "")


def test_a_byte_order_mark_is_no_text_and_other_separators_end_no_line(capsys, tiny_runs):
    content = "\ufeffw1 w4\nw1\u2028w4\x0bw4\n".encode()
    status, output, _ = call(capsys, main, "--run", tiny_runs["cnn"], stdin=content)
    assert status == 0
    assert len(_lines(output)) == 2
    _, plain, _ = call(capsys, main, "--run", tiny_runs["cnn"], stdin=b"w1 w4\n")
    assert output.splitlines()[0] == plain.splitlines()[0]


def test_more_lines_than_are_read_at_once(capsys, tiny_runs, monkeypatch):
    monkeypatch.setattr("distill_jax.labelling.lines._LINES_AT_ONCE", 3)
    content = b"".join(b"w%d\n" % (index % 60) for index in range(8))
    status, output, _ = call(capsys, main, "--run", tiny_runs["fasttext"], stdin=content)
    assert status == 0
    assert len(_lines(output)) == 8


@pytest.mark.parametrize("room", [1, 300, 1000])
def test_what_is_written_at_once_is_bounded_and_the_same_in_all(capsys, tiny_runs, monkeypatch, room):
    content = b"".join(b"w%d\n" % (index % 60) for index in range(50))
    whole = call(capsys, main, "--run", tiny_runs["fasttext"], stdin=content)[1]
    longest = max(map(len, whole.splitlines(keepends=True)))
    sizes, write = [], JsonLines.format

    def noted(lines, probabilities):
        found = write(lines, probabilities)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(JsonLines, "format", noted)
    monkeypatch.setattr("distill_jax.labelling.lines._CHARACTERS_WRITTEN", room)
    assert call(capsys, main, "--run", tiny_runs["fasttext"], stdin=content)[1] == whole
    assert max(sizes) <= max(room * 1.2, longest)


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_line_that_is_not_utf_8_is_named(capsys, tmp_path, tiny_runs, source):
    content = b"w1\nw2\nna\xefve\n"
    arguments, where = ["--run", tiny_runs["fasttext"]], "standard input"
    if source == "file":
        (tmp_path / "texts.txt").write_bytes(content)
        arguments.append(tmp_path / "texts.txt")
        where = str(tmp_path / "texts.txt")
    message = refusal(capsys, main, *arguments, stdin=content)
    assert message.startswith(f"{where}, line 3: expected text in UTF-8, got other bytes")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-16"])
@pytest.mark.parametrize("before", [0, 2])
def test_a_line_in_utf_16_or_32_is_named_and_nothing_is_said_of_it(capsys, tiny_runs, encoding, before):
    content = b"w1\n" * before + "w2 w3\nw4\n".encode(encoding)
    status, output, error = call(capsys, main, "--run", tiny_runs["fasttext"], stdin=content)
    assert (status, output) == (2, "")
    assert f"standard input, line {before + 1}: expected text in UTF-8, got " in error
    assert "; convert to UTF-8" in error


def test_labels_that_the_terminal_cannot_show_are_escaped(capsys, run):
    config = json.loads((run / "config.json").read_text())
    config["export"]["label_names"] = ["1 ★", "2 ★", "3 ★"]
    (run / "config.json").write_text(json.dumps(config))
    record(run)
    raw = io.BytesIO()
    with mock.patch.object(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1")):
        call(capsys, main, "--run", run, stdin=b"w1\n")
        sys.stdout.flush()
        content = raw.getvalue().decode("ascii")
    assert list(json.loads(content)["probabilities"]) == ["1 ★", "2 ★", "3 ★"]


def test_what_is_missing_is_named(capsys, tmp_path, run):
    message = refusal(capsys, main, "--run", tmp_path / "none")
    assert message.startswith(f"--model {tmp_path / 'none'}: there is no such run folder or packed file; train a")
    message = refusal(capsys, main, "--run", run, tmp_path / "none.txt")
    assert message == f"{tmp_path / 'none.txt'}: expected a file of texts, found no such file"
    assert "expected a file of texts, found a folder" in refusal(capsys, main, "--run", run, tmp_path)
    (tmp_path / "empty").mkdir()
    assert "found a folder that holds no run (no config.json)" in refusal(capsys, main, "--run", tmp_path / "empty")


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.json", "a.jsonl", "a.parquet", "a.csv.gz", "a.txt.zst"])
def test_a_table_or_packed_file_is_refused_by_its_name(capsys, tmp_path, tiny_runs, name):
    (tmp_path / name).write_text("text,label\nw1,good\n")
    message = refusal(capsys, main, "--run", tiny_runs["fasttext"], tmp_path / name)
    suffix = "." + name.lower().rpartition(".")[2]
    assert message.startswith(f"{tmp_path / name}: expected a ")
    assert f"({suffix})" in message


@pytest.mark.parametrize("source", ["file", "standard input"])
@pytest.mark.parametrize(
    ("pack", "kind"),
    [
        (gzip.compress, "a gzip file"),
        (bz2.compress, "a bzip2 file"),
        (lzma.compress, "an xz file"),
        (lambda content: b"PAR1" + content, "a Parquet file"),
    ],
)
def test_a_table_or_packed_file_is_refused_by_its_beginning(capsys, tmp_path, tiny_runs, source, pack, kind):
    content, arguments, where = pack(b"w1\nw2\n"), ["--run", tiny_runs["fasttext"]], "standard input"
    if source == "file":
        (tmp_path / "texts").write_bytes(content)
        arguments, where = [*arguments, tmp_path / "texts"], str(tmp_path / "texts")
    message = refusal(capsys, main, *arguments, stdin=content)
    assert message == f"{where}: expected a text on each line, got {kind}"


def test_standard_input_is_taken_as_lines_whatever_they_are(capsys, tiny_runs):
    status, output, _ = call(capsys, main, "--run", tiny_runs["fasttext"], stdin=b'text,label\n{"text": "w1"}\nw1\n')
    assert status == 0
    assert len(_lines(output)) == 3


def test_help_shows_that_a_file_need_not_be_named(capsys):
    status, output, _ = call(capsys, main, "--help")
    assert status == 0
    assert "[OPTIONS] [FILE]" in output
    assert "--model PATH" in output
    assert "(default: standard input)" in output


def test_a_run_without_a_checkpoint_or_tokenizer_is_refused(capsys, run):
    (run / "tokenizer.json").rename(run / "kept")
    assert "tokenizer.json: there is no such file" in refusal(capsys, main, "--run", run)
    (run / "tokenizer.json").write_text("{}")
    assert "tokenizer.json: expected a file of the tokenizers library" in refusal(capsys, main, "--run", run)
    (run / "kept").rename(run / "tokenizer.json")
    (run / "weights.npz").rename(run / "kept")
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    assert "expected a checkpoint, found none" in refusal(capsys, main, "--run", run)


@pytest.mark.parametrize(
    ("section", "field", "value", "message"),
    [
        ("export", "max_length", None, "export: max_length: expected 1 to 1048576 tokens, got None"),
        (
            "student",
            "embedding_dim",
            13,
            r"parameter embeddings: expected float32 \[64, 13\] \(config.json\), got float32 \[64, 12\]",
        ),
        ("student", "name", "rnn", "student: expected one of cnn, fasttext, dan, bilstm, ensemble, got 'rnn'"),
        ("student", "name", ["cnn"], r"student: expected one of cnn, fasttext, dan, bilstm, ensemble, got \('cnn',\)"),
        ("student", "depth", 3, "student: --depth: student fasttext has no such option"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(run, section, field, value, message):
    config = json.loads((run / "config.json").read_text())
    config[section][field] = value
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        Predictor.load(run)


@pytest.mark.parametrize("name", ["cnn", "fasttext"])
def test_another_vocabulary_s_tokenizer_is_refused(tmp_path, tiny_runs, name):
    shutil.copytree(tiny_runs[name], tmp_path / "run")
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["w60"])
    tokenizer.save(str(tmp_path / "run" / "tokenizer.json"))
    message = r"tokenizer .*: expected ids below 64 \(vocab_size in config.json\), got 64 for 'w60'; the two files do"
    with pytest.raises(InputError, match=message):
        Predictor.load(tmp_path / "run")


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_whose_training_diverged_is_refused(name, predictors):
    healthy = predictors[name]
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, np.nan, np.float32), healthy.params)
    broken = Predictor.of(healthy.label_names, healthy.config, params, healthy.tokenizer, healthy.max_length)
    for ask in (broken.logits, broken.predict_proba, broken.predict):
        with pytest.raises(InputError, match="student: its logits are not finite for 2 of 2 texts"):
            ask(["w1 w2", "w3"])


def test_a_student_that_is_no_object_is_refused(run):
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "student": "cnn"}))
    with pytest.raises(InputError, match="student: expected a JSON object, got 'cnn'"):
        Predictor.load(run)
    with pytest.raises(MissingInputError, match="found nothing there"):
        Predictor.load(run / "none")


def test_a_named_pipe_is_a_file_of_texts(capsys, tmp_path, tiny_runs):
    import threading

    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"w1\nw2\n",))
    writer.start()
    status, output, _ = call(capsys, main, "--run", tiny_runs["fasttext"], tmp_path / "pipe")
    writer.join()
    assert status == 0
    assert len(_lines(output)) == 2


_PREDICT_BLOCKING = """
import io, runpy, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "pandas", "teacher_export"):
            raise ModuleNotFoundError(f"blocked: {name}", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv = ["predict", "--run", sys.argv[1]]
sys.stdin = io.TextIOWrapper(io.BytesIO(b"w1 w4\\n\\nw2"))
runpy.run_module("distill_jax.predict", run_name="__main__")
"""


def test_it_needs_the_run_folder_alone_and_neither_torch_nor_transformers_nor_pandas(tiny_runs, tmp_path, predictors):
    moved = tmp_path / "far" / "away"
    shutil.copytree(tiny_runs["cnn"], moved)
    results = _lines(python(_PREDICT_BLOCKING, moved))
    expected = predictors["cnn"].predict_proba(["w1 w4", "", "w2"])
    found = [list(result["probabilities"].values()) for result in results]
    _assert_written(found, expected)


def test_the_tokenizer_of_a_run_is_the_export_s(tiny_runs):
    assert (tiny_runs["cnn"] / "tokenizer.json").read_text() == tiny_tokenizer().to_str()


def test_version_0_1_s_names_still_answer(predictors):
    predictor, texts = predictors["fasttext"], ["w1 w4", "w2"]
    assert predictor.labels(texts) == predictor.predict(texts).tolist()
    np.testing.assert_array_equal(predictor.probabilities(texts), predictor.predict_proba(texts))


def test_long_lines_are_predicted_a_few_at_a_time_and_one_without_an_end_is_refused(tiny_runs, capsys, monkeypatch):
    words = ("--run", tiny_runs["fasttext"])
    lines = b"".join(b"w%d " % (number % 9) * 40 + b"\n" for number in range(50))
    status, whole, _ = call(capsys, main, *words, stdin=lines)
    assert status == 0
    at_once = []
    monkeypatch.setattr("distill_jax.labelling.lines._BYTES_AT_ONCE", 300)
    monkeypatch.setattr(Predictor, "logits", _counting(Predictor.logits, at_once))
    assert call(capsys, main, *words, stdin=lines)[1] == whole
    assert max(at_once) <= 3
    monkeypatch.setattr("distill_jax.labelling.lines._LONGEST_LINE", 1 << 20)
    status, output, error = call(capsys, main, *words, stdin=b"w1\nw2\n" + b"w3 " * 400_000)
    assert (status, output) == (2, "")
    assert "standard input, line 3: expected a text of at most 1 MiB, got a longer line" in error


def _counting(logits, at_once):
    def counting(self, texts):
        at_once.append(len(texts))
        return logits(self, texts)

    return counting
