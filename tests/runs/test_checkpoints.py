import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import tensorstore
from orbax.checkpoint import v1 as ocp

from distill_jax.console import stop_on_signal
from distill_jax.errors import InputError
from distill_jax.runs.checkpoints import (
    KEPT,
    UNFINISHED,
    Snapshot,
    delete_checkpoints,
    has_checkpoint,
    load_params,
    load_snapshot,
    save_checkpoint,
)


def _snapshot(seed, *, step=3, opt_leaves=2):
    rng = np.random.default_rng(seed)
    return Snapshot(
        params={"embedding": rng.normal(size=(5, 2)).astype(np.float32), "fc": {"bias": np.zeros(3, np.float32)}},
        opt_state=[np.array(7, np.int32), *(rng.normal(size=4).astype(np.float32) for _ in range(opt_leaves))][
            : opt_leaves + 1
        ]
        if opt_leaves
        else [],
        epoch=seed,
        step=step,
        losses=rng.normal(size=step).astype(np.float32),
        predictions=rng.integers(0, 3, 4 * step).astype(np.int32),
        history=rng.normal(size=(seed, 7)),
        seconds=0.1 + seed,
    )


def _assert_same(found, expected):
    for field in dataclasses.fields(Snapshot):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        jax.tree.map(np.testing.assert_array_equal, one, other)
        assert jax.tree.map(lambda leaf: np.asarray(leaf).dtype, one) == jax.tree.map(
            lambda leaf: np.asarray(leaf).dtype, other
        )


@pytest.mark.parametrize("options", [{}, {"step": 0}, {"opt_leaves": 0}, {"step": 0, "opt_leaves": 12}])
def test_a_snapshot_comes_back_bit_for_bit(tmp_path, options):
    snapshot = _snapshot(2, **options)
    save_checkpoint(tmp_path / "checkpoints", snapshot)
    found = load_snapshot(tmp_path / "checkpoints")
    _assert_same(found, snapshot)
    assert len(found.opt_state) == len(snapshot.opt_state)
    jax.tree.map(np.testing.assert_array_equal, load_params(tmp_path / "checkpoints"), snapshot.params)


def test_the_latest_is_loaded_and_few_are_kept(tmp_path):
    for epoch in range(12):
        save_checkpoint(tmp_path, _snapshot(epoch))
        assert load_snapshot(tmp_path).epoch == epoch
        assert len(list(tmp_path.iterdir())) == min(epoch + 1, KEPT)


def test_only_a_folder_of_a_plain_number_is_a_checkpoint(tmp_path):
    for epoch in range(2):
        save_checkpoint(tmp_path, _snapshot(epoch))
    (tmp_path / "3").symlink_to(tmp_path / "purged")
    (tmp_path / "4").write_text("mine")
    shutil.copytree(tmp_path / "1", tmp_path / "007")
    _assert_same(load_snapshot(tmp_path), _snapshot(1))
    delete_checkpoints(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"3", "4", "007"}
    with pytest.raises(InputError, match="expected a checkpoint, found none"):
        load_snapshot(tmp_path)


def test_nothing_is_written_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    (outside / f"9{UNFINISHED}").mkdir(parents=True)
    (tmp_path / "checkpoints").symlink_to(outside)
    with pytest.raises(InputError, match="expected checkpoints to be its own, found a link to"):
        save_checkpoint(tmp_path / "checkpoints", _snapshot(1))
    assert [path.name for path in outside.iterdir()] == [f"9{UNFINISHED}"]


def test_the_last_one_saved_is_the_latest_whatever_numbers_another_version_gave(tmp_path):
    """Version 0.1 counted steps, on rows that are no longer trained on: 5600 where there are fewer today."""
    save_checkpoint(tmp_path, _snapshot(1))
    (tmp_path / "1").rename(tmp_path / "5600")
    save_checkpoint(tmp_path, _snapshot(2))
    _assert_same(load_snapshot(tmp_path), _snapshot(2))
    assert (tmp_path / "5600").is_dir()  # the one before it
    save_checkpoint(tmp_path, _snapshot(1))  # nor by where the training stood
    _assert_same(load_snapshot(tmp_path), _snapshot(1))


def test_a_relative_folder_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(Path("run/checkpoints"), _snapshot(1))
    assert load_snapshot(Path("run/checkpoints")).epoch == 1


def test_no_checkpoint_is_said(tmp_path):
    assert not has_checkpoint(tmp_path / "none")
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="expected a checkpoint, found none; train again with --overwrite"):
            load_params(folder)
    save_checkpoint(tmp_path, _snapshot(1))
    assert has_checkpoint(tmp_path)


def test_what_a_kill_left_half_written_is_no_checkpoint(tmp_path):
    save_checkpoint(tmp_path, _snapshot(1))
    (tmp_path / "2.orbax-checkpoint-tmp-17").mkdir()
    assert load_snapshot(tmp_path).epoch == 1
    assert (tmp_path / "2.orbax-checkpoint-tmp-17").exists()  # reading disturbs no training that is still writing it
    save_checkpoint(tmp_path, _snapshot(2))
    assert load_snapshot(tmp_path).epoch == 2


def test_a_damaged_checkpoint_is_said(tmp_path):
    save_checkpoint(tmp_path, _snapshot(1))
    shutil.rmtree(tmp_path / "1" / "params")
    with pytest.raises(InputError, match=r"the latest one cannot be read .*; train again"):
        load_params(tmp_path)


class _Kill(BaseException):
    """The process ends here."""


def test_a_kill_while_an_old_one_is_deleted_leaves_no_half_one_with_a_number(tmp_path, monkeypatch):
    for epoch in range(KEPT):
        save_checkpoint(tmp_path, _snapshot(epoch))

    def files(folder):
        return sorted(path.name for path in folder.rglob("*"))

    whole = {path.name: files(path) for path in tmp_path.iterdir()}
    real, done = os.unlink, []

    def unlink(*arguments, **options):
        if len(done) == 2:
            raise _Kill
        done.append(arguments)
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        with pytest.raises(_Kill):
            save_checkpoint(tmp_path, _snapshot(KEPT))
    found = {path.name: files(path) for path in tmp_path.iterdir() if path.name.isdecimal()}
    assert str(KEPT + 1) in found
    assert all(whole.get(name, found[name]) == found[name] for name in found)
    delete_checkpoints(tmp_path, keep=KEPT)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(found)
    _assert_same(load_snapshot(tmp_path), _snapshot(KEPT))


def test_the_numbers_of_a_list_of_layers_stay_numbers_in_their_order(tmp_path):
    layers = {number: {"kernel": np.full(1, number, np.float32)} for number in range(12)}
    history, losses, none = np.zeros((1, 7)), np.zeros(0, np.float32), np.zeros(0, np.int32)
    snapshot = Snapshot({"layers": layers}, [], 1, 0, losses, none, history, 0.0, {"layers": layers})
    save_checkpoint(tmp_path, snapshot)
    found = load_snapshot(tmp_path)
    for params in (load_params(tmp_path), found.params, found.best):
        assert [float(leaf[0]) for leaf in jax.tree.leaves(params)] == list(range(12))


def test_a_second_signal_waits_for_the_end_of_a_checkpoint_s_write(tmp_path, monkeypatch):
    write = ocp.training.Checkpointer.save_checkpointables

    def interrupted(checkpointer, *arguments, **options):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        return write(checkpointer, *arguments, **options)

    monkeypatch.setattr(ocp.training.Checkpointer, "save_checkpointables", interrupted)
    with stop_on_signal() as should_stop, pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, _snapshot(0))
    assert should_stop()
    _assert_same(load_snapshot(tmp_path), _snapshot(0))


@pytest.fixture
def interruptible():
    """SIGINT interrupts, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_while_a_checkpoint_is_read_is_no_damage(tmp_path, monkeypatch, interruptible):
    save_checkpoint(tmp_path, _snapshot(0))
    read, ended = ocp.load_checkpointables, []

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        ended.append(read(*arguments))
        return ended[-1]

    monkeypatch.setattr(ocp, "load_checkpointables", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_snapshot(tmp_path)
    assert ended


def test_a_disk_without_room_for_a_checkpoint_is_known_before_one_is_begun(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, _snapshot(1))
    usage = shutil.disk_usage(tmp_path)._replace(free=300_000)  # the arrays have some hundred bytes, files take more
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="No space left") as error:
        save_checkpoint(tmp_path, _snapshot(2))
    assert error.value.errno == errno.ENOSPC
    assert load_snapshot(tmp_path).epoch == 1


# Another program fills the disk while a checkpoint is written: Orbax is told that there is room, and there is none.
_ON_A_FULL_DISK = """
import os, shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_checkpoints import _snapshot, has_checkpoint, save_checkpoint
usage = shutil.disk_usage("/")
shutil.disk_usage = lambda _: usage._replace(free=10**9)
try:
    save_checkpoint(Path("full/checkpoints"), _snapshot(1, opt_leaves=400))
except OSError as error:
    print(error.strerror, has_checkpoint(Path("full/checkpoints")), flush=True)
os._exit(0)
"""


def test_a_disk_that_fills_up_while_a_checkpoint_is_written_is_one_error_and_no_page_of_others(tmp_path):
    own_mounts = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64k tmpfs full && exec "$0" "$@"']
    (tmp_path / "full").mkdir()
    can = shutil.which("unshare") and subprocess.run(
        [*own_mounts, "true"], cwd=tmp_path, capture_output=True, check=False
    )
    if not can or can.returncode:
        pytest.skip("a small disk of its own takes Linux, and the right to mount one")
    words = [sys.executable, "-c", _ON_A_FULL_DISK, str(Path(__file__).parent)]
    done = subprocess.run([*own_mounts, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "No space left on device False\n"
    assert done.stderr == ""


@pytest.mark.skipif(not shutil.which("prlimit"), reason="prlimit sets the limit of a process")
def test_a_limit_of_a_file_s_size_is_one_error_too(tmp_path):
    (tmp_path / "full").mkdir()
    words = ["prlimit", "--fsize=5000", sys.executable, "-B", "-c", _ON_A_FULL_DISK, str(Path(__file__).parent)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("File too large False\n", "")


def test_a_checkpoint_that_declares_huge_arrays_is_refused_before_memory_is_taken_for_them(tmp_path):
    save_checkpoint(tmp_path, _snapshot(1))
    base = {"driver": "file", "path": f"{tmp_path / '1' / 'params'}/"}
    files = tensorstore.KvStore.open({"driver": "ocdbt", "base": base}).result()
    declared = json.loads(files.read(b"embedding/zarr.json").result().value)
    files.write(b"embedding/zarr.json", json.dumps({**declared, "shape": [10**12, 2]}).encode()).result()
    with pytest.raises(InputError, match=r"its arrays are to have 8,000,000,000,\d+ bytes, and its files have"):
        load_params(tmp_path)


def test_a_checkpoint_that_is_deleted_while_it_is_read_gives_way_to_the_next(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, _snapshot(1))
    read = ocp.checkpointables_metadata

    def deleted(path):
        monkeypatch.undo()
        for number in range(2, 2 + KEPT):
            save_checkpoint(tmp_path, _snapshot(number))
        return read(path)

    monkeypatch.setattr(ocp, "checkpointables_metadata", deleted)
    _assert_same(load_snapshot(tmp_path), _snapshot(1 + KEPT))


_READ = """
import os, sys
from pathlib import Path
from distill_jax.runs.checkpoints import load_params
try:
    load_params(Path(sys.argv[1]))
except ValueError:
    print("refused", flush=True)
os._exit(0)
"""


def test_a_damaged_checkpoint_is_refused_without_a_page_of_each_array_s(tmp_path):
    save_checkpoint(tmp_path, _snapshot(1))
    for manifest in (tmp_path / "1" / "params").rglob("manifest.ocdbt"):
        content = bytearray(manifest.read_bytes())
        content[len(content) // 2] ^= 1
        manifest.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", _READ, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_arrays_of_another_checkpoint_are_refused(tmp_path):
    for name, epoch in (("one", 1), ("two", 2)):
        save_checkpoint(tmp_path / name, _snapshot(epoch))
    place = tmp_path / "one/1"
    for name in ("params", "state"):
        shutil.move(place / name, tmp_path / f"kept-{name}")
        shutil.copytree(tmp_path / "two/1" / name, place / name)
        with pytest.raises(InputError, match=f"damaged, for its {name} are not those that were saved"):
            load_snapshot(tmp_path / "one")
        shutil.rmtree(place / name)
        shutil.move(tmp_path / f"kept-{name}", place / name)
    _assert_same(load_snapshot(tmp_path / "one"), _snapshot(1))
