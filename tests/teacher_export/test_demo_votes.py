"""The demo's votes: the format, whose row they are, the label that most chose; the export of them needs no PyTorch."""

import subprocess
import sys

import numpy as np
import pytest

from distill_jax.errors import InputError
from teacher_export.command_line import parse_arguments
from teacher_export.data import demo as demo_data
from teacher_export.data import demo_votes
from teacher_export.data.demo import classes_between, load_demo_reviews, quintiles
from teacher_export.data.demo_votes import load_demo_votes, most_voted, read_votes
from teacher_export.options.data import DataConfig
from teacher_export.pip_download import UnreachableIndexError
from tolerances import assert_close

VOTES = {
    "amazonReviewSnippets": ["[-4, -4, 1]", "[-1, 0, 0, 0]", "[4]", "[2, 3, 4]", "[0, 0]"],
    "movieReviewSnippets": ["[-3, -2]", "[-1, -1, 4]", "[1, 1, 1]", "[3, 4, -4]", "[1, 2, 3]"],
}


@pytest.fixture
def tiny_files(tmp_path, monkeypatch):
    for name, rows in VOTES.items():
        texts, votes = [], []
        for index, row in enumerate(rows):
            mean = np.mean(eval(row))
            texts.append(f"{index}\t{mean}\t{name} text {index}\r\n")
            votes.append(f"{index}\t{mean}\t0.5\t{row}\n")
        (tmp_path / f"{name}_GroundTruth.txt").write_text("".join(texts), newline="")
        marked = name.startswith("amazon")  # with a byte-order mark, and rows in another order
        content = "".join(votes[::-1] if marked else votes)
        (tmp_path / f"{name}_anonDataRatings.txt").write_text(content, encoding="utf-8-sig" if marked else "utf-8")
    monkeypatch.setattr(demo_data, "fetch_demo_data", lambda: tmp_path)
    monkeypatch.setattr(demo_votes, "fetch_demo_votes", lambda files: tmp_path)
    return tmp_path


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 5.0])
def test_each_row_has_the_shares_of_its_own_votes(tiny_files, smoothing):
    cuts = quintiles(load_demo_reviews().ratings)
    table = load_demo_votes(DataConfig(dataset="demo-votes", train_fraction=0.5), smoothing)
    rows = [row for votes in VOTES.values() for row in votes]
    assert sorted(np.concatenate([split.example_ids for split in table.dataset.splits.values()])) == list(range(10))
    for split in table.dataset.splits.values():
        for row, text, logits, label in zip(
            split.example_ids, split.texts, split.teacher_logits, split.labels, strict=True
        ):
            votes = np.array([int(vote) for vote in rows[row].strip("[]").split(",")])
            assert text.endswith(str(row % 5))
            counts = np.bincount(classes_between(cuts, votes), minlength=5)
            wanted = (counts + smoothing / 5) / (len(votes) + smoothing)
            wanted = np.maximum(wanted, 1e-4)
            assert_close(np.exp(logits), wanted / wanted.sum(), terms=100, why="a logarithm's exponential", scale=10)
            assert counts[label] == counts.max()


def test_a_class_of_as_many_votes_is_the_nearest_to_the_mean(tiny_files):
    counts = np.array([[3, 0, 3, 0, 3], [1, 5, 0, 5, 0], [2, 2, 0, 0, 0], [0, 1, 0, 0, 0], [7, 0, 0, 0, 6]])
    assert most_voted(counts, np.array([3, 3, 4, 0, 4])).tolist() == [2, 3, 1, 1, 0]
    assert most_voted(np.array([[0, 2, 0, 2, 0]]), np.array([2])).tolist() == [1]


@pytest.mark.parametrize(
    "line", ["2\t0\t1", "2\t0\t1\t[]", "2\t0\t1\t[5]", "2\t0\t1\t[0.5]", "2\t0\t1\t[true]", "2\t0\t1\t3", "2\t0\t1\t["]
)
def test_a_changed_file_is_refused_by_line(tmp_path, line):
    (tmp_path / "v.txt").write_text(f"1\t0\t1\t[0, 4, -4]\n{line}\n")
    with pytest.raises(InputError, match=r"v.txt: line 2: expected id, mean, deviation and a list of ratings"):
        read_votes(tmp_path / "v.txt")


def test_a_text_without_votes_is_refused(tiny_files):
    path = tiny_files / "movieReviewSnippets_anonDataRatings.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(InputError, match=r"movieReviewSnippets_anonDataRatings.txt: expected the ratings of '4'"):
        load_demo_votes(DataConfig(dataset="demo-votes"), 1.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "x.csv"], "--data goes with"),
        (["--teacher-outputs", "x"], "--teacher-outputs goes with --dataset table, got demo-votes"),
        (
            ["--outputs-are", "logits"],
            "--outputs-are goes with --teacher-outputs COLUMN…",
        ),
        (["--teacher", "bert"], "--teacher and --dataset demo-votes do not go together"),
        (["--augment", "2"], "--augment and --dataset demo-votes do not go together"),
    ],
)
def test_what_does_not_go_with_votes_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        parse_arguments(["--dataset", "demo-votes", *words])


@pytest.mark.demo
def test_the_demo_of_votes_is_exported_without_torch(tmp_path):
    """The real files, which pip serves; skipped where no index can be reached."""
    try:
        table = load_demo_votes(DataConfig(dataset="demo-votes"), 1.0)
    except UnreachableIndexError as error:
        pytest.skip(str(error))
    assert {name: len(split) for name, split in table.dataset.splits.items()} == {"train": 11_301, "test": 2_826}
    code = (
        "import sys\nfrom teacher_export.command_line import main\n"
        f"sys.argv[1:] = ['--dataset', 'demo-votes', '--output', {str(tmp_path / 'votes')!r}]\nmain()\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "14,127 rows, mean entropy 0.887 nats; they agree with the label in 96.6%" in done.stdout
