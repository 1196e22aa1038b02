"""A stopped export goes on and ends with the same bytes."""

import errno
import json
import multiprocessing
import os
import shutil
import signal

import pytest

from distill_jax.errors import Interrupted
from distill_jax.export.writer import ExportWriter
from distill_jax.files import temporary_beside
from distill_jax.locks import exclusive, lock_file
from export_helpers import (
    HEAVY,
    ROWS,
    configure,
    configure_finetuned,
    contents,
    count_predictions,
)
from teacher_export import export
from teacher_export.data import dataset as datasets
from tiny_teacher import make_dataset

pytestmark = pytest.mark.usefixtures("small_data")


def test_ctrl_c_keeps_the_whole_parts(headed, tmp_path, monkeypatch):
    from teacher_export.teacher import logits as predict

    export.run(configure(headed, tmp_path / "whole"))
    plain = predict.predict_logits

    def interrupted(*arguments, **options):
        if options["where"] == "split train, part 2, ":
            raise KeyboardInterrupt
        return plain(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(predict, "predict_logits", interrupted)
        with pytest.raises(Interrupted, match=r"the whole parts are kept in .*out; the same command goes on"):
            export.run(configure(headed, tmp_path / "out"))
    calls = count_predictions(monkeypatch)
    export.run(configure(headed, tmp_path / "out"))
    assert "split train, part 1, " not in calls
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("calls", [2, 9])
def test_a_full_disk_leaves_whole_files_only_and_can_be_gone_on_from(headed, tmp_path, monkeypatch, calls):
    export.run(configure(headed, tmp_path / "whole"))
    plain, done = os.fsync, []

    def full(descriptor):
        done.append(descriptor)
        if len(done) > calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            export.run(configure(headed, tmp_path / "out"))
    whole = contents(tmp_path / "whole")
    for name, data in contents(tmp_path / "out").items():
        assert name.endswith(".json") or data == whole[name]
    export.run(configure(headed, tmp_path / "out"))
    assert contents(tmp_path / "out") == whole


def test_what_a_kill_leaves_beside_what_is_finished_goes_with_the_next_command(bare, tmp_path):
    config = configure_finetuned(bare, tmp_path / "out")
    export.run(config)
    whole, teacher = contents(tmp_path / "out"), tmp_path / "out-teacher"
    before = sorted(path.name for path in tmp_path.iterdir())

    def leave():
        for path in (lock_file(tmp_path / "out"), lock_file(teacher), tmp_path / "out-teacher.resume.pt"):
            path.write_bytes(b'{"process": 1')
        temporary_beside(teacher).mkdir()

    leave()
    shutil.rmtree(tmp_path / "out")
    export.run(config)  # the teacher is finished
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    leave()
    with exclusive(teacher, "folder"):  # by another, who is alive
        shutil.rmtree(tmp_path / "out")
        export.run(config)
        assert (tmp_path / "out-teacher.resume.pt").exists()
    lock_file(tmp_path / "out").write_bytes(b'{"process": 1')
    export.run(config)  # everything is finished
    assert not lock_file(tmp_path / "out").exists()
    assert contents(tmp_path / "out") == whole


@pytest.mark.parametrize("part", ["split train, part 0, ", "split test, part 1, "])
def test_a_kill_after_any_part_leaves_the_timing_of_what_is_done(headed, tmp_path, monkeypatch, part):
    plain = ExportWriter.write

    class Kill(BaseException):
        """The process ends here."""

    def killed(writer, split, index, rows):
        plain(writer, split, index, rows)
        if f"split {split}, part {index}, " == part:
            raise Kill

    config = configure(headed, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(ExportWriter, "write", killed)
        with pytest.raises(Kill):
            export.run(config)
    timing = json.loads((tmp_path / "out" / "timing.json").read_text())
    assert timing["splits"].keys() == ({"train"} if "train" in part else {"train", "test"})
    export.run(config)
    assert (tmp_path / "out" / "timing.json").is_file()


def _run_and_die(config, fsyncs):
    """In a new process: export, and kill this process in its ``fsyncs``-th fsync, when a file is only half there."""
    datasets.load_dataset = lambda config, folder=None: make_dataset(ROWS, config.seed)
    plain, done = os.fsync, []

    def deadly(descriptor):
        done.append(descriptor)
        if len(done) == fsyncs:
            os.kill(os.getpid(), signal.SIGKILL)
        plain(descriptor)

    os.fsync = deadly
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    export.run(config)


def test_an_export_killed_again_and_again_ends_with_the_same_bytes(bare, tmp_path):
    export.run(configure_finetuned(bare, tmp_path / "whole"))
    config = configure_finetuned(bare, tmp_path / "out")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)  # imported once, then every process is a fork
    deaths = 0
    for fsyncs in [1, 5, 2, 12, 6, 11, 16, 1000]:
        process = context.Process(target=_run_and_die, args=(config, fsyncs))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        deaths += 1
    assert process.exitcode == 0
    assert deaths == 7
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    tuned = [(tmp_path / f"{name}-teacher/model.safetensors").read_bytes() for name in ("out", "whole")]
    assert tuned[0] == tuned[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out-teacher", "whole", "whole-teacher"]
