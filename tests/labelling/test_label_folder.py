"""A folder of tables in, the same folder with answers out: table by table, resumed and divided."""

import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import distill_jax
from command_lines import call, refusal
from distill_jax.labelling import label_folder
from distill_jax.labelling.labeller import Labeller
from distill_jax.locks import exclusive
from distill_jax.predict import main
from tables import files_of, read_table, write_table
from tiny_export import tiny_texts
from untrained_student import write_student

NAMES = ("day=1/part-00000.parquet", "day=2/part-00000.parquet", "part-7.parquet", "rest.jsonl")


@pytest.fixture
def folder(tmp_path):
    """Four tables, two of them of the same name in folders of their own, and what readers of folders leave out."""
    texts, _ = tiny_texts(30, 3)
    for number, name in enumerate(NAMES):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = texts[number * 7 : number * 7 + 7 - number]
        write_table(path, [{"id": row, "text": text, "note": None} for row, text in enumerate(rows)])
    (tmp_path / "in" / "_SUCCESS").touch()
    return tmp_path / "in"


def words(student, folder, output, *options):
    return "--run", student, folder, "--text-column", "text", "--output", output, *options


def label(capsys, *arguments):
    status, out, error = call(capsys, main, *words(*arguments))
    assert status == 0, error
    return out


def test_each_table_is_labelled_under_its_own_name_by_any_number_of_workers(capsys, tmp_path, student, folder):
    assert "22 rows in 4 tables labelled" in label(capsys, student, folder, tmp_path / "one", "--workers", "1")
    label(capsys, student, folder, tmp_path / "two", "--workers", "2")
    found = files_of(tmp_path / "one")
    assert found == files_of(tmp_path / "two")
    sources = [f"{label_folder.SOURCES}/{name}.json" for name in NAMES]
    assert sorted(found) == sorted([*NAMES, *sources, label_folder.RECORD])
    model = distill_jax.load(student)
    for name in NAMES:
        before, after = read_table(folder / name), read_table(tmp_path / "one" / name)
        assert [{name: row[name] for name in before[0]} for row in after] == before
        assert [row["label"] for row in after] == model.predict([row["text"] for row in before]).tolist()


def test_what_is_done_stays_and_what_is_not_is_done(capsys, tmp_path, student, folder):
    label(capsys, student, folder, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "out")
    (tmp_path / "out" / NAMES[1]).unlink()
    kept, far_off = tmp_path / "out" / NAMES[2], 4_000_000_000  # a time that no file written now has
    os.utime(kept, (far_off, far_off))
    assert "it has labelled tables already" in refusal(capsys, main, *words(student, folder, tmp_path / "out"))
    assert "going on after 3 of 4 tables" in label(capsys, student, folder, tmp_path / "out", "--resume")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert kept.stat().st_mtime == far_off
    label(capsys, student, folder, tmp_path / "out", "--overwrite")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert kept.stat().st_mtime != far_off


def test_machines_that_each_do_a_shard_do_all(capsys, tmp_path, student, folder):
    label(capsys, student, folder, tmp_path / "whole")
    for shard in ("1/3", "2/3", "0/3"):
        label(capsys, student, folder, tmp_path / "out", "--shard", shard)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("changed", [(), ("--probabilities",)])
def test_what_was_stopped_within_a_table_begins_anew(capsys, tmp_path, student, folder, monkeypatch, changed):
    output, of_block, left = tmp_path / "out", Labeller.label, iter(range(6))
    write_table(folder / "rest.jsonl", [{"id": row, "text": text} for row, text in enumerate(tiny_texts(40, 6)[0])])

    def stopped(self, block):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return of_block(self, block)

    label(capsys, student, folder, tmp_path / "whole", *changed)
    monkeypatch.setattr(Labeller, "label", stopped)
    assert call(capsys, main, *words(student, folder, output, "--workers", "1"))[0] == 130
    monkeypatch.undo()
    begun = [path for path in output.rglob("*.part") if path.is_dir()]
    assert len(begun) == 1
    notes = begun[0] / "notes.txt"
    notes.write_text("mine")
    before = files_of(output)
    assert "move it elsewhere" in refusal(capsys, main, *words(student, folder, output, "--overwrite", *changed))
    assert files_of(output) == before
    notes.unlink()
    with exclusive(begun[0].with_suffix(""), "output"):
        message = refusal(capsys, main, *words(student, folder, output, "--overwrite", *changed))
    assert "another process" in message
    label(capsys, student, folder, output, "--overwrite", *changed)
    assert files_of(output) == files_of(tmp_path / "whole")


def test_what_was_labelled_otherwise_or_of_another_table_is_not_gone_on_with(capsys, tmp_path, student, folder):
    times = {name: (folder / name).stat().st_mtime_ns for name in NAMES}
    label(capsys, student, folder, tmp_path / "out")
    again = words(student, folder, tmp_path / "out", "--resume")
    assert "begun with prefix '', and now that is 'its_'" in refusal(capsys, main, *again, "--prefix", "its_")
    other = write_student(tmp_path / "other", seed=5)
    message = refusal(capsys, main, *words(other, folder, tmp_path / "out", "--resume"))
    assert "begun with student" in message
    for time in (0, 4_000_000_000):  # replaced by an older file, too
        os.utime(folder / NAMES[0], (time, time))
        assert "found it labelled of another one; delete it" in refusal(capsys, main, *again)
    shutil.copy(folder / "rest.jsonl", folder / "theirs.jsonl")
    for name in ("theirs.csv", "theirs.jsonl"):  # of no table in the folder, and of one that was not labelled
        theirs = tmp_path / "out" / name
        theirs.write_text("{}\n")
        before = files_of(tmp_path / "out")
        message = refusal(capsys, main, *words(student, folder, tmp_path / "out", "--overwrite"))
        assert f"{name}: expected tables that were labelled of those in" in message
        assert files_of(tmp_path / "out") == before
        theirs.unlink()
    (tmp_path / "out" / "theirs.jsonl").write_text("{}\n")
    os.utime(folder / NAMES[0], ns=(times[NAMES[0]], times[NAMES[0]]))
    assert "theirs.jsonl: expected it to be labelled of" in refusal(capsys, main, *again)


def test_a_first_table_that_is_refused_leaves_nothing(capsys, tmp_path, student, folder):
    write_table(folder / "day=1" / "a.csv", [{"text": "good", "label": "mine"}])
    message = refusal(capsys, main, *words(student, folder, tmp_path / "out"))
    assert "--prefix" in message
    assert not (tmp_path / "out").exists()
    label(capsys, student, folder, tmp_path / "out", "--prefix", "its_")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--output", "{in}/out"), "expected a folder apart from"),
        (("--output", "{tmp}/file"), "expected a folder, as a folder of tables is read, found a file"),
        (("--output", "{tmp}"), "expected a folder apart from"),
        (("--output", "{tmp}/full"), "expected nothing of that name or a labelled folder"),
        ((), "goes with --output"),
        (("--output", "{tmp}/out", "--shard", "3/3"), "expected I/N with I from 0 to N-1"),
        (("--output", "{tmp}/out", "--shard", "0/3", "--overwrite"), "--overwrite goes without --shard"),
    ],
)
def test_what_cannot_be_done_is_refused(capsys, tmp_path, student, folder, options, sentence):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    options = [option.format(**{"in": folder, "tmp": tmp_path}) for option in options]
    assert sentence in refusal(capsys, main, "--run", student, folder, "--text-column", "text", *options)
    assert (tmp_path / "full" / "letter.txt").exists()
    assert not (tmp_path / "out").exists()


def test_a_table_that_cannot_be_read_is_named_and_those_before_it_are_kept(capsys, tmp_path, student, folder):
    pq.write_table(pa.table({"other": ["a"]}), folder / NAMES[2])
    for workers in ("1", "2"):
        output = tmp_path / f"out{workers}"
        message = refusal(capsys, main, *words(student, folder, output, "--workers", workers))
        assert f"{NAMES[2]}: it has no column 'text'" in message
        assert (output / NAMES[0]).is_file()


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("../outside", "a link to "),
        ("../outside/b.csv", "a link to "),
        (".", "a link to a folder"),
        ("nothing", "a link to nothing"),
    ],
)
def test_a_link_is_not_followed_out_of_a_folder_nor_into_one(capsys, tmp_path, student, folder, target, sentence):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.csv").write_text("body\nprivate\n")
    (folder / "link.csv").symlink_to(target)
    message = refusal(capsys, main, *words(student, folder, tmp_path / "out"))
    assert "found link.csv, " in message
    assert sentence in message
    assert not (tmp_path / "out").exists()


def test_a_link_to_a_file_of_the_same_folder_is_a_table(capsys, tmp_path, student, folder):
    (folder / "again.jsonl").symlink_to("rest.jsonl")
    label(capsys, student, folder, tmp_path / "out")
    found = files_of(tmp_path / "out")
    assert found["again.jsonl"] == found["rest.jsonl"]


@pytest.mark.parametrize("link", [label_folder.SOURCES, label_folder.RECORD, f"{label_folder.SOURCES}/day=1"])
@pytest.mark.parametrize("option", ["--overwrite", "--resume"])
def test_nothing_is_read_written_or_deleted_through_a_link_in_the_output(
    capsys, tmp_path, student, folder, link, option
):
    output, outside = tmp_path / "out", tmp_path / "outside"
    label(capsys, student, folder, output)
    shutil.move(output / link, outside)
    (output / link).symlink_to(outside)
    for name in NAMES:
        (output / name).unlink()
    before = files_of(tmp_path)
    message = refusal(capsys, main, *words(student, folder, output, option))
    assert f"expected {link} to be its own, found a link to {outside}" in message
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_a_student_that_is_replaced_after_the_beginning_answers_nothing(
    capsys, tmp_path, student, folder, monkeypatch, workers
):
    begin = label_folder.FolderTask.begin

    def replaced(task, **options):
        begin(task, **options)
        shutil.rmtree(own)
        write_student(own, seed=1)

    own = tmp_path / "own"
    shutil.copytree(student, own)
    label(capsys, own, folder, tmp_path / "whole")
    monkeypatch.setattr(label_folder.FolderTask, "begin", replaced)
    asked = words(own, folder, tmp_path / "out", "--workers", str(workers))
    if workers == 1:  # which was loaded before
        assert call(capsys, main, *asked)[0] == 0
    else:
        assert f"student {own}: it was changed while it was in use" in refusal(capsys, main, *asked)
    there, whole = files_of(tmp_path / "out"), files_of(tmp_path / "whole")
    assert [name for name in NAMES if name in there] == (list(NAMES) if workers == 1 else [])
    assert all(there[name] == whole[name] for name in NAMES if name in there)
    assert there[label_folder.RECORD] == whole[label_folder.RECORD]
