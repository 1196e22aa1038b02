"""Data sets whose columns are known: every form of their files, their traps, and options that go first."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_lines import call, refusal
from distill_jax.data.exports import Export
from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from teacher_export.__main__ import main
from teacher_export.command_line import parse_arguments
from teacher_export.config import ExportConfig
from teacher_export.data.dataset import load_dataset
from teacher_export.data.presets import PRESETS, spelt_out
from teacher_export.data.task_rows import load_task_dataset
from teacher_export.options.data import DataConfig

ROWS = 20
TEXTS = [f"review number {row}, not bad" for row in range(ROWS)]


def jsonl(path, columns):
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    path.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows))


def parquet(path, columns):
    pq.write_table(pa.table(columns), path)


def tsv(path, columns):
    lines = ["\t".join(columns), *("\t".join(map(str, cells)) for cells in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


def zhang(path, columns):
    """What Zhang et al. 2015 wrote: all fields in quotation marks, no header."""
    fields = [[str(cell).replace('"', '""') for cell in cells] for cells in zip(*columns.values(), strict=True)]
    path.write_text("".join(",".join(f'"{field}"' for field in row) + "\n" for row in fields))


def fasttext(path, columns):
    path.write_text("".join(f"{label} {text}\n" for label, text in zip(*columns.values(), strict=True)))


def stars(first, count=5):
    return [first + row % count for row in range(ROWS)]


def spelt(name, path, **options):
    return spelt_out(ExportConfig(DataConfig(name, (path,), **options)))


CASES = {
    ("amazon-2023", "r.jsonl"): (
        jsonl,
        {"rating": [float(x) for x in stars(1)], "title": ["Fine"] * ROWS, "text": TEXTS},
    ),
    ("mteb-amazon", "r.jsonl"): (jsonl, {"text": TEXTS, "label": stars(0), "label_text": [str(x) for x in stars(0)]}),
    ("mteb-amazon", "r.parquet"): (parquet, {"id": TEXTS, "text": TEXTS, "label": stars(0)}),
    ("yelp-full", "r.parquet"): (parquet, {"label": stars(0), "text": TEXTS}),
    ("yelp-full", "train.csv"): (zhang, {"label": stars(1), "text": TEXTS}),
    ("sst2", "r.tsv"): (tsv, {"sentence": TEXTS, "label": stars(0, 2)}),
    ("sst2", "r.parquet"): (parquet, {"sentence": TEXTS, "label": stars(0, 2), "idx": list(range(ROWS))}),
    ("sst2", "r.jsonl"): (jsonl, {"text": TEXTS, "label": stars(0, 2), "label_text": ["negative", "positive"] * 10}),
    ("sst5", "r.jsonl"): (jsonl, {"text": TEXTS, "label": stars(0), "label_text": TEXTS}),
    ("sst5", "r.tsv"): (tsv, {"sentence": TEXTS, "label": stars(0)}),
    ("app-reviews", "r.parquet"): (parquet, {"package_name": TEXTS, "review": TEXTS, "date": TEXTS, "star": stars(1)}),
    ("fasttext", "r.txt"): (fasttext, {"label": [f"__label__{x}" for x in stars(1)], "text": TEXTS}),
    ("fasttext", "cooking.train"): (fasttext, {"label": [f"__label__{x}" for x in stars(1)], "text": TEXTS}),
}


@pytest.mark.parametrize(("name", "file"), CASES)
def test_every_form_of_its_files_is_read(tmp_path, capsys, name, file):
    write, columns = CASES[name, file]
    write(tmp_path / file, columns)
    config = spelt(name, tmp_path / file)
    dataset = load_dataset(config.data)
    labels = next(columns[key] for key in ("label", "rating", "star") if key in columns)
    assert dataset.label_names == tuple(sorted({str(x).removeprefix("__label__").removesuffix(".0") for x in labels}))
    found = {
        text: row for split in dataset.splits.values() for text, row in zip(split.texts, split.example_ids, strict=True)
    }
    title = "Fine\n\n" if name == "amazon-2023" else ""
    assert found == {f"{title}{text}": row for row, text in enumerate(TEXTS)}
    assert config.export_folder.name == name
    assert f"{name}: text from" in capsys.readouterr().out


def test_every_preset_has_a_case():
    assert {name for name, _ in CASES} == set(PRESETS)


def test_what_is_given_goes_first(tmp_path):
    tsv(tmp_path / "r.tsv", {"sentence": TEXTS, "label": stars(0, 2), "other": ["a", "b"] * 10})
    config = spelt("sst2", tmp_path / "r.tsv", label_column="other")
    assert load_dataset(config.data).label_names == ("a", "b")
    assert config.data.text_column == ("sentence",)


def test_zhang_s_line_feeds_are_line_feeds_and_quotation_marks_one(tmp_path):
    texts = [f'number {row}:\\nsaid "fine"' for row in range(ROWS)]
    zhang(tmp_path / "train.csv", {"label": stars(1), "text": texts})
    split = load_dataset(spelt("yelp-full", tmp_path / "train.csv").data).splits["train"]
    assert sorted(split.texts) == sorted(f'number {row}:\nsaid "fine"' for row in split.example_ids)


def test_labels_of_a_hidden_test_file_are_missing(tmp_path):
    tsv(tmp_path / "train.tsv", {"sentence": TEXTS, "label": stars(0, 2)})
    tsv(tmp_path / "test.tsv", {"sentence": [f"{text} at all" for text in TEXTS], "label": [-1] * 18 + [0, 1]})
    config = spelt("sst2", tmp_path / "train.tsv", test_data=(tmp_path / "test.tsv",))
    dataset = load_dataset(config.data)
    assert (len(dataset.splits["train"]), len(dataset.splits["test"])) == (ROWS, 2)


def test_a_line_of_several_labels_is_refused_and_learnt_as_several(tmp_path):
    lines = [f"__label__{'ab'[row % 2]} {text}" for row, text in enumerate(TEXTS)]
    lines[3] = f"__label__a __label__c {TEXTS[3]}"
    (tmp_path / "r.txt").write_text("\n".join(lines) + "\n\n")
    with pytest.raises(InputError, match=r"row 4 \(line 4\).*several labels a row are learnt with --task multi-label"):
        load_dataset(spelt("fasttext", tmp_path / "r.txt").data)
    config = spelt("fasttext", tmp_path / "r.txt", task="multi-label")
    dataset = load_task_dataset(config.data)
    assert dataset.label_names == ("a", "b", "c")
    found = {}
    for split in dataset.splits.values():
        found |= dict(zip(split.example_ids.tolist(), split.labels.tolist(), strict=True))
    assert [found[row] for row in range(4)] == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1]]


def test_a_label_within_a_line_is_one_and_a_word_like_it_is_not(tmp_path):
    lines = ["__label__a one two", "three __label__b four", "x__label__c five __label__a", "no label here"]
    (tmp_path / "r.txt").write_text("\n".join(lines * 3) + "\n")
    dataset = load_dataset(spelt("fasttext", tmp_path / "r.txt").data)
    found = {
        text: dataset.label_names[code]
        for split in dataset.splits.values()
        for text, code in zip(split.texts, split.labels, strict=True)
    }
    assert found == {"one two": "a", "three four": "b", "x__label__c five": "a"}


def test_a_preset_with_a_table_s_answers_is_a_whole_export(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answers = [{"0": 0.9 - 0.8 * (row % 2), "1": 0.1 + 0.8 * (row % 2)} for row in range(ROWS)]
    jsonl(tmp_path / "r.jsonl", {"text": TEXTS, "label": stars(0, 2), "answer": answers})
    words = ["--dataset", "sst2", "--data", "r.jsonl", "--teacher-outputs", "answer"]
    status, _, error = call(capsys, main, *words)
    assert status == 0, error
    export = Export.open(tmp_path / "exports/sst2")
    np.testing.assert_array_equal(export.train.teacher_logits.argmax(axis=1), export.train.labels)
    named = ["--dataset", "table", "--text-column", "text", "--label-column", "label", *words[2:]]
    assert call(capsys, main, *named, "--output", "exports/named")[0] == 0
    assert read_manifest("exports/named").config == read_manifest("exports/sst2").config


def test_columns_that_no_form_has_and_files_that_are_not_there_are_named(tmp_path, capsys):
    tsv(tmp_path / "r.tsv", {"phrase": TEXTS, "label": stars(0, 2)})
    common = ["--dataset", "sst2", "--teacher-outputs", "a", "b", "--output", tmp_path / "out", "--data"]
    assert "has no column 'sentence', only 'phrase', 'label'" in refusal(capsys, main, *common, tmp_path / "r.tsv")
    assert "no.tsv" in refusal(capsys, main, *common, tmp_path / "no.tsv")
    with pytest.raises(InputError, match="needs --data FILE"):
        parse_arguments(["--dataset", "sst2"])


def test_other_data_sets_are_left_as_they_are(tmp_path):
    config = ExportConfig(DataConfig("table", (tmp_path / "r.csv",), text_column=("a",), label_column="b"))
    assert spelt_out(config) is config
    assert dataclasses.replace(config) == config
