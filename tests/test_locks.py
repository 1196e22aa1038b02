"""Two processes on one folder: the second is refused and deletes nothing of the first; a killed one holds nothing."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from command_lines import ROOT, finish, start
from distill_jax.cache import CACHE_VARIABLE
from distill_jax.errors import InputError
from distill_jax.locks import exclusive, lock_file, shared

HOLD = """
import sys
from pathlib import Path
from distill_jax.locks import exclusive
with exclusive(Path(sys.argv[1]), "folder"):
    print("held", flush=True)
    sys.stdin.read()
"""
CONTEND = """
import os, sys
from pathlib import Path
from distill_jax.errors import InputError
from distill_jax.locks import exclusive
folder, entered = Path(sys.argv[1]), 0
while entered < 60:
    try:
        with exclusive(folder, "folder"):
            os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))  # raises where another is inside
            os.unlink(folder / "inside")
            entered += 1
    except InputError:
        pass
"""


@pytest.fixture
def hold():
    """A function that starts a process which holds a folder; what still runs at the end is killed."""
    processes = []

    def begin(folder):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], **pipes)
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_the_second_process_is_told_who_holds_the_folder_whatever_name_it_gives(tmp_path, hold):
    folder = tmp_path / "deep/run"
    holder = hold(folder)
    (tmp_path / "link").symlink_to(tmp_path / "deep")
    for name in (folder, tmp_path / "link/run"):
        with (
            pytest.raises(
                InputError, match=f"run folder {name}: another process is writing it .process {holder.pid} on"
            ),
            exclusive(name, "run folder"),
        ):
            pytest.fail("it was let in")
    holder.communicate("")
    with exclusive(folder, "run folder"):
        pass
    assert list(folder.parent.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path, hold):
    holder = hold(tmp_path / "run")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with exclusive(tmp_path / "run", "run folder"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_there_are_never_two_inside(tmp_path):
    contenders = [
        subprocess.Popen([sys.executable, "-c", CONTEND, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for contender in contenders:
        _, error = contender.communicate(timeout=120)
        assert contender.returncode == 0, error


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_and_no_hindrance(tmp_path, monkeypatch, capsys, code):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with exclusive(tmp_path / "run", "run folder"):
        entered = True
    assert entered
    assert f"warning: run folder {tmp_path / 'run'}: no lock could be taken ({os.strerror(code)})" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("option", ["--resume", "--overwrite"])
def test_a_training_is_not_disturbed_by_another_on_its_folder(tmp_path, tiny_export, test_cache, hold, option):
    folder = tmp_path / "run"
    folder.mkdir()
    half = folder / ".config.json.1-00ff00ff.tmp"
    half.write_text("{")
    hold(folder)
    words = ("--export", tiny_export, "--workdir", folder, "--recipe", "notebook", option)
    environment = {**os.environ, CACHE_VARIABLE: str(test_cache)}
    for seeds in ("1", "2"):
        status, _, error = finish(start("distill_jax.train", *words, "--seeds", seeds, env=environment, cwd=ROOT))
        assert (status, "Traceback" in error) == (2, False)
        assert f"error: run folder {folder}: another process is writing it" in error
    assert [path.name for path in folder.iterdir()] == [half.name]


def test_an_export_is_not_disturbed_by_another_on_its_folder_or_its_teacher_s(tmp_path, monkeypatch, hold):
    pytest.importorskip("torch")
    from export_helpers import configure_finetuned, use_small_data
    from teacher_export import export
    from tiny_teacher import make_teacher

    use_small_data(monkeypatch)
    make_teacher(tmp_path / "bare", head=False)
    config = configure_finetuned(tmp_path / "bare", tmp_path / "out")
    (tmp_path / "out").mkdir()
    half = [tmp_path / "out/.tokenizer.json.1-00ff00ff.tmp", tmp_path / ".out-teacher.1-00ff00ff.tmp"]
    for path in half:
        path.write_text("half")
    for folder, what in ((config.export_folder, "output folder"), (config.finetuned_folder, "fine-tuned teacher's")):
        holder = hold(folder)
        with pytest.raises(InputError, match=f"{what}.*: another process is writing it .process {holder.pid} on"):
            export.run(config)
        assert half[1].exists()
        assert half[0].exists() or folder == config.finetuned_folder
        holder.communicate("")


def test_a_folder_that_is_held_under_another_name_is_held(tmp_path):
    """As another mount shows it: what lies beside it there is another lock."""
    import fcntl

    folder = tmp_path / "run"
    folder.mkdir()
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(InputError, match="another process is writing it"), exclusive(folder, "run folder"):
            pass
        assert not lock_file(folder).exists()
    finally:
        os.close(held)
    with exclusive(folder, "run folder"):
        pass


def test_the_root_of_all_folders_is_refused():
    with (
        pytest.raises(InputError, match="expected a name that can be written, got the root"),
        exclusive("/", "run folder"),
    ):
        pass


@pytest.mark.parametrize("kind", ["link", "dangling link", "file", "JSON", "hard link", "folder", "pipe"])
def test_what_is_no_lock_of_ours_is_neither_written_nor_deleted(tmp_path, kind):
    mine, lock = tmp_path / "mine", lock_file(tmp_path / "folder")
    mine.write_text('{"some": 1}' if kind == "JSON" else "precious")
    if "link" in kind:
        mine = mine if kind != "dangling link" else tmp_path / "none"
        (lock.hardlink_to if kind == "hard link" else lock.symlink_to)(mine)
    elif kind == "folder":
        lock.mkdir()
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        mine = mine.rename(lock)
    before = mine.read_text() if mine.is_file() else None
    with pytest.raises(InputError, match="expected nothing of that name or a lock of this program, found"):
        exclusive(tmp_path / "folder", "folder").__enter__()
    assert os.path.lexists(lock)
    assert mine.is_file() == (before is not None)
    assert before is None or mine.read_text() == before


@pytest.mark.parametrize("content", ["", "\0\0\0", '{"proc', '{"process": 1, "host": "a", "since": "b"}'])
def test_what_a_killed_process_leaves_of_a_lock_is_no_hindrance(tmp_path, content):
    lock_file(tmp_path / "folder").write_text(content)
    with exclusive(tmp_path / "folder", "folder"):
        pass
    assert not lock_file(tmp_path / "folder").exists()


def test_a_link_for_a_seed_s_lock_is_left_alone(tmp_path, tiny_export, test_cache):
    mine, run = tmp_path / "mine", tmp_path / "run"
    mine.write_text("precious")
    run.mkdir()
    (run / ".seed-1.lock").symlink_to(mine)
    words = ("--student", "fasttext", "--epochs", 1, "--export", tiny_export, "--workdir", run)
    status, _, error = finish(
        start("distill_jax.train", *words, env={**os.environ, CACHE_VARIABLE: str(test_cache)}, cwd=ROOT)
    )
    assert (status, error.count("Traceback")) == (0, 0), error
    assert mine.read_text() == "precious"


SHARE = """
import os, sys
from pathlib import Path
from distill_jax.locks import claim, shared
folder, places = Path(sys.argv[1]), int(sys.argv[2])
written = 0
with shared(folder, "folder"):
    for place in range(places):
        path = folder / f"{place}"
        with claim(path) as mine:
            if mine and not path.exists():
                os.close(os.open(folder / f"inside-{place}", os.O_CREAT | os.O_EXCL))  # raises where another is inside
                path.write_text("once")
                os.unlink(folder / f"inside-{place}")
                written += 1
print(written)
"""


def test_those_who_share_a_folder_divide_its_files_and_keep_others_off(tmp_path):
    folder, places = tmp_path / "shared", 200
    folder.mkdir()
    with shared(folder, "folder"), shared(folder, "folder"):
        with pytest.raises(InputError, match="another process is writing it"), exclusive(folder, "folder"):
            pytest.fail("it was let in")
        script = [sys.executable, "-c", SHARE, str(folder), str(places)]
        sharers = [subprocess.Popen(script, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        written = [int(sharer.communicate(timeout=120)[0]) for sharer in sharers]
    assert [sharer.returncode for sharer in sharers] == [0, 0, 0]
    assert sum(written) == places
    with exclusive(folder, "folder"), pytest.raises(InputError, match="another process"), shared(folder, "folder"):
        pytest.fail("it was let in")
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]
    assert {path.name for path in folder.iterdir()} == {str(place) for place in range(places)}
