"""Notebook checkpoints to run folders and back, by the command."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import distill_jax as dj
from command_lines import call, refusal
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.files import temporary_beside
from distill_jax.locks import exclusive, lock_file
from distill_jax.predict import main as predict
from distill_jax.students.registry import student_config
from distill_jax.students.student import Student
from reference_torch import build_reference, load_arrays, state_arrays
from scripts.convert.command_line import main
from tiny_export import LABEL_NAMES, MAX_LENGTH, PAD_ID, tiny_texts, tiny_tokenizer
from tolerances import OF_LOGITS, assert_close

STUDENTS = ("cnn", "fasttext", "bilstm")
VOCAB = tiny_tokenizer().get_vocab_size()


def reference(name, **changes):
    torch.manual_seed(0)
    shape = {"vocab_size": VOCAB, "num_labels": len(LABEL_NAMES), "pad_id": PAD_ID, **changes}
    model = build_reference(name, **shape)
    if name == "fasttext":
        torch.nn.init.normal_(model.output.weight)
    return model.eval()


def saved(path, model):
    torch.save(model.state_dict(), path)
    return path


def torch_logits(model, texts):
    """Return the notebook's logits of texts: its tokenizer's ids, cut and padded to the full length."""
    tokenizer = tiny_tokenizer()
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.enable_padding(pad_id=PAD_ID, length=MAX_LENGTH)
    ids = torch.tensor([encoding.ids for encoding in tokenizer.encode_batch(texts)])
    with torch.no_grad():
        return model(ids).numpy()


def texts():
    return [*tiny_texts(30, 3)[0], "", " ".join(["w1"] * 99)]


@pytest.mark.parametrize("suffix", [".bin", ".pt"])
@pytest.mark.parametrize("name", STUDENTS)
def test_predictions_are_unchanged_both_ways(capsys, tmp_path, tiny_export, name, suffix):
    model = reference(name)
    source, run, back = saved(tmp_path / f"student{suffix}", model), tmp_path / "runs" / "it", tmp_path / f"b{suffix}"
    status, said, error = call(capsys, main, source, "--export", tiny_export, "--output", run)
    assert status == 0, error
    assert f"--run {run}" in said
    assert ("--mask-padding" in error) == ("taken to count padding as text" in error) == (name != "bilstm")
    assert sorted(path.name for path in run.iterdir()) == [
        "config.json",
        "sha256sums.txt",
        "tokenizer.json",
        "weights.npz",
    ]
    expected = torch_logits(model, texts())
    assert expected.std() > 0.02
    predictor = dj.load(run)
    assert_close(predictor.logits(texts()), expected, **OF_LOGITS)

    status, said, error = call(capsys, main, run, "--to-torch", "--output", back)
    assert (status, error) == (0, "")
    state = torch.load(back, weights_only=True)
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(state[key], tensor) for key, tensor in model.state_dict().items())
    again = reference(name)
    again.load_state_dict(state)
    np.testing.assert_array_equal(torch_logits(again, texts()), expected)


def test_the_predict_command_takes_the_run_folder(capsys, tmp_path, tiny_export):
    model = reference("cnn")
    source, run = saved(tmp_path / "cnn.bin", model), tmp_path / "run"
    assert call(capsys, main, source, "--export", tiny_export, "--output", run, "--distil")[0] == 0
    status, out, _ = call(capsys, predict, "--run", run, stdin="\n".join(texts()).encode())
    assert status == 0
    expected = [LABEL_NAMES[index] for index in torch_logits(model, texts()).argmax(axis=1)]
    assert [json.loads(line)["label"] for line in out.splitlines()] == expected
    config = json.loads((run / "config.json").read_text())
    assert config["train"]["distil"] is True
    assert config["train"]["converted_from"]["file"] == "cnn.bin"


def test_without_an_export_folder(capsys, tmp_path, tiny_export):
    model, run = reference("fasttext"), tmp_path / "run"
    source = saved(tmp_path / "linear.pt", model)
    options = ["--tokenizer", tiny_export / "tokenizer.json", "--label-names", *LABEL_NAMES]
    options += ["--max-length", MAX_LENGTH, "--pad-id", PAD_ID]
    status, _, error = call(capsys, main, source, *options, "--output", run)
    assert status == 0, error
    predictor = dj.load(run)
    assert predictor.label_names == LABEL_NAMES
    assert_close(predictor.logits(texts()), torch_logits(model, texts()), **OF_LOGITS)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_trained_run_goes_to_torch(capsys, tmp_path, tiny_runs, name):
    """Runs of any embedding width; that masked pooling was trained with is said, where it tells."""
    back = tmp_path / "student.bin"
    status, _, error = call(capsys, main, tiny_runs[name], "--to-torch", "--output", back)
    assert status == 0
    assert ("--mask-padding" in error) == ("predict otherwise" in error) == (name != "bilstm")
    state = {key: tensor.numpy() for key, tensor in torch.load(back, weights_only=True).items()}
    model = load_arrays(reference(name, embedding_dim=12), state)
    assert state_arrays(model).keys() == state.keys()
    if name == "bilstm":
        expected = dj.load(tiny_runs[name]).logits(texts())
        assert_close(torch_logits(model.eval(), texts()), expected, **OF_LOGITS)
    # On texts without padding both poolings are the same.
    full = [" ".join(["w3", "w8"] * MAX_LENGTH), " ".join(["w5"] * MAX_LENGTH)]
    if name == "fasttext":
        expected = dj.load(tiny_runs[name]).logits(full)
        assert_close(torch_logits(model.eval(), full), expected, **OF_LOGITS)


def test_what_a_killed_conversion_left_goes_with_the_next_one(capsys, tmp_path, tiny_runs):
    back = tmp_path / "student.bin"
    for status in (0, 2):  # the second is refused, for the file is there
        for path in (temporary_beside(back), lock_file(back)):
            path.write_text('{"process": 1')
        assert call(capsys, main, tiny_runs["cnn"], "--to-torch", "--output", back)[0] == status
        assert [path.name for path in tmp_path.iterdir()] == [back.name]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "fasttext",
            {"ngrams": 2, "buckets": 9, "mask_padding": True},
            "trained with n-grams, which the notebook's model cannot count",
        ),
        ("ensemble", {}, "cnn, fasttext, bilstm, which have torch layouts, got 'ensemble'"),
    ],
)
def test_a_run_that_the_notebook_cannot_have_stays_here(capsys, tmp_path, name, options, message):
    student = student_config(
        name, vocab_size=VOCAB, num_labels=len(LABEL_NAMES), pad_id=PAD_ID, embedding_dim=4, **options
    )
    tokenizer = FastTokenizer(tiny_tokenizer(), MAX_LENGTH)
    dj.save(dj.Predictor.of(LABEL_NAMES, student, Student(student).init(0), tokenizer, MAX_LENGTH), tmp_path / "run")
    back = tmp_path / "student.bin"
    assert message in refusal(capsys, main, tmp_path / "run", "--to-torch", "--output", back)
    assert not back.exists()


class TestBadInput:
    """One sentence each, and nothing left behind."""

    @pytest.fixture
    def refuse(self, capsys, tmp_path, tiny_export):
        def refuse(source, *options, output=tmp_path / "out" / "run", export=tiny_export):
            options = [*options, "--export", export] if export else options
            before = sorted(output.parent.iterdir()) if output.parent.exists() else []
            sentence = refusal(capsys, main, source, *options, "--output", output)
            assert (sorted(output.parent.iterdir()) if output.parent.exists() else []) == before
            return sentence

        return refuse

    def test_no_file(self, refuse, tmp_path):
        assert "no.bin: there is no such file" in refuse(tmp_path / "no.bin")

    @pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a zip"])
    def test_another_file(self, refuse, tmp_path, content):
        (tmp_path / "x.bin").write_bytes(content)
        assert "x.bin: expected a file of torch.save(model.state_dict(), FILE), got" in refuse(tmp_path / "x.bin")

    def test_truncated_file(self, refuse, tmp_path):
        path = saved(tmp_path / "cnn.bin", reference("cnn"))
        path.write_bytes(path.read_bytes()[:-2000])
        assert "cnn.bin: expected a file of torch.save" in refuse(path)

    def test_a_whole_pickled_model_is_not_run(self, refuse, tmp_path):
        torch.save(reference("fasttext"), tmp_path / "model.pt")
        assert "expected a file of torch.save(model.state_dict(), FILE)" in refuse(tmp_path / "model.pt")

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([1.0], "expected a state dict, got list"),
            ({"model": {"a": torch.ones(1)}}, "model: expected a tensor of floating-point numbers, got dict; save"),
            ({"embedding.weight": torch.ones(2, 2, dtype=torch.int64)}, "got a tensor of torch.int64"),
            (
                {"layer.weight": torch.ones(2, 2)},
                "expected embedding.weight (cnn, bilstm) or embeddings.weight (fasttext), got",
            ),
            ({"embeddings.weight": torch.ones(2, 2)}, "x.bin: fasttext state dict: missing output.weight, output.bias"),
        ],
    )
    def test_another_content(self, refuse, tmp_path, value, message):
        torch.save(value, tmp_path / "x.bin")
        assert message in refuse(tmp_path / "x.bin")

    def test_numbers_that_are_not_finite(self, refuse, tmp_path):
        model = reference("cnn")
        model.fc.bias.data[1] = float("nan")
        assert "fc.bias: expected finite numbers" in refuse(saved(tmp_path / "x.bin", model))

    def test_other_classes(self, refuse, tmp_path):
        path = saved(tmp_path / "x.bin", reference("cnn", num_labels=5))
        assert "it has 5 classes, the label names are 3: bad, fair, good" in refuse(path)

    def test_another_vocabulary(self, refuse, tmp_path):
        path = saved(tmp_path / "x.bin", reference("cnn", vocab_size=VOCAB + 1))
        assert f"its embedding has {VOCAB + 1} rows, the export" in refuse(path)

    def test_a_pad_row_that_is_not_zero(self, refuse, tmp_path):
        model = reference("fasttext")
        model.embeddings.weight.data[PAD_ID] = 1
        assert "row 0, the padding's, is not zero" in refuse(saved(tmp_path / "x.bin", model))

    def test_no_export(self, refuse, tmp_path):
        path = saved(tmp_path / "x.bin", reference("fasttext"))
        assert "there is no such folder" in refuse(path, export=tmp_path / "none")

    def test_options_that_are_missing_or_too_many(self, refuse, tmp_path):
        path = saved(tmp_path / "x.bin", reference("fasttext"))
        assert "expected --export FOLDER, or all of" in refuse(path, export=None)
        assert "expected --export FOLDER, or all of" in refuse(path, "--max-length", 9, export=None)
        assert "give it or the others, not both" in refuse(path, "--pad-id", 0)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"--tokenizer": "none.json"}, "there is no such file"),
            ({"--tokenizer": __file__}, "expected a file of the tokenizers library"),
            ({"--label-names": ["a"]}, "--label-names: expected at least two different names, got ['a']"),
            ({"--label-names": ["a", "a", "b"]}, "expected at least two different names"),
            ({"--label-names": ["a", "b"]}, "it has 3 classes, the label names are 2: a, b"),
            ({"--max-length": 0}, "--max-length: expected a number at least 1"),
            ({"--pad-id": VOCAB}, f"--pad-id: expected a number at least 0 and at most {VOCAB - 1}, got {VOCAB}"),
            ({"--pad-id": 1}, "row 1, the padding's, is not zero"),
        ],
    )
    def test_options(self, refuse, tmp_path, tiny_export, changes, message):
        options = {"--tokenizer": tiny_export / "tokenizer.json", "--label-names": LABEL_NAMES}
        options |= {"--max-length": 9, "--pad-id": 0} | changes
        words = [
            word
            for key, value in options.items()
            for word in (key, *(value if isinstance(value, list | tuple) else [value]))
        ]
        assert message in refuse(saved(tmp_path / "x.bin", reference("fasttext")), *words, export=None)

    def test_a_tokenizer_with_more_tokens(self, refuse, tmp_path, tiny_export):
        path = saved(tmp_path / "x.bin", reference("cnn", vocab_size=VOCAB - 1))
        options = ["--tokenizer", tiny_export / "tokenizer.json", "--label-names", *LABEL_NAMES]
        sentence = refuse(path, *options, "--max-length", 9, "--pad-id", 0, export=None)
        assert f"expected ids below {VOCAB - 1} (vocab_size in x.bin), got {VOCAB - 1} for" in sentence

    def test_a_damaged_tokenizer_of_an_export(self, refuse, tmp_path, tiny_export):
        export = shutil.copytree(tiny_export, tmp_path / "export")
        tokenizer = export / "tokenizer.json"
        tokenizer.write_text(tokenizer.read_text().replace('"w1"', '"wX"'))
        sentence = refuse(saved(tmp_path / "x.bin", reference("cnn")), export=export)
        assert "tokenizer.json is not the file that was written" in sentence

    def test_outputs_that_are_taken(self, refuse, tmp_path):
        path = saved(tmp_path / "x.bin", reference("fasttext"))
        assert "it exists already" in refuse(path, output=tmp_path)
        assert "it exists already" in refuse(path, output=path)
        assert "it exists already" in refuse(tmp_path, "--to-torch", output=path, export=None)

    def test_runs_that_are_none(self, refuse, tmp_path, tiny_export):
        options = {"output": tmp_path / "new.bin", "export": None}
        assert "found a folder that holds no run" in refuse(tiny_export, "--to-torch", **options)
        assert "found nothing there" in refuse(tmp_path / "none", "--to-torch", **options)
        assert "leave the other options out" in refuse(tmp_path, "--to-torch", "--distil", **options)

    def test_no_torch(self, refuse, tmp_path, monkeypatch):
        path = saved(tmp_path / "x.bin", reference("fasttext"))
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest)
        )
        assert 'needs the extra teacher: python -m pip install "distill-jax[teacher]" (torch is' in refuse(path)


def test_an_empty_output_folder_is_used(capsys, tmp_path, tiny_export):
    source, run = saved(tmp_path / "x.bin", reference("fasttext")), tmp_path / "run"
    Path(run).mkdir()
    assert call(capsys, main, source, "--export", tiny_export, "--output", run)[0] == 0
    assert (run / "config.json").is_file()


def test_the_states_of_a_bilstm_are_an_option(capsys, tmp_path, tiny_export):
    model, run = reference("bilstm", states="last", hidden=9, dense=11), tmp_path / "run"
    options = ["--export", tiny_export, "--states", "last"]
    assert call(capsys, main, saved(tmp_path / "x.bin", model), *options, "--output", run)[0] == 0
    assert_close(dj.load(run).logits(texts()), torch_logits(model, texts()), **OF_LOGITS)


@pytest.mark.parametrize("back", [False, True])
def test_what_another_process_is_writing_is_left_to_it(capsys, tmp_path, tiny_export, back):
    source = saved(tmp_path / "cnn.bin", reference("cnn"))
    words = [source, "--export", tiny_export]
    if back:
        assert call(capsys, main, *words, "--output", tmp_path / "run")[0] == 0
        words = [tmp_path / "run", "--to-torch"]
    with exclusive(tmp_path / "output", "output"):
        sentence = refusal(capsys, main, *words, "--output", tmp_path / "output")
    assert "another process is writing it" in sentence
    assert not (tmp_path / "output").exists()
