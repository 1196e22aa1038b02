import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command_lines import ROOT
from distill_jax.errors import InputError
from teacher_export.command_line import parse_arguments
from teacher_export.options.transfer_set import TransferSetConfig

SCRIPT = ROOT / "scripts" / "export_logits.py"
TABLE = ["--dataset", "table", "--data", "reviews.csv", "--text-column", "text", "--label-column", "stars"]


def run_script(*arguments, cwd=None, code=None):
    """Run the script, or Python ``code`` that ends in running it, in a new process."""
    command = [sys.executable, "-c", code] if code else [sys.executable, str(SCRIPT)]
    environment = {**os.environ, "COLUMNS": "100"}
    return subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def test_no_argument_is_needed():
    config = parse_arguments([])
    assert (config.data.dataset, config.teacher.teacher) == ("demo", "demo")
    assert config.export_folder == Path("exports/demo")
    assert config.finetuned_folder == Path("teachers/demo")


def test_every_option_arrives():
    config = parse_arguments(
        [
            *["--dataset", "table", "--data", "a.csv", "b.csv.gz", "--text-column", "head", "--text-column", "body"],
            *["--label-column", "stars", "--balance", "--max-rows", "0", "--seed", "7", "--train-fraction", "0.5"],
            *[
                "--teacher-config",
                "some/name",
                "--state-dict",
                "w.pt",
                "--label-map",
                "LABEL_0=1 star",
                "LABEL_1=2 stars",
            ],
            *["--max-length", "64", "--device", "cpu", "--precision", "float32", "--batch-size", "8"],
            *["--finetune-epochs", "4", "--finetune-learning-rate", "1e-5", "--finetune-output", "tuned"],
            *["--validation-fraction", "0.1", "--unlabelled", "demo", "more.csv", "--unlabelled-column", "body"],
            *["--unlabelled-rows", "900"],
            *["--augment", "20", "--mask-probability", "0.2", "--pos-probability", "0", "--ngram-probability", "0.3"],
            *["--crop-probability", "0.4", "--cross-probability", "0.15"],
            *["--output", "out", "--part-rows", "100"],
        ]
    )
    assert config.data.data == (Path("a.csv"), Path("b.csv.gz"))
    assert config.data.text_column == ("head", "body")
    assert (config.data.balance, config.data.max_rows, config.data.seed, config.data.train_fraction) == (
        True,
        0,
        7,
        0.5,
    )
    assert (config.teacher.teacher_config, config.teacher.state_dict) == ("some/name", Path("w.pt"))
    assert config.teacher.label_map == ("LABEL_0=1 star", "LABEL_1=2 stars")
    assert (config.teacher.max_length, config.teacher.device, config.teacher.precision) == (64, "cpu", "float32")
    assert (config.finetune.finetune_epochs, config.finetune.finetune_learning_rate) == (4, 1e-5)
    assert config.data.validation_fraction == 0.1
    assert config.transfer_set == TransferSetConfig(
        (Path("demo"), Path("more.csv")), ("body",), 900, 20, 0.2, 0.0, 0.3, 0.4, 0.15
    )
    assert (config.export_folder, config.finetuned_folder) == (Path("out"), Path("tuned"))
    assert (config.output.part_rows, config.teacher.batch_size) == (100, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train-fraction", "1.5"], "--train-fraction: expected a number between 0 and 1, both excluded, got 1.5"),
        (["--validation-fraction", "1"], "--validation-fraction: expected a number from 0 (no validation split) to 1"),
        (["--validation-fraction", "-0.1"], "1 excluded, got -0.1"),
        (["--augment", "-1"], "--augment: expected a number at least 0"),
        (
            ["--augment", "2", "--mask-probability", "1.1"],
            "--mask-probability: expected a number at least 0 and at most 1",
        ),
        (
            ["--augment", "2", "--mask-probability", "0.6", "--pos-probability", "0.6"],
            "--mask-probability + --pos-probability: expected a sum of at most 1, got 1.2",
        ),
        (
            ["--augment", "2", "--ngram-probability", "0.6"],
            "--ngram-probability + --crop-probability + --cross-probability: expected a sum of at most 1, got 1.1",
        ),
        (["--crop-probability", "0.1"], "--crop-probability goes with --augment N, got no --augment"),
        (
            ["--augment", "1", *(f"--{name}-probability=0" for name in ("mask", "pos", "ngram", "crop", "cross"))],
            "--augment: all its probabilities are 0",
        ),
        (["--unlabelled-column", "x"], "--unlabelled-column goes with --unlabelled FILE"),
        (["--unlabelled-rows", "9"], "--unlabelled-rows goes with --unlabelled FILE"),
        (["--unlabelled", "demo", "--unlabelled-rows", "0"], "--unlabelled-rows: expected a number at least 1, got 0"),
        (["--max-rows", "-1"], "--max-rows: expected a number at least 0, got -1"),
        (["--seed", "-1"], "--seed: expected a number at least 0"),
        (["--batch-size", "0"], "--batch-size: expected a number at least 1 and at most 65,536, got 0"),
        (["--max-length", "3"], "--max-length: expected a number at least 4"),
        (["--part-rows", "0"], "--part-rows: expected a number at least 1"),
        (["--finetune-epochs", "0"], "--finetune-epochs: expected a number at least 1"),
        (["--finetune-learning-rate", "0"], "--finetune-learning-rate: expected a number more than 0"),
        (["--finetune-learning-rate", "nan"], "--finetune-learning-rate: expected a number more than 0"),
        (["--data", "x.csv"], "--data goes with --dataset amazon-pds or --dataset table"),
        (["--dataset", "amazon-pds"], "--dataset amazon-pds needs --data FILE"),
        (["--dataset", "table", "--data", "x.csv"], "--dataset table needs --text-column NAME and --label-column NAME"),
        (["--text-column", "x"], "--text-column and --label-column go with --dataset table"),
        (["--state-dict", "w.pt"], "--teacher-config NAME and --state-dict FILE go together"),
        (["--teacher-config", "name"], "--teacher-config NAME and --state-dict FILE go together"),
        (["--teacher", "t", "--teacher-config", "n", "--state-dict", "w.pt"], "both name a teacher"),
    ],
)
def test_values_out_of_range_are_refused_in_one_sentence(arguments, message):
    with pytest.raises(InputError) as caught:
        parse_arguments(arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arguments", [["--dataset", "imdb"], ["--no-such-option"], ["--batch-size", "many"]])
def test_what_is_no_option_or_value_exits_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_arguments(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_refused_value_prints_its_sentence_and_exits_2(tmp_path):
    result = run_script("--train-fraction", "2", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "error: --train-fraction: expected a number between 0 and 1, both excluded, got 2\n"
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_help_is_complete_and_quick():
    run_script("--help")  # warm the file cache
    start = time.perf_counter()
    result = run_script("--help")
    seconds = time.perf_counter() - start
    assert result.returncode == 0
    options = (
        "dataset data text-column label-column max-rows balance train-fraction seed teacher teacher-config state-dict"
    )
    options += (
        " label-map max-length device precision batch-size finetune-epochs finetune-learning-rate finetune-output"
    )
    options += " output part-rows validation-fraction unlabelled unlabelled-column augment"
    options += " split-column group-column stratify test-data validation-data"
    options += " mask-probability pos-probability ngram-probability crop-probability cross-probability"
    for option in options.split():
        assert f"--{option}" in result.stdout
    for group in ("data", "teacher", "finetune", "transfer-set", "output"):
        assert f"{group} options" in result.stdout
    assert "(default: 128)" in result.stdout
    assert seconds < 5  # under a second on a free machine; here others may be at work


CHECK_IMPORTS = """
import sys
from teacher_export.command_line import parse_arguments
try:
    parse_arguments({arguments})
finally:
    heavy = {{"torch", "transformers", "pandas", "numpy", "sklearn", "tokenizers", "jax"}} & set(sys.modules)
    assert not heavy, heavy
    print("light")
"""


@pytest.mark.parametrize("arguments", [TABLE, ["--help"]])
def test_nothing_heavy_is_imported_before_the_arguments_are_valid(arguments):
    result = run_script(code=CHECK_IMPORTS.format(arguments=arguments))
    assert result.stdout.endswith("light\n"), result.stderr
    assert result.returncode == 0


@pytest.mark.parametrize(
    ("package", "extra"), [("torch", "teacher"), ("transformers", "teacher"), ("pyarrow", "parquet")]
)
def test_a_missing_extra_names_its_install_command(package, extra, tmp_path):
    code = f"""
import sys

class Blocked:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked)
from teacher_export.command_line import main
sys.argv = ["export_logits.py"]
main()
"""
    result = run_script(code=code, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == (
        f'error: exporting needs the extra {extra}: python -m pip install "distill-jax[{extra}]" '
        f"({package} is not installed)\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(monkeypatch, given, expected):
    """OpenMP reads the variable when torch is imported."""
    code = """
import os, sys, types
stand_in = types.ModuleType("teacher_export.export")
stand_in.run = lambda _: print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
sys.modules["teacher_export.export"] = stand_in
from teacher_export.command_line import main
main()
"""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    done = run_script(code=code, cwd=SCRIPT.parent.parent)
    assert done.stdout == f"{expected} False\n", done.stderr


@pytest.mark.parametrize("words", [["--pair-column", "premise"], ["--pair-column=premise"]])
def test_a_pair_of_texts_is_refused_with_what_to_do(words):
    with pytest.raises(
        InputError, match=r"--pair-column: .*--text-column FIRST --text-column SECOND.*--teacher-outputs"
    ):
        parse_arguments([*TABLE, *words])
