"""A table whose labelling was cut short and gone on with is the table of one that was not."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command_lines import ROOT, call, finish, refusal
from distill_jax.labelling import label_table, part_folder
from distill_jax.labelling.labeller import Labeller
from distill_jax.predict import main
from interrupts import interrupt_at
from tables import write_table
from tiny_export import tiny_texts
from untrained_student import write_student

ROWS = 40
BLOCKS = 6
FORMS = (".csv", ".jsonl", ".csv.gz", ".parquet")
pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture
def table(tmp_path):
    texts, _ = tiny_texts(ROWS, 6)
    return write_table(tmp_path / "in.csv", [{"id": str(row), "body": text} for row, text in enumerate(texts)])


def command(student, table, output, *options):
    return ("--run", student, table, "--text-column", "body", "--output", output, *options)


def interrupt_after(monkeypatch, blocks):
    """Let labelling be interrupted after so many blocks; return what undoes that."""
    left = [blocks]
    label = Labeller.label

    def until_then(self, block):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return label(self, block)

    monkeypatch.setattr(Labeller, "label", until_then)
    return lambda: monkeypatch.setattr(Labeller, "label", label)


def begun(capsys, monkeypatch, student, table, output, blocks=3, *options):
    """Begin a table and interrupt it."""
    restore = interrupt_after(monkeypatch, blocks)
    status, _, error = call(capsys, main, *command(student, table, output, *options))
    restore()
    assert status == 130
    return error


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("blocks", range(1, BLOCKS))
def test_interrupted_and_resumed_is_byte_for_byte_the_uninterrupted_one(
    capsys, tmp_path, monkeypatch, student, table, form, blocks
):
    assert call(capsys, main, *command(student, table, tmp_path / f"whole{form}"))[0] == 0
    output = tmp_path / f"out{form}"
    error = begun(capsys, monkeypatch, student, table, output, blocks)
    assert error == f"interrupted after {7 * blocks} rows, which are kept; the same command with --resume goes on\n"
    assert not output.exists()
    with (tmp_path / f"out{form}.part" / "rows").open("ab") as stream:
        stream.write(b"what was written and never said to be whole")
    status, out, _ = call(capsys, main, *command(student, table, output, "--resume"))
    assert (status, out.splitlines()[0]) == (0, f"going on after {7 * blocks} rows")
    assert output.read_bytes() == (tmp_path / f"whole{form}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in.csv", f"out{form}", f"whole{form}"])


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # it came between a file and its with
def test_an_interrupt_between_any_two_lines_leaves_what_can_be_gone_on_with(
    capsys, tmp_path, monkeypatch, student, table
):
    monkeypatch.setattr(part_folder, "JOURNAL_SECONDS", 0)
    monkeypatch.setattr("distill_jax.labelling.inputs.BLOCK_ROWS", 20)
    assert call(capsys, main, *command(student, table, tmp_path / "whole.csv"))[0] == 0
    whole = (tmp_path / "whole.csv").read_bytes()
    with interrupt_at(None, part_folder) as lines:
        call(capsys, main, *command(student, table, tmp_path / "counted.csv"))
    assert lines.run > 50
    for line in range(lines.run):
        output = tmp_path / f"out{line}.csv"
        with interrupt_at(line, part_folder):
            status, _, error = call(capsys, main, *command(student, table, output))
        assert status == 130, (line, error)
        if output.exists():
            assert output.read_bytes() == whole, line
            continue
        status, _, error = call(capsys, main, *command(student, table, output, "--resume"))
        assert (status, output.exists() and output.read_bytes() == whole) == (0, True), (line, error)


def test_what_is_resumed_is_not_labelled_again(capsys, tmp_path, monkeypatch, student, table):
    begun(capsys, monkeypatch, student, table, tmp_path / "out.csv", 4)
    interrupt_after(monkeypatch, BLOCKS - 4 + 1)  # the first block is compared
    assert call(capsys, main, *command(student, table, tmp_path / "out.csv", "--resume"))[0] == 0


def test_interrupted_before_the_first_block_leaves_nothing(capsys, tmp_path, monkeypatch, student, table):
    begun(capsys, monkeypatch, student, table, tmp_path / "out.csv", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("left", [None, "", ".journal.json.123-0123abcd.tmp"])
def test_with_nothing_to_resume_it_begins(capsys, tmp_path, student, table, left):
    if left is not None:  # what a kill leaves that comes before the first journal
        (tmp_path / "out.csv.part").mkdir()
    if left:
        (tmp_path / "out.csv.part" / left).write_text("{")
    assert call(capsys, main, *command(student, table, tmp_path / "out.csv", "--resume"))[0] == 0
    assert (tmp_path / "out.csv").read_text().count("\n") == ROWS + 1


def test_a_table_under_way_is_never_begun_anew_unasked(capsys, tmp_path, monkeypatch, student, table):
    output = tmp_path / "out.csv"
    begun(capsys, monkeypatch, student, table, output)
    kept = (tmp_path / "out.csv.part" / "rows").read_bytes()
    message = refusal(capsys, main, *command(student, table, output))
    assert "a table under way, of which 21 rows are labelled; go on with --resume, or start anew with --over" in message
    assert (tmp_path / "out.csv.part" / "rows").read_bytes() == kept
    assert call(capsys, main, *command(student, table, output, "--overwrite"))[0] == 0
    assert not (tmp_path / "out.csv.part").exists()


@pytest.mark.parametrize("change", ["table", "option", "student"])
def test_another_table_student_or_option_is_not_gone_on_with(capsys, tmp_path, monkeypatch, student, table, change):
    output, options = tmp_path / "out.csv", ["--resume"]
    begun(capsys, monkeypatch, student, table, output)
    if change == "table":
        table.write_bytes(table.read_bytes() + b"40,w1\n")
        expected = "it was begun with table.bytes"
    elif change == "option":
        options += ["--probabilities"]
        expected = "it was begun with probabilities False, and now that is True"
    else:
        student = write_student(tmp_path / "other", seed=1)
        expected = "it was begun with student "
    assert expected in refusal(capsys, main, *command(student, table, output, *options))
    assert (tmp_path / "out.csv.part" / "rows").exists()


@pytest.mark.parametrize("theirs", ["file", "folder", "link"])
def test_what_is_not_ours_is_never_deleted(capsys, tmp_path, student, table, theirs):
    part, elsewhere = tmp_path / "out.csv.part", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "journal.json").write_text("{}")
    if theirs == "file":
        part.write_text("mine")
    elif theirs == "folder":
        part.mkdir()
        (part / "journal.json").write_text("[]")
    else:
        part.symlink_to(elsewhere)
    for options in ([], ["--resume"], ["--overwrite"]):
        message = refusal(capsys, main, *command(student, table, tmp_path / "out.csv", *options))
        assert "expected nothing of that name or a table under way, found something else; rename it" in message
    assert part.exists()
    assert (elsewhere / "journal.json").exists()


@pytest.mark.parametrize("option", ["--resume", "--overwrite"])
@pytest.mark.parametrize("theirs", ["link", "file"])
def test_other_files_in_the_folder_of_what_is_done_are_left_alone(
    capsys, tmp_path, monkeypatch, student, table, theirs, option
):
    part, elsewhere = tmp_path / "out.csv.part", tmp_path / "elsewhere"
    begun(capsys, monkeypatch, student, table, tmp_path / "out.csv")
    if theirs == "link":
        (part / "rows").rename(elsewhere)
        (part / "rows").symlink_to(elsewhere)
    else:
        elsewhere = part / "notes.txt"
        elsewhere.write_text("mine")
    before = elsewhere.read_bytes()
    assert "move it elsewhere" in refusal(capsys, main, *command(student, table, tmp_path / "out.csv", option))
    assert elsewhere.read_bytes() == before


@pytest.mark.parametrize("changed", ["rows", "blocks"])
def test_what_is_done_and_was_changed_since_is_not_gone_on_with(capsys, tmp_path, monkeypatch, student, table, changed):
    output = tmp_path / "out.csv"
    begun(capsys, monkeypatch, student, table, output)
    rows, journal = tmp_path / "out.csv.part" / "rows", tmp_path / "out.csv.part" / "journal.json"
    if changed == "rows":
        content = bytearray(rows.read_bytes())
        content[-2] ^= 1  # of the third block
        rows.write_bytes(content)
    else:  # a block would come twice
        journal.write_text(journal.read_text().replace('"blocks": 3', '"blocks": 2'))
    assert "what is done is not what was written" in refusal(capsys, main, *command(student, table, output, "--resume"))
    assert call(capsys, main, *command(student, table, output, "--overwrite"))[0] == 0


def test_a_journal_of_an_older_version_is_gone_on_with(capsys, tmp_path, monkeypatch, student, table):
    output = tmp_path / "out.csv"
    begun(capsys, monkeypatch, student, table, output)
    journal = tmp_path / "out.csv.part" / "journal.json"
    found = json.loads(journal.read_text())
    del found["sha256"]
    journal.write_text(json.dumps(found))
    status, out, _ = call(capsys, main, *command(student, table, output, "--resume"))
    assert (status, out.splitlines()[0]) == (0, "going on after 21 rows")


@pytest.mark.parametrize("done", [[], None, {"blocks": -1}, {"rows": 10**18 * 100}, {"more": 1}])
def test_a_journal_that_cannot_be_is_none(capsys, tmp_path, monkeypatch, student, table, done):
    output = tmp_path / "out.csv"
    begun(capsys, monkeypatch, student, table, output)
    journal = tmp_path / "out.csv.part" / "journal.json"
    found = json.loads(journal.read_text())
    found["done"] = {**found["done"], **done} if isinstance(done, dict) else done
    journal.write_text(json.dumps(found))
    assert "found something else" in refusal(capsys, main, *command(student, table, output, "--resume"))


@pytest.mark.parametrize("form", [".csv", ".parquet"])
def test_what_a_kill_leaves_beside_a_finished_table_is_deleted(capsys, tmp_path, monkeypatch, student, table, form):
    output = tmp_path / f"out{form}"
    with monkeypatch.context() as patches:
        patches.setattr("distill_jax.labelling.part_folder._delete", lambda folder: None)
        assert call(capsys, main, *command(student, table, output))[0] == 0
    whole = output.read_bytes()
    assert [path.name for path in (tmp_path / f"out{form}.part").iterdir()] == ["journal.json"]
    assert "it is there already" in refusal(capsys, main, *command(student, table, output, "--resume"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", output.name]
    assert output.read_bytes() == whole


def test_a_table_that_another_process_has_put_there_meanwhile_stays(capsys, tmp_path, monkeypatch, student, table):
    output = tmp_path / "out.csv"

    def meanwhile(path):
        output.write_text("theirs")
        return load(path)

    load = label_table.load_student
    monkeypatch.setattr(label_table, "load_student", meanwhile)
    assert "it is there already" in refusal(capsys, main, *command(student, table, output))
    assert output.read_text() == "theirs"


def test_a_table_that_changes_while_it_is_read_is_never_whole(capsys, tmp_path, monkeypatch, student, table):
    label = Labeller.label

    def meanwhile(self, block):
        os.utime(table, ns=(1, 1))
        return label(self, block)

    monkeypatch.setattr(Labeller, "label", meanwhile)
    message = refusal(capsys, main, *command(student, table, tmp_path / "out.csv"))
    assert message == f"data file {table}: it was changed while it was being read; give the command again"
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


_SMALL = """
import sys
from distill_jax.labelling import inputs, part_folder
from distill_jax.predict import command
inputs.BLOCK_ROWS, part_folder.JOURNAL_SECONDS = 70, 0
if __name__ == "__main__":
    command()
"""


def start(tmp_path, *arguments, **options):
    """Start the command with small blocks, each of them put on record, as a process of its own group."""
    script = tmp_path / "command.py"
    script.write_text(_SMALL)
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


def wait_for(condition, process):
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("it did not come")


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def long_table(tmp_path, monkeypatch):
    monkeypatch.setattr("distill_jax.labelling.inputs.BLOCK_ROWS", 70)
    texts, _ = tiny_texts(300, 7)
    return write_table(tmp_path / "long.csv", [{"id": str(row), "body": texts[row % 300]} for row in range(30_000)])


@pytest.mark.parametrize("sent", ["kill", "interrupt"])
def test_several_processes_give_what_one_does_also_when_they_are_ended(capsys, tmp_path, student, long_table, sent):
    output = tmp_path / "out.csv"
    process = start(tmp_path, *command(student, long_table, output, "--workers", "2"))
    wait_for((tmp_path / "out.csv.part" / "rows").exists, process)
    wait_for(lambda: (tmp_path / "out.csv.part" / "rows").stat().st_size > 10_000, process)
    if sent == "kill":
        os.kill(process.pid, signal.SIGKILL)  # the parent alone
    else:
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    status, _, error = finish(process)
    assert status == (-signal.SIGKILL if sent == "kill" else 130)
    assert "Traceback" not in error
    if sent == "interrupt":
        assert error.startswith("interrupted after ")
    for _ in range(200):
        if is_gone(process.pid):
            break
        time.sleep(0.05)
    assert is_gone(process.pid), "workers outlive their parent"
    assert not output.exists()
    process = start(tmp_path, *command(student, long_table, output, "--workers", "2", "--resume"))
    status, out, error = finish(process)
    assert (status, out.startswith("going on after ")) == (0, True), (status, out, error)
    assert call(capsys, main, *command(student, long_table, tmp_path / "whole.csv", "--workers", "1"))[0] == 0
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_worker_that_dies_is_one_sentence_and_what_was_done_is_kept(tmp_path, student, long_table):
    output = tmp_path / "out.csv"
    process = start(tmp_path, *command(student, long_table, output, "--workers", "2"))
    wait_for((tmp_path / "out.csv.part" / "rows").exists, process)
    wait_for(lambda: (tmp_path / "out.csv.part" / "rows").stat().st_size > 10_000, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]
    os.kill(workers[0], signal.SIGKILL)
    status, _, error = finish(process)
    assert (status, error.count("\n")) == (2, 1), error
    assert error.startswith("error: one of 2 worker processes has ended before its work was done")
    assert (tmp_path / "out.csv.part" / "rows").exists()


def test_a_file_system_that_is_full_keeps_what_was_done(capsys, tmp_path, student, long_table):
    output = tmp_path / "out.csv"
    process = start(tmp_path, *command(student, long_table, output, "--workers", "1"))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
    status, _, error = finish(process)
    assert (status, error.count("\n")) == (2, 1), error
    assert not output.exists()
    process = start(tmp_path, *command(student, long_table, output, "--workers", "1", "--resume"))
    status, out, error = finish(process)
    assert (status, out.startswith("going on after ")) == (0, True), (status, out, error)
    assert call(capsys, main, *command(student, long_table, tmp_path / "whole.csv", "--workers", "1"))[0] == 0
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()
