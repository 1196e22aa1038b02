"""Data sets of a hub: fetched by name, their splits and classes named by their own files; the download is patched."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_lines import call, refusal
from distill_jax.data.exports import Export
from distill_jax.errors import InputError
from teacher_export.__main__ import main
from teacher_export.data.class_names import with_class_names
from teacher_export.data.dataset import load_dataset
from teacher_export.data.folders import with_files_of_folders
from teacher_export.data.labels import answered_classes
from teacher_export.options.data import DataConfig
from tolerances import assert_close

FEATURES = """dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': sad
          '1': joy
          '2': anger
"""
ONE = "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/part-a*\n"
ONE += "  - split: test\n    path:\n    - data/part-b*\n  - split: unsupervised\n    path: data/part-c*\n"
SEVERAL = "configs:\n- config_name: en\n  data_files: en/*.csv\n- config_name: de\n  data_dir: de\n"
ANSWERS = {"sad": 0.1, "joy": 0.7, "anger": 0.2}


def card(folder, *parts):
    (folder / "README.md").write_text("\n".join(["---", *parts, "---", "# A data set", "", "configs: []"]))


def table(path, numbers, *, note=None, label="label"):
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [f"{path.stem} text {row}" for row in range(len(numbers))]
    if path.suffix == ".csv":
        path.write_text(
            "\n".join([f"text,{label}", *(f"{text},{of}" for text, of in zip(texts, numbers, strict=True))])
        )
        return
    content = pa.table({"text": texts, label: numbers, "answer": [json.dumps(ANSWERS)] * len(texts)})
    pq.write_table(content.replace_schema_metadata({"huggingface": json.dumps(note)} if note else None), path)


def options(path, **further):
    return DataConfig("table", (path,), text_column=("text",), label_column="label", **further)


def files_of(folder, path=None):
    data = with_files_of_folders(options(path or folder))
    return [[str(found.relative_to(folder)) for found in each] for each in (data.data, data.test_data)]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder that stands for a repository: what a download's patterns match is copied from it, as a hub would."""
    source, asked = tmp_path / "repository", []
    source.mkdir()

    def download(name, *, repo_type, revision, allow_patterns):
        asked.append((name, repo_type, revision))
        target = tmp_path / "cache" / "1234abcd"
        for path in huggingface_hub.utils.filter_repo_objects(
            [str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()],
            allow_patterns=allow_patterns,
        ):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, target / path)
        target.mkdir(parents=True, exist_ok=True)
        return str(target)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return source, asked, tmp_path / "cache" / "1234abcd"


def test_a_data_set_by_name_is_a_whole_export(hub, tmp_path, capsys):
    source, asked, _ = hub
    card(source, FEATURES, ONE)
    (source / "loading.py").write_text("raise SystemExit('this must never run')")
    for name, count in (("a", 30), ("b", 12), ("c", 5)):
        table(source / "data" / f"part-{name}.parquet", [row % 3 for row in range(count)])
    words = ["--dataset", "table", "--data", "hf://somebody/feelings", "--text-column", "text"]
    words += ["--label-column", "label", "--teacher-outputs", "answer", "--output", tmp_path / "out"]
    status, said, error = call(capsys, main, *words)
    assert status == 0, error
    assert asked == [("somebody/feelings", "dataset", None), ("somebody/feelings", "dataset", "1234abcd")]
    assert "the data set names the classes of 'label': sad, joy, anger" in said
    assert "files by its README.md: 1 of --data, 1 of --test-data; of no split, left out: unsupervised" in said
    assert not (hub[2] / "loading.py").exists()
    export = Export.open(tmp_path / "out")
    assert (len(export.train.labels), len(export.test.labels)) == (30, 12)
    names = [export.label_names[label] for label in export.test.labels]
    assert names == [("sad", "joy", "anger")[row % 3] for row in range(12)]
    assert export.manifest.config["class_names"] == ["sad", "joy", "anger"]
    assert "it is reused" in call(capsys, main, *words)[1]


@pytest.mark.parametrize("name", ["hf://somebody/news/de", "hf://datasets/somebody/news/de"])
def test_a_subset_is_fetched_alone(hub, name):
    source, asked, cache = hub
    card(source, SEVERAL)
    for path in ("en/train.csv", "de/train.csv", "de/test.csv"):
        table(source / path, ["a", "b"])
    assert files_of(cache, Path(name)) == [["de/train.csv"], ["de/test.csv"]]
    assert {found for found, *_ in asked} == {"somebody/news"}
    assert not (cache / "en").exists()
    assert files_of(cache, Path("hf://somebody/news/en")) == [["en/train.csv"], []]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://somebody", "expected hf://OWNER/NAME or hf://OWNER/NAME/SUBSET"),
        ("hf://../somebody", "expected hf://OWNER/NAME"),
        ("hf://somebody/news", "it has 2 subsets, en, de; name one: hf://somebody/news/SUBSET"),
        ("hf://somebody/news/fr", "it has no subset 'fr', only en, de; name one"),
    ],
)
def test_names_that_name_no_one_data_set_are_refused(hub, name, message):
    card(hub[0], SEVERAL)
    with pytest.raises(InputError, match=message):
        with_files_of_folders(options(Path(name)))


def test_without_a_network_one_sentence_says_what_to_do(monkeypatch, capsys):
    def offline(*_, **__):
        raise ConnectionError("cannot reach the hub\nMaxRetryError …")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    words = ["--dataset", "table", "--data", "hf://somebody/news", "--text-column", "text", "--label-column", "label"]
    said = refusal(capsys, main, *words, "--teacher-outputs", "answer")
    assert "--data hf://somebody/news: the hub did not give it (cannot reach the hub)" in said
    assert "hf download --repo-type dataset somebody/news --local-dir FOLDER" in said


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        (ONE, [["data/part-a.csv"], ["data/part-b.csv"]]),
        ("configs:\n- config_name: x\n  data_files: '**/part-*.csv'\n", [[f"data/part-{x}.csv" for x in "abc"], []]),
        ("configs:\n- config_name: x\n  data_files:\n    train: data/part-b.csv\n    test: [data/part-c.csv]\n",
         [["data/part-b.csv"], ["data/part-c.csv"]]),
        (SEVERAL + "- config_name: y\n  default: true\n  data_files: data/part-c.csv\n", [["data/part-c.csv"], []]),
        ("configs: nonsense", [[f"data/part-{x}.csv" for x in "abc"], []]),
        ("configs: [", [[f"data/part-{x}.csv" for x in "abc"], []]),
        ("a: &a [x]\nconfigs: [*a]", [[f"data/part-{x}.csv" for x in "abc"], []]),
        ("a: " + "[" * 20_000, [[f"data/part-{x}.csv" for x in "abc"], []]),
        ("configs:\n- config_name: " + ":".join(["59"] * 3_000), [[f"data/part-{x}.csv" for x in "abc"], []]),
    ],
)  # fmt: skip
def test_a_folder_s_readme_says_the_splits(tmp_path, configs, expected):
    for name in "abc":
        table(tmp_path / "data" / f"part-{name}.csv", ["x", "y"])
    card(tmp_path, configs)
    assert files_of(tmp_path) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../outside.csv", "found no such table"),
        ("/etc/*.csv", "found no such table"),
        ("data/none*", "train is data/none\\*, found no such table"),
        ("data/" + "x" * 9999, "found no such table"),
        ("/".join(["**", "x"] * 300), "found no such table"),
        ("/".join([*["**"] * 9999, "x"]), "found no such table"),
    ],
)
def test_patterns_that_find_nothing_or_lead_outside_are_refused(tmp_path, path, message):
    folder = tmp_path / "set"
    table(folder / "data" / "train.csv", ["x", "y"])
    table(tmp_path / "outside.csv", ["x", "y"])
    card(folder, f"configs:\n- config_name: x\n  data_files: '{path}'")
    with pytest.raises(InputError, match=message):
        files_of(folder)


NOTE = {"info": {"features": {"label": {"names": ["sad", "joy", "anger"], "_type": "ClassLabel"}}}}
LISTS = {"info": {"features": {"label": {"feature": NOTE["info"]["features"]["label"], "_type": "Sequence"}}}}


@pytest.mark.parametrize("note", [NOTE, LISTS])
def test_parquet_s_own_note_names_the_classes(tmp_path, note):
    table(tmp_path / "rows.parquet", [0, 1, 2], note=note)
    assert with_class_names(options(tmp_path / "rows.parquet")).class_names == ("sad", "joy", "anger")
    given = options(tmp_path / "rows.parquet", class_names=("a", "b", "c"))
    assert with_class_names(given).class_names == ("a", "b", "c")


def test_each_subset_has_its_own_classes(tmp_path):
    infos = [FEATURES.replace("features:", f"features: # {name}").replace("sad", name) for name in ("en", "de")]
    entries = [
        f"- config_name: {name}\n" + info.split("\n", 1)[1] for name, info in zip(("en", "de"), infos, strict=True)
    ]
    for name in ("en", "de", "other"):
        table(tmp_path / name / "train.csv", [0, 1])
    card(tmp_path, "dataset_info:", *entries)
    found = {
        name: with_class_names(options(tmp_path / name / "train.csv")).class_names for name in ("en", "de", "other")
    }
    assert found == {"en": ("en", "joy", "anger"), "de": ("de", "joy", "anger"), "other": ()}


def test_labels_are_names_or_numbers_and_stand_in_the_numbers_order(tmp_path):
    rows = ["2", "b", "0", "-1", "NaN"] * 8  # csv: text
    table(tmp_path / "rows.csv", rows)
    dataset = load_dataset(options(tmp_path / "rows.csv", class_names=("z", "b", "a"), seed=1))
    assert dataset.label_names == ("z", "b", "a")
    splits = dataset.splits.values()
    found = {
        int(row): int(label) for split in splits for row, label in zip(split.example_ids, split.labels, strict=True)
    }
    assert found == {row: {"2": 2, "b": 1, "0": 0}[rows[row]] for row in range(40) if row % 5 < 3}
    table(tmp_path / "odd.csv", ["0", "1", "3"])
    with pytest.raises(
        InputError, match=r"row 3 .*expected one of the 3 classes 'z', 'b', 'a', or its number .*got '3'"
    ):
        load_dataset(options(tmp_path / "odd.csv", class_names=("z", "b", "a")))


def test_names_that_are_numbers_are_told_from_numbers(tmp_path):
    names = ("1", "2", "3")
    for ending, values in ((".csv", [1, 2, 3] * 5), (".parquet", [0, 1, 2] * 5)):
        table(tmp_path / f"rows{ending}", values)
        dataset = load_dataset(options(tmp_path / f"rows{ending}", class_names=names))
        of = {int(row): dataset.label_names[label] for split in dataset.splits.values()
              for row, label in zip(split.example_ids, split.labels, strict=True)}  # fmt: skip
        assert of == {row: names[row % 3] for row in range(15)}


@pytest.mark.parametrize(
    ("names", "values"), [(("1", "2", "3"), [0, 1, 2]), (("1", "2", "3"), [1, 2, 0]), (("2", "1", "0"), [2, 1, 0])]
)
def test_a_text_that_is_one_class_s_name_and_another_s_number_is_refused(tmp_path, names, values):
    for ending, task in ((".csv", "single-label"), (".jsonl", "multi-label")):
        path, label = tmp_path / f"rows{ending}", [str(value) for value in values]
        if ending == ".csv":
            table(path, label * 8)
        else:
            lines = [{"text": f"text {row}", "label": [label[row % 3]]} for row in range(24)]
            path.write_text("\n".join(map(json.dumps, lines)))
        with pytest.raises(InputError, match=r"row \d .*are numbers themselves, and '\d' may be a name or a number"):
            load_dataset(options(path, class_names=names, task=task))


def test_answers_may_be_called_by_the_numbers_or_the_names(tmp_path, capsys):
    for key, sad, joy in (("names", "sad", "joy"), ("numbers", "0", "1")):
        answers = [{joy: 0.7, sad: 0.3}, *[{joy: 0.2, sad: 0.8}] * 3]
        lines = [{"text": f"text {row}", "label": row % 2, "answer": answers[row % 4]} for row in range(20)]
        (tmp_path / f"{key}.jsonl").write_text("\n".join(map(json.dumps, lines)))
        words = [
            "--dataset",
            "table",
            "--data",
            tmp_path / f"{key}.jsonl",
            "--text-column",
            "text",
            "--label-column",
            "label",
        ]
        words += ["--class-names", "sad", "joy", "--teacher-outputs", "answer", "--output", tmp_path / key]
        status, _, error = call(capsys, main, *words)
        assert status == 0, error
        export = Export.open(tmp_path / key)
        assert export.label_names == ("sad", "joy")
        assert export.test.labels.tolist() == [row % 2 for row in export.test.example_ids]
        wanted = [[0.8, 0.2] if row % 4 else [0.3, 0.7] for row in export.test.example_ids]
        assert_close(np.exp(export.test.teacher_logits), wanted, terms=2, why="exponentials of logarithms")


@pytest.mark.parametrize(
    ("declared", "found", "classes"),
    [
        ((), ("b", "a", "00"), ("b", "a", "00")),
        (("z", "a"), ("1", "0"), ("a", "z")),
        (("z", "a"), ("a", "z"), ("a", "z")),
        (("z", "a", "never"), ("0", "1"), ("z", "a")),
        (("0", "1"), ("1", "0"), ("1", "0")),
        (("1", "2", "3"), ("1", "2", "3"), ("1", "2", "3")),
        (("1", "2", "3"), ("0", "1", "2"), ("1", "2", "3")),
    ],
)
def test_what_answers_are_called_means_one_class_each(declared, found, classes):
    assert answered_classes(found, declared) == classes


@pytest.mark.parametrize(
    ("declared", "found", "message"),
    [
        (("neg", "pos"), ("00", "0", "1"), "or all by their numbers from 0 on, got '00'"),
        (("neg", "pos"), ("1", "2"), "got '2'"),
        (("neg", "pos"), ("neg", "1"), "got 'neg'"),
        (("neg", "pos"), ("negative", "positive"), "got 'negative'"),
        (("1", "0"), ("0", "1"), "are numbers themselves, and what the answers are called may be names or numbers"),
        (("1", "2", "3"), ("1", "2"), "are numbers themselves"),
    ],
)
def test_what_answers_are_called_and_is_no_class_or_either_is_refused(declared, found, message):
    with pytest.raises(InputError, match=message):
        answered_classes(found, declared)


def test_answers_to_several_labels_may_be_called_by_their_numbers(tmp_path, capsys):
    answers = [{"1": 0.9, "0": 0.2}, {"1": 0.4, "0": 0.7}]
    lines = [{"text": f"text {row}", "label": [row % 2], "answer": answers[row % 2]} for row in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = ["--dataset", "table", "--data", tmp_path / "rows.jsonl", "--text-column", "text"]
    words += ["--label-column", "label", "--class-names", "z", "a", "--task", "multi-label"]
    status, _, error = call(capsys, main, *words, "--teacher-outputs", "answer", "--output", tmp_path / "export")
    assert status == 0, error
    export = Export.open(tmp_path / "export")
    rows = export.test.example_ids % 2
    assert export.label_names == ("z", "a")
    np.testing.assert_array_equal(export.test.labels, np.eye(2, dtype=np.int8)[rows])
    wanted = np.array([[0.2, 0.9], [0.7, 0.4]])[rows]
    assert_close(1 / (1 + np.exp(-export.test.teacher_logits)), wanted, terms=2, why="exponentials of logarithms")


def test_numbered_labels_of_several_a_row(tmp_path):
    lines = [{"text": f"text {row}", "label": [[0, 2], [1], []][row % 3]} for row in range(30)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    asked = options(tmp_path / "rows.jsonl", task="multi-label", class_names=("z", "b", "a", "never"))
    dataset = load_dataset(asked)
    assert dataset.label_names == ("z", "b", "a", "never")
    split = dataset.splits["train"]
    expected = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], np.int8)
    np.testing.assert_array_equal(split.labels, expected[split.example_ids % 3])


@pytest.mark.parametrize(
    ("further", "message"),
    [
        ({"class_names": ("a",)}, "two different names or more"),
        ({"class_names": ("a", "a")}, "two different names or more"),
        ({"class_names": ("a", "b"), "task": "score"}, "--class-names goes with classes"),
    ],
)
def test_names_that_name_no_classes_are_refused(tmp_path, further, message):
    with pytest.raises(InputError, match=message):
        options(tmp_path, **further)
