"""Tables, students and answers at addresses: what ``predict`` does with them is what it does with files."""

from unittest import mock

import pytest

from command_lines import call, refusal
from distill_jax.labelling import label_folder
from distill_jax.predict import main
from distill_jax.storage.address import mirror_of
from object_store import forbid_writing
from tables import files_of, write_table
from tiny_export import tiny_texts
from untrained_student import write_student

NAMES = ("day=1/part-0.parquet", "day=2/part-0.parquet", "rest.jsonl")


@pytest.fixture
def crawl(bucket, system, tmp_path):
    """A student and three tables, here and in the bucket."""
    write_student(tmp_path / "student")
    for number, name in enumerate(NAMES):
        path = tmp_path / "crawl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, [{"id": row, "text": text} for row, text in enumerate(tiny_texts(9, number)[0])])
    for folder in ("student", "crawl"):
        system.put(str(tmp_path / folder), f"{bucket}/{folder}", recursive=True)
    return tmp_path / "crawl"


def predict(capsys, *arguments):
    status, out, error = call(capsys, main, *arguments, "--text-column", "text")
    assert status == 0, error
    return out


def labelled(system, folder):
    """Return the objects below an address, but for what says of which tables they are: the times differ."""
    root = folder.removeprefix("s3://")
    found = {name.removeprefix(f"{root}/"): system.cat(name) for name in system.find(root)}
    return {name: content for name, content in found.items() if not name.startswith("_")}


def test_a_folder_of_objects_is_labelled_as_a_folder_is_and_goes_on(capsys, tmp_path, bucket, system, crawl):
    predict(capsys, "--run", tmp_path / "student", crawl, "--output", tmp_path / "out")
    expected = {name: content for name, content in files_of(tmp_path / "out").items() if not name.startswith("_")}
    words = ("--model", f"{bucket}/student", f"{bucket}/crawl", "--output", f"{bucket}/out")
    assert "27 rows in 3 tables labelled" in predict(capsys, *words)
    assert labelled(system, f"{bucket}/out") == expected
    assert "it has labelled tables already" in refusal(capsys, main, *words, "--text-column", "text")
    system.rm(f"{bucket}/out/{NAMES[1]}")
    assert "going on after 2 of 3 tables" in predict(capsys, *words, "--resume")
    assert labelled(system, f"{bucket}/out") == expected
    for name in NAMES:  # of tables nothing stays on this machine
        assert not (mirror_of(f"{bucket}/out") / name).exists()
    system.put_file(str(crawl / NAMES[0]), f"{bucket}/crawl/{NAMES[2]}")
    message = refusal(capsys, main, *words, "--text-column", "text", "--resume")
    assert f"out/{NAMES[2]}: expected it to be labelled of the table that {bucket}/crawl/{NAMES[2]} is now" in message


def test_from_here_to_there_and_back_by_shards(capsys, tmp_path, bucket, system, crawl):
    for shard in ("0/2", "1/2"):
        out = ("--output", f"{bucket}/out", "--shard", shard)
        predict(capsys, "--run", tmp_path / "student", crawl, *out)
    predict(capsys, "--run", f"{bucket}/student", f"{bucket}/crawl", "--output", tmp_path / "back")
    back = {name: content for name, content in files_of(tmp_path / "back").items() if not name.startswith("_")}
    assert labelled(system, f"{bucket}/out") == back


def test_another_s_objects_are_neither_taken_for_done_nor_deleted(capsys, tmp_path, bucket, system, crawl):
    words = ("--run", tmp_path / "student", f"{bucket}/crawl", "--output", f"{bucket}/out")
    system.pipe(f"{bucket}/out/letter.txt", b"mine")
    assert "expected nothing of that name" in refusal(capsys, main, *words, "--text-column", "text")
    system.rm(f"{bucket}/out/letter.txt")
    predict(capsys, *words)
    system.pipe(f"{bucket}/out/letter.csv", b"mine")
    message = refusal(capsys, main, *words, "--text-column", "text", "--overwrite")
    assert f"{bucket}/out/letter.csv: expected tables that were labelled of those in" in message
    assert len(labelled(system, f"{bucket}/out")) == 4
    system.rm(f"{bucket}/out/letter.csv")
    predict(capsys, *words, "--overwrite")


def test_one_table_and_lines(capsys, tmp_path, bucket, system, crawl):
    predict(capsys, "--run", tmp_path / "student", crawl / "rest.jsonl", "--output", tmp_path / "one.csv")
    words = ("--run", f"{bucket}/student", f"{bucket}/crawl/rest.jsonl", "--output", f"{bucket}/one.csv")
    predict(capsys, *words)
    assert system.cat(f"{bucket}/one.csv") == (tmp_path / "one.csv").read_bytes()
    assert "it is there already" in refusal(capsys, main, *words, "--text-column", "text")
    predict(capsys, *words, "--overwrite")
    message = refusal(capsys, main, *words, "--text-column", "text", "--resume")
    assert "--resume goes with a folder of tables or with an output on this machine" in message
    system.pipe(f"{bucket}/texts.txt", b"a good film\na bad film\n")
    status, out, _ = call(capsys, main, "--run", f"{bucket}/student", f"{bucket}/texts.txt")
    assert (status, len(out.splitlines())) == (0, 2)
    message = refusal(capsys, main, "--run", f"{bucket}/student", f"{bucket}/none.csv", "--text-column", "text")
    assert f"{bucket}/none.csv: there is no such object" in message


def test_folders_of_objects_that_are_each_other_s_are_refused(capsys, tmp_path, bucket, crawl):
    words = ("--run", tmp_path / "student", f"{bucket}/crawl", "--text-column", "text")
    for output in (f"{bucket}/crawl/out", f"{bucket}/crawl/out".replace("s3://", "s3a://")):
        assert f"expected a folder apart from {bucket}/crawl" in refusal(capsys, main, *words, "--output", output)


def test_an_output_that_can_be_none_is_refused(capsys, tmp_path, bucket, system, crawl):
    words = ("--run", tmp_path / "student", "--text-column", "text")
    table, folder = f"{bucket}/crawl/rest.jsonl", f"{bucket}/crawl"
    for asked, sentence in (
        ((table, "--output", table, "--overwrite"), "it is the table that is read"),
        ((table, "--output", bucket), "expected a file's name after the bucket's"),
        ((folder, "--output", f"{bucket}/student/config.json"), "found a file; name another"),
    ):
        assert sentence in refusal(capsys, main, *words, *asked)


def test_an_interrupted_table_leaves_nothing_on_this_machine(capsys, tmp_path, bucket, crawl, monkeypatch):
    monkeypatch.setattr("distill_jax.labelling.label_table.PartFolder.write", mock.Mock(side_effect=KeyboardInterrupt))
    words = ("--run", tmp_path / "student", f"{bucket}/crawl/rest.jsonl", "--text-column", "text")
    status, _, error = call(capsys, main, *words, "--output", f"{bucket}/one.csv")
    assert (status, f"nothing is at {bucket}/one.csv" in error) == (130, True)
    assert not list(mirror_of(bucket).glob("one.csv*"))


def test_a_store_that_takes_nothing_is_known_before_the_work(capsys, tmp_path, bucket, crawl, monkeypatch):
    forbid_writing(monkeypatch)
    work = mock.Mock()
    monkeypatch.setattr("distill_jax.labelling.label_table.PartFolder.write", work)
    for table, output in (("crawl/rest.jsonl", "one.csv"), ("crawl", "labelled")):
        words = ("--run", tmp_path / "student", f"{bucket}/{table}", "--text-column", "text")
        message = refusal(capsys, main, *words, "--output", f"{bucket}/{output}")
        assert "the store refused or did not answer ([Errno 13] Access Denied)" in message
    work.assert_not_called()


def test_a_slow_machine_s_answers_for_an_older_table_are_not_put(capsys, tmp_path, bucket, system, crawl, monkeypatch):
    table, words = f"{bucket}/crawl/rest.jsonl", ("--run", tmp_path / "student", f"{bucket}/crawl")
    label_slowly = label_folder.label_table

    def slowly(path, *arguments, **options):
        done = label_slowly(path, *arguments, **options)
        if path.name == "rest.jsonl" and not fast:
            fast.append(path)
            system.pipe(table, b'{"text": "a newer one"}\n')
            predict(capsys, *words, "--output", f"{bucket}/out", "--resume", "--workers", "1")  # another machine
        return done

    fast: list = []
    monkeypatch.setattr(label_folder, "label_table", slowly)
    asked = (*words, "--output", f"{bucket}/out", "--workers", "1", "--text-column", "text")
    assert "rest.jsonl: it was replaced while it was being labelled" in refusal(capsys, main, *asked)
    assert b"a newer one" in system.cat(f"{bucket}/out/rest.jsonl")
    assert "0 rows in 0 tables" in predict(capsys, *words, "--output", f"{bucket}/out", "--resume")
