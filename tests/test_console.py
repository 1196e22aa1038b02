import contextlib
import dataclasses
import errno
import importlib
import io
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import pytest

from command_lines import ROOT, refusal
from distill_jax import __version__, train
from distill_jax.cache import CACHE_VARIABLE, cache_folder
from distill_jax.console import (
    format_table,
    parse_options,
    path_word,
    progress,
    run_command,
    say,
    shell_line,
    stop_on_signal,
    warn,
)
from distill_jax.errors import InputError, Interrupted, MissingExtraError, MissingInputError
from distill_jax.jax_setup import configure_jax, loops_are_fused, platform
from distill_jax.runs.history import COLUMNS, history_frame, write_history

LOOPS = "xla_cpu_small_while_loop_byte_threshold=2000000000"
SAME_BITS = "--xla_gpu_deterministic_ops=true"


def _status(capsys, error):
    def body():
        raise error

    with pytest.raises(SystemExit) as exit_:
        run_command(body)
    return exit_.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("--x: wrong"), 2, "error: --x: wrong\n"),
        (MissingInputError("no file"), 2, "error: no file\n"),
        (MissingExtraError("pip install it"), 2, "error: pip install it\n"),
        (Interrupted("saved; go on"), 130, "saved; go on\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command starts again from what is on disk\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), 2, "error: Permission denied (/data/x)\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            (
                "error: no space left on the disk; free some and run the same command again, a training's with "
                "--resume: what is whole is kept\n"
            ),
        ),
    ],
)
def test_a_user_s_error_is_one_sentence_with_its_status(capsys, error, status, message):
    assert _status(capsys, error) == (status, message)


def test_a_fault_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)


def test_a_command_that_succeeds_just_returns(capsys):
    run_command(lambda: say("done"))
    assert capsys.readouterr().out == "done\n"


@pytest.mark.parametrize(
    "words",
    [
        *(["-m", f"distill_jax.{name}"] for name in ("train", "predict", "report", "compare")),
        *(["-m", f"scripts.{name}"] for name in ("search", "convert", "ablation", "benchmark", "benchmark.growth")),
        ["-m", "teacher_export"],
        ["scripts/export_logits.py"],
    ],
    ids=" ".join,
)
def test_every_command_says_its_version_without_the_frameworks(words):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words, "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == f"distill-jax {__version__}\n"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "distill_jax" in imported
    assert not imported & {"jax", "torch", "transformers"}


COMMANDS = [
    *(f"distill_jax.{name}" for name in ("train", "predict", "report", "compare")),
    *(f"scripts.{name}" for name in ("ablation", "benchmark", "benchmark.growth", "convert", "fuzz", "kill", "pairs")),
    *("scripts.search", "scripts.versions", "teacher_export"),
]
WIDTH = 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_wrapped_text_that_says_a_default_once(command):
    words = [sys.executable, "-m", command, "--help"]
    environment = {**os.environ, "COLUMNS": str(WIDTH), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    text = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, env=environment).stdout
    lines = [line.strip("│").rstrip() for line in text.splitlines()]
    column = next(line.index("show this help") for line in lines if "show this help" in line)
    assert not re.search(r"\(default: (None)?\)|\{None\}", text)
    assert not re.search(r"\(default[^()]*\)\.?\s+\(default", " ".join(" ".join(lines).split()))
    assert not [line for line in lines if line.lstrip().startswith("/")]
    helps = [line[column:] if not line[:column].strip() or line[column - 2 : column] == "  " else "" for line in lines]
    for line, below in itertools.pairwise(range(len(lines))):
        continues = helps[line] and helps[below] and not lines[below][:column].strip()
        if continues and len(text.splitlines()[line]) == WIDTH:  # else the box is as wide as its longest line
            first = helps[below].split()[0]
            assert len(lines[line]) + 1 + len(first) > WIDTH - 3, f"{lines[line]} ends early, before {first}"


@pytest.mark.parametrize("command", ["train", "report", "compare", "predict", "teacher_export"])
def test_help_says_which_tasks_there_are(command):
    name = command if command == "teacher_export" else f"distill_jax.{command}"
    words = [sys.executable, "-m", name, "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    said = " ".join(done.stdout.lower().split())
    assert "multi-label" in said
    assert re.search(r"\bscores?\b", said)
    if command in ("predict", "teacher_export"):  # what reads texts
        assert re.search(r"as a pair .{0,20}not read", re.sub(r"[│ ]+", " ", said))


def test_a_number_that_is_none_is_named(capsys):
    for words in (["--seeds", "three"], ["--alpha", "three"]):
        with pytest.raises(SystemExit) as exit_:
            train.parse(words)
        assert exit_.value.code == 2
        kind = "a whole number" if words[0] == "--seeds" else "a number"
        assert f"{words[0]}: expected {kind}, got 'three'" in " ".join(capsys.readouterr().err.split())


def test_an_option_that_is_left_out_has_no_word_for_it(capsys):
    @dataclasses.dataclass(frozen=True)
    class Options:
        rows: int | None = None
        names: tuple[str, ...] = ()

    assert parse_options(Options, [], prog="x") == Options()
    assert parse_options(Options, ["--rows", "3", "--names", "a", "b"], prog="x") == Options(3, ("a", "b"))
    with pytest.raises(SystemExit):
        parse_options(Options, ["--rows", "None"], prog="x")
    assert "expected a whole number, got 'None'" in " ".join(capsys.readouterr().err.split())


def test_what_a_terminal_cannot_show_is_escaped(capsys):
    raw = io.BytesIO()
    with mock.patch.object(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii")):
        run_command(lambda: say("5 ★"))
        sys.stdout.flush()
        assert raw.getvalue() == b"5 \\u2605\n"
    warn("to standard error")
    assert capsys.readouterr().err == "to standard error\n"


def test_a_progress_bar_counts_from_where_it_is_told(capsys):
    with progress(10, "reading", initial=4) as bar:
        bar.update(6)
        assert bar.n == 10
    assert "reading: 100%" in capsys.readouterr().err
    with progress(10, "reading", disable=True) as bar:
        bar.update(10)
    assert capsys.readouterr().err == ""


def test_a_table_is_aligned():
    table = format_table(["name", "x"], [["a", "1.25"], ["long name", "2"]])
    assert table.splitlines() == ["name          x", "---------  ----", "a          1.25", "long name     2"]


def test_the_cache_folder_is_the_user_s_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, "~/mine")
    assert cache_folder() == Path.home() / "mine"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_folder().name == "distill-jax"


def test_jax_is_set_up_without_overruling_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with mock.patch.dict(os.environ):
        os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "true"
        configure_jax()
        assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "compiled")
        assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"


@pytest.mark.parametrize(
    ("given", "imported", "expected"),
    [
        (None, False, f"{SAME_BITS} --xla_backend_extra_options={LOOPS}"),
        ("--xla_dump_to=x", False, f"--xla_dump_to=x {SAME_BITS} --xla_backend_extra_options={LOOPS}"),
        ("--xla_backend_extra_options=xla_a=1", False, f"--xla_backend_extra_options=xla_a=1 {SAME_BITS}"),
        (
            "--xla_gpu_deterministic_ops=false",
            False,
            f"--xla_gpu_deterministic_ops=false --xla_backend_extra_options={LOOPS}",
        ),
        ("--xla_dump_to=x", True, "--xla_dump_to=x"),  # too late
    ],
)
def test_loops_are_fused_only_where_asked_and_beside_the_user_s_flags(monkeypatch, given, imported, expected):
    with mock.patch.dict(os.environ), mock.patch.dict(sys.modules):
        sys.modules.pop("jax", None)
        if imported:
            sys.modules["jax"] = mock.Mock()
        os.environ.pop("XLA_FLAGS", None)
        if given:
            os.environ["XLA_FLAGS"] = given
        configure_jax()
        without_loops = os.environ.get("XLA_FLAGS", "")
        assert ("xla_gpu_deterministic_ops" in without_loops, LOOPS in without_loops) == (not imported, False)
        configure_jax(fused_loops=True)
        assert os.environ["XLA_FLAGS"] == expected
        assert loops_are_fused() == (LOOPS in expected)
        configure_jax(fused_loops=True)  # a second time adds nothing
        assert os.environ["XLA_FLAGS"] == expected


def test_what_numbers_depend_on_has_the_user_s_flags_and_not_our_own(monkeypatch):
    monkeypatch.setenv("NPROC", "16")
    monkeypatch.setenv("JAX_RANDOM_SEED_OFFSET", "7")
    monkeypatch.setenv("JAX_LOG_COMPILES", "1")
    numbers = {"NPROC": "16", "JAX_RANDOM_SEED_OFFSET": "7"}
    for given in ("", "--xla_dump_to=x"):
        with mock.patch.dict(os.environ, {"XLA_FLAGS": given}), mock.patch.dict(sys.modules):
            sys.modules.pop("jax", None)
            configure_jax(fused_loops=True)
            sys.modules["jax"] = mock.MagicMock(__version__="1.2.3")
            assert platform()["environment"] == {**numbers, **({"XLA_FLAGS": given} if given else {})}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_that_is_started_without_a_stream_ends_as_ever(tmp_path, closed):
    code = (
        "import sys\nfrom pathlib import Path\nfrom distill_jax.console import run_command, say, warn\n"
        "def main():\n"
        "    stream = open(sys.argv[1], 'w')\n"
        "    say('said'); warn('warned'); sys.stdin.read() if sys.argv[2] else None\n"
        "    stream.write('alone')\n"
        "run_command(main)"
    )
    script, file = tmp_path / "command.py", tmp_path / "file"
    script.write_text(code)
    words = ["sh", "-c", f'exec "$0" "$@" {closed}', sys.executable, str(script), str(file), "x"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, file.read_text()) == (0, "alone")
    assert done.stdout == ("" if ">&- " in f"{closed} ".replace("2>&-", "") else "said\n")
    assert done.stderr == ("" if "2>&-" in closed else "warned\n")


def test_a_compiled_program_that_cannot_be_read_is_replaced_without_a_word(tmp_path):
    """What a full disk, or a kill in the middle of JAX's write, leaves in its cache."""
    code = (
        "from distill_jax.jax_setup import configure_jax\nconfigure_jax()\n"
        "import jax\nprint(jax.jit(lambda x: x * 3 + 1)(2))"
    )
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

    def run():
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    run()
    entries = list(tmp_path.glob("*-cache"))
    whole = {path: path.stat().st_size for path in entries}
    for index, path in enumerate(entries):
        path.write_bytes(path.read_bytes()[: 0 if index % 2 else 50])
    again = run()
    assert (again.stdout, again.stderr) == ("7\n", "")
    assert whole
    assert all(path.stat().st_size > size / 2 for path, size in whole.items())


def test_the_history_keeps_every_digit(tmp_path):
    import numpy as np
    import pandas as pd

    rows = np.array([[0, 1 / 3, 0.1, 0.2, np.pi, 0.5, 0.25], [1, 1e-17, 1, 1, 1, 1, np.nan]])
    write_history(tmp_path / "history.csv", history_frame(rows, "CNN"))
    text = (tmp_path / "history.csv").read_bytes().decode()
    assert text.startswith(",".join(COLUMNS) + "\n0,0.3333333333333333,")
    assert "\r" not in text
    found = pd.read_csv(tmp_path / "history.csv")
    assert found["epoch"].tolist() == [0, 1]
    np.testing.assert_array_equal(found.iloc[:, :-1].to_numpy(float), rows)
    assert history_frame(np.zeros((0, 7)), "CNN").empty


@pytest.mark.parametrize(
    ("module", "words", "message"),
    [
        ("teacher_export.command_line", ["--label-column", "a", "--label-column=b"], "--label-column is given twice"),
        ("teacher_export.command_line", ["--label_column=a", "--label-column", "a"], "--label-column is given twice"),
        ("teacher_export.command_line", ["--data", "a", "--data", "b"], "--data is given twice"),
        ("distill_jax.train", ["--epochs", "1", "--seed", "1", "--epochs", "2"], "--epochs is given twice"),
        ("distill_jax.train", ["--filter-heights", "2", "--filter-heights", "3"], "--filter-heights is given twice"),
        ("distill_jax.train", ["--no-transfer", "--transfer"], "--no-transfer and --transfer are one option"),
        ("distill_jax.predict", ["--run", "a", "--run", "b"], "--run is given twice"),
        ("distill_jax.report", ["a", "--title", "x", "--title", "y"], "--title is given twice"),
        ("distill_jax.compare", ["a", "b", "--json", "x", "--json", "y"], "--json is given twice"),
        ("scripts.search.command_line", ["--student", "cnn", "--student", "cnn"], "--student is given twice"),
        ("scripts.ablation.command_line", ["--seeds", "1", "--seeds", "2"], "--seeds is given twice"),
        ("scripts.benchmark.command_line", ["--only", "a", "--only", "b"], "--only is given twice"),
        ("scripts.benchmark.growth", ["--rows", "1", "--rows", "2"], "--rows is given twice"),
        ("scripts.convert.command_line", ["a", "--output", "b", "--output", "c"], "--output is given twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_option_that_takes_its_value_once_is_refused_twice(capsys, module, words, message):
    main = importlib.import_module(module).main
    if module == "teacher_export.command_line":
        main = parse_arguments_of_the_process
    assert refusal(capsys, main, *words).startswith(f"{message}; expected it once")


def parse_arguments_of_the_process():
    from teacher_export.command_line import parse_arguments

    parse_arguments()


def test_an_option_that_is_made_for_it_may_be_given_several_times():
    from teacher_export.command_line import parse_arguments

    words = ["--dataset", "table", "--data", "a.csv", "--label-column", "x"]
    found = parse_arguments([*words, "--text-column", "no", "--text-column", "b"])
    assert found.data.text_column == ("no", "b")


def test_control_characters_of_others_names_are_shown_escaped(capsys):
    say("CNN\x1b[31m\u202egnp\x7f\ttab\nline")
    warn("\x9b2J")
    output = capsys.readouterr()
    assert output.out == "CNN\\x1b[31m\\u202egnp\\x7f\ttab\nline\n"
    assert output.err == "\\x9b2J\n"


# The tests may be run under nohup, which is inherited.
_NOT_IGNORED = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
_ENDED = """
import os, signal, sys, time
from distill_jax.console import run_command, say, stop_on_signal
from distill_jax.errors import Interrupted
def main():
    if sys.argv[1] == "at once":
        say("ready")
        time.sleep(60)
    with stop_on_signal() as should_stop:
        say("ready")
        while not should_stop():
            time.sleep(0.01)
    raise Interrupted("saved")
run_command(main)
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize(("how", "says"), [("at once", "interrupted; the same command"), ("between steps", "saved")])
def test_every_signal_that_ends_a_command_does_what_ctrl_c_does(name, status, how, says):
    process = subprocess.Popen(
        [sys.executable, "-c", _NOT_IGNORED + _ENDED, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=30)
    assert process.returncode == status
    assert error.startswith(says)
    assert len(error.splitlines()) == 1


_LATE = """
import atexit, sys, time
from distill_jax.console import run_command, say
from distill_jax.errors import Interrupted
def main():
    if sys.argv[1] == "interrupted":
        raise Interrupted("saved")
def linger():
    say("at exit")
    time.sleep(60)
atexit.register(linger)
run_command(main)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize(("how", "says"), [("done", ""), ("interrupted", "saved\n")])
def test_a_signal_that_comes_when_all_is_said_ends_the_process_at_once(name, how, says):
    """While libraries close down, whose tracebacks would be the last word."""
    process = subprocess.Popen(
        [sys.executable, "-c", _NOT_IGNORED + _LATE, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "at exit\n"
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=30)
    assert process.returncode == -getattr(signal, name)
    assert error == says


_IN_EXEC = """
from distill_jax.console import run_command
def main():
    exec("import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)")
run_command(main)
"""


def test_a_signal_within_an_exec_has_its_own_status_too(tmp_path):
    """As within the definition of a dataclass, while a module is imported."""
    (tmp_path / "in_exec.py").write_text(_IN_EXEC)
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    process = subprocess.run(
        [sys.executable, "-m", "in_exec"], check=False, env={**os.environ, "PYTHONPATH": paths}, timeout=60
    )
    assert process.returncode == 143


def test_a_signal_that_is_ignored_stays_so():
    """As under nohup."""
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + _ENDED
    process = subprocess.Popen(
        [sys.executable, "-c", program, "between steps"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_a_signal_that_came_before_stops_no_later_training_nor_one_in_another_thread():
    with stop_on_signal() as should_stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop()
    answers = []

    def ask():
        with stop_on_signal() as should_stop:
            answers.append(should_stop())

    ask()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert answers == [False, False]


def test_a_command_to_paste_is_the_words_whatever_is_in_them():
    words = ["a b", "it's", "", "$HOME *.csv", "line\nfeed", "\x1b[31mred", os.fsdecode(b"caf\xe9 '\\\xc3\xa9"), "é"]
    line = shell_line(words)
    assert "\x1b" not in line
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("needs bash")
    done = subprocess.run([shell, "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(word) for word in words]


def test_a_path_is_a_word_that_no_command_takes_for_an_option():
    assert path_word(Path("-run") / "cnn") == "./-run/cnn"
    assert path_word(Path("run-1")) == "run-1"


def test_bytes_of_a_path_that_are_no_text_are_shown_escaped(capsys):
    say(f"wrote {os.fsdecode(b'caf' + bytes([0xE9]))}")
    assert capsys.readouterr().out == "wrote caf\\xe9\n"


@pytest.mark.parametrize("signals", [1, 3])
def test_a_signal_within_a_destructor_interrupts_all_the_same(signals, capsys):
    class Destroyed:
        def __del__(self):
            for _ in range(signals):
                with contextlib.suppress(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGTERM)
            raise KeyboardInterrupt

    def body():
        Destroyed()
        for _ in range(1000):
            time.sleep(0.01)

    with pytest.raises(SystemExit) as exit_:
        run_command(body)
    assert exit_.value.code == 143
    assert capsys.readouterr().err == "interrupted; the same command starts again from what is on disk\n"
