"""Results replace the same program's earlier ones; each command that writes results refuses others before its work."""

import importlib
import json

import pytest

from command_lines import call, refusal
from distill_jax import compare
from distill_jax.errors import InputError
from distill_jax.results_file import ResultsFile
from run_folders import LABELS, write_run

OURS = ResultsFile("some.program", frozenset({"a", "b"}))
WRITERS = {
    "scripts.ablation.command_line": ("--output", ("ablation.json", "ablation.md", "learning-curve.png")),
    "scripts.benchmark.command_line": ("--output", ("benchmark.json", "benchmark.png")),
    "scripts.benchmark.growth": ("--output", ("growth.json",)),
    "scripts.benchmark.hostile_memory": ("--output", ("hostile_memory.json",)),
    "scripts.crossvalidate.command_line": ("--output", ("summary.json", "summary.md", "ceiling.json")),
    "scripts.sizes.command_line": ("--output", ("sizes.json", "sizes.md")),
    "scripts.fuzz.command_line": ("--output", ("",)),
    "scripts.kill.command_line": ("--output", ("",)),
    "scripts.pairs.command_line": ("--output", ("",)),
    "distill_jax.compare": ("--json", ("",)),
}
CASES = [(module, option, name) for module, (option, names) in WRITERS.items() for name in names]


def test_results_replace_the_same_program_s(tmp_path):
    path = tmp_path / "new" / "results.json"
    OURS.require_replaceable("--output", path)
    OURS.write(path, {"a": 1, "b": 2})
    assert json.loads(path.read_text()) == {"program": "some.program", "a": 1, "b": 2}
    chart, letter = tmp_path / "new" / "chart.png", tmp_path / "letter.txt"
    OURS.require_replaceable("--output", path, chart, letter)
    OURS.write(path, {"a": 1, "b": 2}, chart)
    chart.write_bytes(b"of the same results")
    OURS.require_replaceable("--output", path, chart, letter)
    letter.write_text("mine")
    with pytest.raises(InputError, match=f"^{letter}: expected no such file, or an earlier result"):
        OURS.require_replaceable("--output", path, chart, letter)
    for odd in (5, None, "letter.txt, chart.png", {"letter.txt": 1}):  # no list of names
        path.write_text(json.dumps({"program": "some.program", "beside": odd}))
        with pytest.raises(InputError, match=f"^{letter}: expected no such file"):
            OURS.require_replaceable("--output", path, letter)


def test_results_that_do_not_name_the_program_yet_are_known_by_their_keys(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('{"b": 2, "a": 1}')
    OURS.require_replaceable("--output", path)


OTHERS = {
    "another program's": b'{"program": "some.other", "a": 1, "b": 2}',
    "fewer keys": b'{"a": 1}',
    "more keys": b'{"a": 1, "b": 2, "c": 3}',
    "a list": b'["a", "b"]',
    "text": b"notes",
    "bytes": b"\xff\x00",
    "nothing": b"",
    "an empty object": b"{}",
    "too large": b'{"program": "some.program"}' + b" " * (1 << 26),
}


@pytest.mark.parametrize("ours", [OURS, ResultsFile("some.program", frozenset())], ids=["with keys", "without"])
@pytest.mark.parametrize("kind", OTHERS)
def test_another_file_is_refused(tmp_path, kind, ours):
    path = tmp_path / "results.json"
    path.write_bytes(OTHERS[kind])
    message = f"^{path}: expected no such file, or an earlier result of python -m some.program, found another file"
    with pytest.raises(InputError, match=message):
        ours.require_replaceable("--output", path)


@pytest.mark.parametrize("kind", ["folder", "dangling link", "file beside"])
def test_what_is_no_file_of_results_is_refused(tmp_path, kind):
    path = tmp_path / ("chart.png" if kind == "file beside" else "results.json")
    if kind == "folder":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.write_bytes(b"mine")
    with pytest.raises(InputError, match=f"^{path}: expected no such file, .*; name another with --output"):
        OURS.require_replaceable("--output", tmp_path / "results.json", tmp_path / "chart.png")


@pytest.mark.parametrize(("module", "option", "name"), CASES)
def test_every_command_refuses_to_replace_another_s_file(capsys, tmp_path, module, option, name):
    given = tmp_path / "results"
    path = given / name if name else given
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    runs = []
    if module == "distill_jax.compare":
        runs = [write_run(tmp_path / run, LABELS) for run in ("first", "second")]
    sentence = refusal(capsys, importlib.import_module(module).main, option, given, *runs)
    assert sentence.startswith(f"{path}: expected no such file, or an earlier result of python -m ")
    assert path.read_text() == "mine"


def test_a_comparison_replaces_its_own_numbers(capsys, tmp_path):
    runs = [write_run(tmp_path / run, LABELS) for run in ("first", "second")]
    for _ in range(2):
        assert call(capsys, compare.main, *runs, "--json", tmp_path / "numbers.json")[0] == 0
    assert json.loads((tmp_path / "numbers.json").read_text())["program"] == "distill_jax.compare"
