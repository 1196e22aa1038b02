"""Hostile inputs for every loader; and that the trials find a loader that ends as none may."""

import json
import os
import random

import pytest

from command_lines import ROOT, finish, python, start
from scripts.fuzz.loaders.registry import all_loaders
from scripts.fuzz.mutations.raw import change_bytes
from scripts.fuzz.mutations.registry import mutate
from tiny_export import write_tiny_export

# Without the variable, a slice of seconds is run.
MINUTES = os.environ.get("DISTILL_JAX_FUZZ_MINUTES")
QUICK = (
    "export-signed",
    "run-linear-signed",
    "tokenizer-wordpiece",
    "labelled-csv",
    "labelled-parquet",
    "vectors",
    "texts",
)

_FAULTY = """
import json, os, sys, time
from pathlib import Path
import numpy as np
from distill_jax.errors import InputError
from scripts.fuzz import campaign
from scripts.fuzz.loaders.loader import Loader, WrongAnswerError

def read(kind):
    def body(path, draw):
        match kind:
            case "fine": pass
            case "sentence": raise InputError("file x: expected a number, got none")
            case "error": {}["key"]
            case "panic": raise BaseException("a panic")
            case "empty": raise InputError(" ")
            case "exit": sys.exit(1)
            case "writes": path.with_name("beside").write_text("x")
            case "abort": os.abort()
            case "hangs": time.sleep(60)
            case "memory": np.ones(1_200_000_000, np.uint8).sum()
            case "wrong": raise WrongAnswerError("a number that is not finite")
    return body

place = Path(sys.argv[1])
(place / "inputs").mkdir()
(place / "inputs/a.bin").write_bytes(bytes(range(200)))
kinds = "fine sentence error panic empty exit writes abort hangs memory wrong".split()
loaders = [Loader(kind, "a.bin", read(kind)) for kind in kinds]
campaign._HANG = 20  # a busy machine takes seconds to hand out a gigabyte
told = campaign.Campaign(loaders, 60, len(kinds), 5, 2, place / "inputs", place / "work", place / "kept")
found = campaign.conduct(told, lambda line: None)
print(json.dumps({fault.loader: fault.cause for fault in found.faults}))
"""


def test_every_way_to_end_that_is_none_is_found(tmp_path):
    causes = json.loads(python(_FAULTY, tmp_path).splitlines()[-1])
    assert {name: cause.split(" (")[0] for name, cause in causes.items()} == {
        "error": "KeyError",
        "panic": "BaseException",
        "empty": "no sentence",
        "exit": "exit status",
        "writes": "a reader writes",
        "abort": "the process died",
        "hangs": "no answer in 20 s",
        "memory": "memory",
        "wrong": "WrongAnswerError",
    }
    assert (tmp_path / "kept" / "abort-0" / "a.bin").is_file()


def test_a_number_decides_what_an_input_is(tmp_path):
    changed = []
    for seed in (1, 1, 2):
        folder = write_tiny_export(tmp_path / f"export-{len(changed)}")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        draw = random.Random(seed)
        words = [mutate(file, draw, files) for file in files for _ in range(4)]
        changed.append((words, [path.read_bytes() for path in files]))
    assert changed[0] == changed[1] != changed[2]


def test_bytes_are_changed_in_every_way(tmp_path):
    path, draw, content = tmp_path / "file", random.Random(0), bytes(range(256))
    kinds = set()
    for _ in range(300):
        path.write_bytes(content)
        kinds.add(change_bytes(path, draw, [path]).split()[1])
    assert kinds == {"flip", "set", "cut", "end", "repeat", "insert", "replace", "splice", "zero", "empty"}


@pytest.mark.timeout(240 if MINUTES is None else 400 + 120 * float(MINUTES))
def test_no_loader_has_a_fault(tmp_path):
    """All of them with ``DISTILL_JAX_FUZZ_MINUTES``; two hundred inputs of a few in an ordinary run."""
    words = (
        ["--minutes", MINUTES] if MINUTES else ["--minutes", "1", "--inputs", 200, "--workers", "1", "--only", *QUICK]
    )
    words += ["--keep", tmp_path / "kept", "--output", tmp_path / "figures.json"]
    status, output, error = finish(start("scripts.fuzz", *words, cwd=ROOT), 230 if MINUTES is None else 1e4)
    assert status == 0, output + error
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["faults"] == []
    assert figures["inputs"] >= 200
    assert all(counts.get("refused", 0) + counts.get("accepted", 0) for counts in figures["loaders"].values())
    assert sum(counts.get("accepted", 0) for counts in figures["loaders"].values()) > 10
    assert not (tmp_path / "kept").exists()


def test_names_are_those_of_loaders():
    assert set(QUICK) <= {loader.name for loader in all_loaders()}
    status, _, error = finish(start("scripts.fuzz", "--only", "expert", cwd=ROOT))
    assert status == 2
    assert "error: --only: expected names among export, export-signed, " in error
