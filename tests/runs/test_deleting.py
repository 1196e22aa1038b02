"""``--overwrite`` deletes what this program wrote and nothing else; a kill in the middle of it leaves nothing stuck."""

import json
import os
import shutil
from pathlib import Path

import pytest

from distill_jax.config import TrainConfig
from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.runs.folder import is_run
from distill_jax.runs.writer import delete_run, prepare_run, run_config
from distill_jax.students.registry import student_config


@pytest.fixture
def run(tiny_runs, tmp_path):
    """A finished run with checkpoints, and below it the run of a further seed."""
    folder = shutil.copytree(tiny_runs["fasttext"], tmp_path / "run")
    shutil.copytree(tiny_runs["fasttext"], folder / "seed-1")
    assert (folder / "checkpoints").is_dir()
    return folder


def _config(export):
    student = student_config("cnn", **read_manifest(export).sizes)
    return run_config(TrainConfig.notebook("cnn"), student, export, read_manifest(export), {})


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


_FOREIGN = {
    "config.json": b'{"train": {"lr": 0.1}, "model": "not ours"}',
    "history.csv": b"epoch,loss\n0,1\n",
    "tokenizer.json": b"{}",
    "checkpoints/mine/weights.bin": b"precious",
    "checkpoints/7/weights.bin": b"precious",
}


@pytest.mark.parametrize("config", [_FOREIGN["config.json"], b"broken {", b'{"train": {}, "program": "another 1.0"}'])
def test_another_program_s_folder_is_never_taken_for_a_run(tmp_path, tiny_export, config):
    for name, content in {**_FOREIGN, "config.json": config}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before = _files(tmp_path)
    with pytest.raises(InputError, match="expected an empty folder or a run, found other files; name another"):
        prepare_run(tmp_path, _config(tiny_export), resume=False, overwrite=True)
    assert _files(tmp_path) == before


def test_what_lies_among_a_run_s_files_stays(run, tmp_path):
    others = {
        "notes.txt": b"mine",
        "checkpoints/mine/weights.bin": b"mine",
        "seed-2/config.json": b'{"train": {}}',
        "seed-1/notes.txt": b"mine",
    }
    for name, content in others.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    delete_run(run)
    assert _files(run) == others


def test_links_are_not_followed_out_of_the_folder(run, tmp_path):
    outside = shutil.copytree(run, tmp_path / "outside")
    before = _files(outside)
    shutil.rmtree(run / "checkpoints")
    shutil.rmtree(run / "seed-1")
    (run / "checkpoints").symlink_to(outside / "checkpoints")
    (run / "seed-1").symlink_to(outside / "seed-1")
    (run / "weights.npz").unlink()
    (run / "weights.npz").symlink_to(outside / "weights.npz")
    delete_run(run)
    assert _files(outside) == before
    assert not (run / "checkpoints").exists()  # the link is gone: the next run would take what it names for its own
    assert not (run / "weights.npz").is_symlink()


class _Kill(BaseException):
    """The process ends here."""


def _killed_at(monkeypatch, operation):
    """Let the ``operation``th deletion of a file or folder be the one that is not made."""
    done = [0]

    def counted(real):
        def delete(*arguments, **options):
            done[0] += 1
            if done[0] == operation:
                raise _Kill
            return real(*arguments, **options)

        return delete

    for name in ("unlink", "rmdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))


def test_a_kill_at_any_deletion_leaves_a_folder_that_can_be_overwritten_and_gone_on_with(
    run, tmp_path, tiny_export, monkeypatch
):
    operation, killed, own = 0, True, json.loads((run / "config.json").read_text())
    while killed:
        operation += 1
        folder = shutil.copytree(run, tmp_path / str(operation))
        with monkeypatch.context() as patch:
            _killed_at(patch, operation)
            try:
                delete_run(folder)
                killed = False
            except _Kill:
                pass
        if killed:
            assert is_run(folder)
            assert prepare_run(folder, _config(tiny_export), resume=False, overwrite=True) == "overwrite"
            found = prepare_run(folder, own, resume=True, overwrite=False)
            assert found == ("resume" if operation > 1 else "done")
            for path in folder.glob("checkpoints/*"):  # half a one has no number
                assert not path.name.isdecimal() or _files(path) == _files(run / "checkpoints" / path.name)
            delete_run(folder)
        assert _files(folder) == {}
        shutil.rmtree(folder)
    assert operation > 20
    assert json.loads((run / "config.json").read_text())["program"].startswith("distill-jax ")
    assert Path(run).is_dir()
