"""Several devices, or several processes, train the student that one trains."""

import os
import socket

import numpy as np
import pytest

from command_lines import ROOT, finish, python, refusal, start
from distill_jax.train import main
from tiny_export import write_tiny_export
from tolerances import SIX_DECIMALS

OPTIONS = ("--distil", "--recipe", "notebook", "--batch-size", "8", "--embedding-dim", "8", "--shuffle")
CNN = ("--student", "cnn", "--filters", "4", *OPTIONS)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return write_tiny_export(tmp_path_factory.mktemp("export") / "e", 60, 40, 80, hint_width=4)


_TWO_DEVICES = """
import dataclasses, sys
from pathlib import Path
import jax, numpy as np
from distill_jax.config import TrainConfig
from distill_jax.data.exports import Export
from distill_jax.students.student import build_student
from distill_jax.training.fit import fit

assert len(jax.devices()) == 2
export = Export.open(sys.argv[1])
for name, own, weight in (("cnn", {"filters": 4}, 0), ("bilstm", {"hidden": 6}, 0), ("bilstm", {"hidden": 6}, 0.5)):
    student = build_student(name, **export.manifest.sizes, embedding_dim=8, **own)
    found = []
    for devices in (1, 2):
        config = TrainConfig.notebook(name, epochs=2, batch_size=8, distil=True, shuffle=True, devices=devices)
        config = dataclasses.replace(config, hint_weight=weight)
        found.append(fit(student, student.init(0), train=export.train, test=export.test, config=config).params)
    moved = [np.abs(one - start).max() for one, start in zip(*map(jax.tree.leaves, (found[0], student.init(0))))]
    apart = [np.abs(one - two).max() for one, two in zip(*map(jax.tree.leaves, found))]
    print(max(moved), max(apart))
"""


def test_two_devices_of_one_machine_train_the_student_of_one(export, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for line in python(_TWO_DEVICES, export).splitlines():
        moved, apart = map(float, line.split())
        assert moved > 1e-3
        assert apart < SIX_DECIMALS * 2


def test_two_processes_train_the_student_of_one_and_go_on(export, tmp_path):
    def together(*options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            where = f"127.0.0.1:{free.getsockname()[1]}"
        words = (*CNN, "--export", export, "--workdir", tmp_path / "two", "--devices", "2", *options)
        joined = ("--coordinator", where, "--processes", "2", "--process")
        environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}
        both = [start("distill_jax.train", *words, *joined, str(index), env=environment) for index in (0, 1)]
        return [finish(process) for process in both]

    for options in (("--epochs", "1"), ("--epochs", "2", "--resume")):
        (status, said, error), (other_status, other_said, other_error) = together(*options)
        assert (status, other_status) == (0, 0), error + other_error
        assert all(line.startswith("[Gloo]") for line in other_said.splitlines())  # what the network's library says
        assert "written to" in said
    assert sorted(path.name for path in (tmp_path / "two" / "checkpoints").iterdir()) == ["1", "2"]
    alone = start(
        "distill_jax.train",
        *CNN,
        "--export",
        export,
        "--workdir",
        tmp_path / "one",
        "--epochs",
        "2",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert finish(alone)[0] == 0
    with np.load(tmp_path / "one" / "weights.npz") as one, np.load(tmp_path / "two" / "weights.npz") as two:
        assert max(np.abs(one[name] - two[name]).max() for name in one) < SIX_DECIMALS * 2
    (status, said, _), (other_status, _, _) = together("--epochs", "2")
    assert (status, other_status) == (0, 0)
    assert "holds this run already, finished" in said
    (status, _, error), (other_status, _, other_error) = together("--epochs", "3")
    assert (status, other_status) == (2, 2)
    assert "--resume" in error
    assert "process 0 does not train; what it says, says why" in other_error


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((*CNN, "--devices", "3"), "expected a number that divides --batch-size 8"),
        ((*CNN, "--devices", "8"), "expected at most "),
        (
            ("--student", "fasttext", *OPTIONS, "--devices", "2"),
            "--devices 2 does not go with --student fasttext --optimizer sgd",
        ),
        ((*CNN, "--coordinator", "127.0.0.1:1", "--processes", "2"), "expected --processes N and --process I"),
        *(
            ((*CNN, "--coordinator", where, "--processes", "1", "--process", "0"), "expected HOST:PORT, such as")
            for where in ("host", "host:", ":7611", "host:port", "a:b:c", "http://host:7611", "host:99999", "host:0")
        ),
        ((*CNN, "--memory", "0GB"), "expected a number above 0 and MB, GB or TB"),
        ((*CNN, "--processes", "2", "--seeds", "2"), "--seeds goes with one process"),
        ((*CNN, "--process", "1"), "--process 1: expected --processes N beside it"),
    ],
)
def test_what_cannot_be_divided_is_refused(capsys, tmp_path, export, options, sentence):
    assert sentence in refusal(capsys, main, *options, "--export", export, "--workdir", tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()
