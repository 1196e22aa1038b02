"""A folder of data files: splits by the files' names, and what is refused rather than mixed."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_lines import call
from distill_jax.data.exports import Export
from distill_jax.errors import InputError
from teacher_export.__main__ import main
from teacher_export.data.folders import with_files_of_folders
from teacher_export.options.data import DataConfig


def files_of(folder, **options):
    data = with_files_of_folders(DataConfig("table", (folder,), text_column=("text",), label_column="label", **options))
    fields = (data.data, data.validation_data, data.test_data)
    return [[str(path.relative_to(folder)) for path in paths] for paths in fields]


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text,label\na,b\n")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            [
                "data/train-00000-of-00002.parquet",
                "data/train-00001-of-00002.parquet",
                "data/test-00000-of-00001.parquet",
            ],
            [[0, 1], [], [2]],
        ),
        (["train.csv", "dev.csv", "test.csv"], [[0], [1], [2]]),
        (["training/0.jsonl.gz", "val/0.jsonl.gz"], [[0], [1], []]),
        (["shard-0.csv", "shard-1.csv"], [[0, 1], [], []]),
        (["train.csv", "contest.csv"], [[0], [], []]),
    ],
)
def test_names_say_the_splits(tmp_path, names, expected):
    put(tmp_path, *names, "README.md", "LICENSE.txt", "dataset_infos.json", ".cache/train.csv")
    assert files_of(tmp_path) == [[names[at] for at in split] for split in expected]


def test_what_names_no_split_is_left_out_and_said(tmp_path, capsys):
    put(tmp_path, "train.csv", "test.csv", "unsupervised.csv")
    assert files_of(tmp_path) == [["train.csv"], [], ["test.csv"]]
    assert "left out: unsupervised.csv" in capsys.readouterr().out


def test_splits_that_are_given_go_first(tmp_path):
    put(tmp_path, "train.csv", "test.csv", "dev.csv")
    assert files_of(tmp_path, test_data=(tmp_path / "dev.csv",))[2] == ["dev.csv"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["README.md"], "found none"),
        (["en/train.csv", "de/train.csv"], r"several folders \(de, en\)"),
        (["train.csv", "train.parquet"], r"\.csv and \.parquet"),
        (["test.csv", "dev.csv"], "the word train"),
    ],
)
def test_folders_that_are_no_one_data_set_are_refused(tmp_path, names, message):
    put(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        files_of(tmp_path)


@pytest.mark.parametrize("dataset", ["table", "yelp-full"])
def test_a_hub_s_folder_is_a_whole_export(tmp_path, capsys, dataset):
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    for split, count in (("train", 20), ("test", 6)):
        answers = [json.dumps({"0": 0.9 - 0.8 * (row % 2), "1": 0.1 + 0.8 * (row % 2)}) for row in range(count)]
        texts = [f"{split} review {row}" for row in range(count)]
        table = pa.table({"text": texts, "label": [row % 2 for row in range(count)], "answer": answers})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    columns = ["--text-column", "text", "--label-column", "label"] if dataset == "table" else []
    words = ["--dataset", dataset, "--data", tmp_path / "set", *columns, "--teacher-outputs", "answer"]
    status, _, error = call(capsys, main, *words, "--output", tmp_path / "out")
    assert status == 0, error
    export = Export.open(tmp_path / "out")
    assert (len(export.train.labels), len(export.test.labels)) == (20, 6)


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("text,label\nsecret,b\n")
    folder = tmp_path / "data"
    put(folder, "a.csv")
    (folder / "train.csv").symlink_to("a.csv")
    assert files_of(folder)[0] == ["train.csv"]
    (folder / "train-1.csv").symlink_to(mine)
    with pytest.raises(InputError, match=rf"data folder .*found train-1.csv, a link to {mine}; name that file"):
        files_of(folder)


def test_a_hub_s_snapshot_links_to_its_blobs(tmp_path):
    blobs, snapshot = tmp_path / "datasets--a--b/blobs", tmp_path / "datasets--a--b/snapshots/1f/data"
    put(blobs, "0a1b")
    snapshot.mkdir(parents=True)
    (snapshot / "train.csv").symlink_to("../../../blobs/0a1b")
    assert files_of(snapshot.parent) == [["data/train.csv"], [], []]
