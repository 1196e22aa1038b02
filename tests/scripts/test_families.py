"""The study of families: each is measured, at a size that the tests can wait for, and what its table says."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from command_lines import refusal
from scripts.benchmark.rows import Match, Measurement, Row, RowResult, Side
from scripts.families import command_line
from scripts.families.catalogue import END_ID, FAMILIES, FIRST_ID, LONGEST, PAD_ID, QUICK, build, made_up_tokens
from scripts.families.matches import match_of, results_of
from scripts.families.report import HEADER, as_json, remarks, table
from teacher_families import FAMILIES as TESTED_FAMILIES

NOTES = {
    "largest_difference": 2e-6,
    "argmax_agreement": 1.0,
    "deviation": 0.3,
    "exporter": "TorchScript",
    "refused": "",
}
FLOAT32, BFLOAT16 = (Row(name, "BERT", "documents", name, "onnx") for name in ("float32", "bfloat16"))


def turns(*seconds, **notes):
    return tuple(Measurement(100, each, {**NOTES, **notes}) for each in seconds)


def test_each_family_of_the_documentation_is_measured():
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|", Path("docs/teachers.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert list(FAMILIES) == rows == [family.name for family in TESTED_FAMILIES]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_of_random_weights_tells_texts_apart(name):
    from teacher_export.teacher.logits import predict_logits

    tokens = made_up_tokens(8)
    options = {"pad_id": PAD_ID, "precision": "float32", "batch_size": 32, "max_length": LONGEST}
    logits = predict_logits(build(name, QUICK), tokens, **options)
    assert logits.std(axis=0).min() > 1e-3
    np.testing.assert_array_equal(logits, predict_logits(build(name, QUICK), tokens, **options))


def test_made_up_texts_are_as_long_as_the_demos_and_begin_and_end_as_texts_do():
    tokens = made_up_tokens(2000)
    assert abs(tokens.lengths.mean() - 26) < 1
    assert (tokens.lengths.min() >= 3, tokens.lengths.max() <= LONGEST) == (True, True)
    assert set(tokens.ids[tokens.starts]) == {FIRST_ID}
    assert set(tokens.ids[tokens.stops - 1]) == {END_ID}
    assert np.isin(tokens.ids, [PAD_ID, FIRST_ID, END_ID]).sum() == 2 * len(tokens)


def test_the_table_has_rates_ratios_and_distances():
    exact = RowResult(FLOAT32, turns(1.0, 1.0), turns(2.0, 3.0))
    half = RowResult(BFLOAT16, turns(0.5, 0.5), turns(2.0, 3.0))
    lines = table([[exact, half]]).splitlines()
    assert re.split(r"\s{2,}", lines[0].strip()) == list(HEADER)
    expected = ["BERT", "100", "200", "42", "2.50×", "2.00–3.00", "5.00×", "2.0e-06", "100.0%", "TorchScript"]
    assert lines[2].split() == expected


def test_what_an_exporter_cannot_do_and_weights_of_eight_bits_are_said():
    exact = RowResult(FLOAT32, turns(1.0), turns(2.0, refused="torch.export: no such operation"))
    int8 = RowResult(
        dataclasses.replace(FLOAT32, theirs="int8"),
        turns(1.0),
        turns(0.5, argmax_agreement=0.88, largest_difference=0.4),
    )
    first, second = remarks([[exact, int8]])
    assert first == "BERT: torch.export: no such operation"
    assert second == (
        "BERT with weights of eight bits in ONNX Runtime: 200 documents/s; the same class for 88.0% of the texts; "
        "logits off by 0.4 at most, where their deviation is 0.3"
    )


def test_a_teacher_that_onnx_runtime_does_not_run_is_measured_alone(tmp_path, capsys):
    match = match_of("BERT", dataclasses.replace(QUICK, texts=8), tmp_path, bfloat16=False, int8=False)
    wrong = Side("scripts.benchmark.training:fit_student", {"student": "cnn", "rows": 0, "test_rows": 8, **_FIT})
    match = Match({**match.sides, "onnx": wrong}, match.rows)
    advanced = []
    results, reason = results_of(match, 1, lambda: advanced.append(1))
    assert reason == "train: expected at least one row, got none"
    assert reason in capsys.readouterr().err
    (alone,) = results
    assert (len(alone.ours), alone.theirs) == (1, ())
    assert alone.ours[0].notes["largest_difference"] == 0
    assert table([results]).splitlines()[2].split()[0] == "BERT"
    assert json.loads(json.dumps(as_json([results], {"BERT": reason})))[0]["refused"] == reason


_FIT = {"vocab_size": 60, "occurring": 40, "length": 12, "epochs": 1}


def test_an_unknown_family_is_refused(tmp_path, capsys):
    sentence = refusal(capsys, command_line.main, "--only", "BART", "Bert", "--output", tmp_path)
    assert sentence.startswith("--only: expected families among BERT, DistilBERT, ")
    assert sentence.endswith("got 'Bert'")


def test_what_cannot_be_used_is_refused_before_anything_is_measured(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    assert "expected a folder, found a file" in refusal(capsys, command_line.main, "--output", file)
    sentence = refusal(capsys, command_line.main, "--teacher", tmp_path, "--output", tmp_path)
    assert sentence == f"--teacher {tmp_path}: expected a fine-tuned teacher's folder, found no config.json in it"


@pytest.mark.filterwarnings("ignore")  # of the exporters
def test_onnx_runtime_reads_what_our_pass_reads(tmp_path):
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="the extra bench has it")
    from scripts.families.sides import onnx_pass, our_pass

    common = {"teacher": "DistilBERT", "size": dataclasses.asdict(QUICK), "folder": str(tmp_path)}
    assert our_pass(**common, precision="float32")().notes["largest_difference"] == 0
    notes = onnx_pass(**common)().notes
    assert notes["largest_difference"] < 1e-5 < notes["deviation"]
    assert notes["exporter"] in {"torch.export", "TorchScript"}
    assert onnx_pass(**common, int8=True)().notes["largest_difference"] > notes["largest_difference"]
