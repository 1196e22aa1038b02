"""The study of the versions that are admitted: their bounds, the Pythons, what fails, and a step of the journey."""

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from command_lines import call, refusal
from distill_jax.errors import InputError
from scripts.versions import command_line
from scripts.versions.bounds import lower_bounds, pinned, requirements
from scripts.versions.command_line import cases
from scripts.versions.environment import Environment, FailedError, brings_cuda
from scripts.versions.interpreters import Interpreter, find_interpreters
from scripts.versions.study import FAILED, PASSED, RUNTIME, Outcome, pack, steps
from scripts.versions.wheel import ROOT

PYPROJECT = """
[project]
name = "our.package"
dependencies = [
    "Some_Package>=2.2.2,<4",
    "exact==1.5",
    "compatible~=3.1",
    "twice>=0.9",
    "twice>=0.10,<1; python_version >= '3.12'",
    "holes>=1.0,!=1.3",
]
[project.optional-dependencies]
teacher = ["Our_Package[train]", "torch>=2.6"]
train = ["jax>=0.10"]
test = ["pytest"]
"""


@pytest.mark.parametrize(("python", "twice"), [("3.11", "0.9"), ("3.12", "0.10")])
def test_the_oldest_versions_are_the_lower_bounds_of_a_python_s_requirements(python, twice):
    assert lower_bounds(requirements(PYPROJECT, "teacher"), python) == {
        "some-package": "2.2.2",
        "exact": "1.5",
        "compatible": "3.1",
        "twice": twice,
        "holes": "1.0",
        "jax": "0.10",
        "torch": "2.6",
    }


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("pytest", "pytest: expected a lower bound"),
        ("one<2", "expected a lower bound, such as one>=1.0"),
        ("one>=1.0,!=1.0", "its lower bound 1.0 is excluded"),
    ],
)
def test_a_requirement_without_an_oldest_version_is_refused(wanted, message):
    with pytest.raises(InputError, match=message):
        lower_bounds([wanted], "3.11")


def test_every_requirement_of_the_package_has_an_oldest_version():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for python in ("3.11", "3.12", "3.13"):
        assert {"jax", "flax", "torch"} < lower_bounds(requirements(pyproject, "teacher"), python).keys()


def test_the_pin_of_a_package_is_read(tmp_path):
    file = tmp_path / "constraints.txt"
    file.write_text("# pins\nother==1\n\ntorch==2.13.0\n")
    assert pinned(file, "torch") == "2.13.0"
    with pytest.raises(InputError, match="expected a line jax==VERSION, found none"):
        pinned(file, "jax")


def _program(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return path


def test_pythons_are_found_once_and_the_missing_ones_have_a_reason(tmp_path):
    broken = _program(tmp_path / "python3.99", "echo 'python3.99: not installed here' >&2", "exit 127")
    found, missing = find_interpreters([sys.executable, sys.executable, "python0.1", str(broken)])
    assert found == [Interpreter(Path(sys.executable), "{}.{}".format(*sys.version_info[:2]))]
    assert missing == {"python0.1": "there is no such program", str(broken): "python3.99: not installed here"}


def test_the_oldest_versions_go_with_the_oldest_python_and_the_newest_with_each():
    pythons = [Interpreter(Path(f"/python{version}"), version) for version in ("3.9", "3.13", "3.10")]
    found = [(case.end, case.python.version) for case in cases(pythons, ("oldest", "newest"), "1")]
    assert found == [("oldest", "3.9"), ("newest", "3.9"), ("newest", "3.10"), ("newest", "3.13")]
    assert {case.end for case in cases(pythons, ("newest",), "1")} == {"newest"}


@pytest.mark.parametrize(
    ("versions", "cuda"),
    [
        ({"torch": "2.13.0+cpu"}, False),
        ({"torch": "2.13.0", "nvidia-cublas": "13"}, True),
        ({"cuda-bindings": "13"}, True),
    ],
)
def test_a_torch_that_brings_cuda_is_told_by_what_comes_with_it(versions, cuda):
    assert brings_cuda(versions) == cuda


@pytest.fixture
def environment(tmp_path):
    """An environment whose folders are there, with a shell script for a Python."""
    made = Environment(tmp_path)
    for folder in (made.work, made.python.parent):
        folder.mkdir(parents=True)
    return made


def test_programs_run_in_the_empty_folder_and_see_nothing_of_the_caller_s(environment, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    _program(environment.python, "pwd", "env")
    said = environment.run("python").splitlines()
    assert said[0] == str(environment.work)
    found = dict(line.split("=", 1) for line in said[1:] if "=" in line)
    assert "PYTHONPATH" not in found
    assert found["PYTHONUSERBASE"] == found["HOME"] != os.environ.get("HOME")


def test_a_program_that_fails_is_told_with_the_end_of_what_it_said(environment):
    _program(environment.python, "seq 100", "echo why >&2", "exit 3")
    with pytest.raises(FailedError, match=r"(?s)python journey.py export: exit status 3\n.*\n100\nwhy$") as failure:
        environment.run("python", "journey.py", "export")
    assert "\n50\n" not in str(failure.value)


@pytest.mark.parametrize(("word", "status"), [(PASSED, 0), (FAILED, 1)])
def test_the_table_shows_every_step_and_a_failure_is_the_exit_status(capsys, monkeypatch, word, status):
    outcomes = {"install": Outcome(PASSED, "jax 1"), "export": Outcome(word, "why it is so")}
    monkeypatch.setattr(command_line, "build_wheel", lambda folder: folder / "a.whl")
    monkeypatch.setattr(command_line, "study", lambda *_: outcomes)
    found = call(capsys, command_line.main, "--python", sys.executable, "python0.1", "--ends", "newest")
    assert found[0] == status
    assert "skipped python0.1: there is no such program" in found[2]
    header, _, row, _, *notes = found[1].strip().splitlines()
    assert header.split() == ["environment", "install", "export", *steps(), RUNTIME]
    assert row.split()[-len(steps()) - 3 :] == [PASSED, word, *["–"] * (len(steps()) + 1)]
    assert [note.partition(", newest, ")[2] for note in notes] == ["install: jax 1", "export: why it is so"]


@pytest.fixture
def console_scripts(tmp_path):
    """A folder with the package's commands, as an installation has them."""
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, place in commands.items():
        module, function = place.split(":")
        call = shlex.quote(f"from {module} import {function}; {function}()")
        _program(folder / name, f'exec {shlex.quote(sys.executable)} -c {call} "$@"')
    return folder


def test_a_student_s_step_passes_here_too(tmp_path, console_scripts):
    pack(tmp_path)
    outside = {**os.environ, "PATH": os.pathsep.join([str(console_scripts), os.defpath])}
    for words in (("write_export",), steps()["fasttext"]):
        command = [sys.executable, "journey.py", *words]
        done = subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "tiny" / "fasttext" / "metrics.json").exists()


def test_no_python_at_all_is_refused(capsys):
    assert "found none" in refusal(capsys, command_line.main, "--python", "python0.1")
