"""What works where nothing but the package's own dependencies is installed, and what is said of the rest."""

import json
import re

import numpy as np
import pytest

import distill_jax as dj
from command_lines import ROOT
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import MissingExtraError
from distill_jax.extras import EXTRAS, naming_the_extra, require_extra
from distill_jax.students.registry import student_config
from distill_jax.students.student import Student
from runtime_alone import (
    PROJECT,
    blocked_modules,
    command_alone,
    modules_by_distribution,
    modules_of_command,
    names_of,
    run_alone,
)
from tables import read_table, write_table
from tiny_export import tiny_texts, tiny_tokenizer
from tolerances import assert_close

TEXTS = [*tiny_texts(12, 3)[0], "", "w1 " * 99]
NAMES, LENGTH = ("bad", "fair", "good"), 16
TABLE = ("--dataset", "table", "--data", __file__, "--text-column", "text", "--teacher-outputs", "answer")
V0_1 = ROOT / "tests" / "golden" / "v0_1" / "runs"
SENTENCE = r'{} needs the extra {extra}: python -m pip install "distill-jax\[{extra}\]" \(\w+ is not installed\)'
# What the package gives without JAX; all its other names need it.
WITHOUT_TRAIN = {
    *("Examples", "Export", "Format", "InputError", "Predictor", "StudentConfig", "TrainConfig", "__version__"),
    *("load", "register", "register_format", "save"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run folders of students that were not trained: name → folder."""
    folder, tokenizer = tmp_path_factory.mktemp("runs"), tiny_tokenizer()
    masked = {"mask_padding": True}
    options = {
        "cnn": masked,
        "bilstm": {},
        "dan": {"ngrams": 2, "buckets": 64},
        "ensemble": {"ngrams": 2, "buckets": 64},
        "fasttext": {**masked, "ngrams": 2, "buckets": 64},
    }
    found = {}
    for name, own in options.items():
        config = student_config(name, vocab_size=tokenizer.get_vocab_size(), num_labels=3, embedding_dim=8, **own)
        fast = FastTokenizer(tokenizer, LENGTH)
        found[name] = dj.save(dj.Predictor.of(NAMES, config, Student(config).init(0), fast, LENGTH), folder / name)
    return found


def _refused(done):
    """Require exit status 2 and one line on standard error; return the sentence."""
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    return line.removeprefix("error: ")


def test_the_dependencies_are_numpy_tokenizers_and_what_makes_command_lines():
    assert names_of(PROJECT["dependencies"]) == {"numpy", "tokenizers", "tyro"}
    assert {"jax", "flax", "pandas", "scipy", "torch"} <= set(blocked_modules())


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_s_modules_are_those_of_its_requirements(extra):
    modules = modules_by_distribution()
    required = names_of(PROJECT["optional-dependencies"][extra]) - {"distill-jax"}
    found = {module: {name for name in required if module in modules.get(name, {name})} for module in EXTRAS[extra]}
    assert all(found.values()), found
    assert set().union(*found.values()) == required


def test_every_extra_but_those_for_which_a_packed_file_is_enough_brings_what_training_needs():
    def brought(extra):
        ours = [one for one in PROJECT["optional-dependencies"][extra] if one.startswith("distill-jax[")]
        return {extra}.union(*(brought(one.removeprefix("distill-jax[").removesuffix("]")) for one in ours))

    without = {extra for extra in PROJECT["optional-dependencies"] if "train" not in brought(extra)}
    assert without == {"gs", "onnx", "parquet", "ray", "s3", "serve", "spark"}


_PREDICT = """
import distill_jax as dj
model = dj.load(sys.argv[1])
texts = json.loads(sys.argv[2])
print(json.dumps([model.logits(texts).tolist(), model.predict(texts).tolist(), "tyro" in sys.modules]))
"""


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("student", ["fasttext", "dan", "cnn", "bilstm"])
def test_a_student_is_loaded_and_predicts_alike_and_no_parser_of_command_lines_is_imported(
    tmp_path, runs, student, packed
):
    model = dj.load(runs[student])
    path = dj.save(model, tmp_path / "student.djx") if packed else runs[student]
    done = run_alone(_PREDICT, path, json.dumps(TEXTS))
    assert done.returncode == 0, done.stderr
    logits, labels, parser = json.loads(done.stdout)
    terms = 0 if student == "fasttext" else 1_000  # to the bit, or sums in another order
    assert_close(np.float32(logits), model.logits(TEXTS), terms=terms, why="NumPy in place of JAX")
    assert labels == model.predict(TEXTS).tolist()
    assert not parser


def test_the_command_predicts_with_a_linear_run(runs):
    done = command_alone("distill_jax.predict", "--run", runs["fasttext"], stdin="\n".join(TEXTS))
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    assert found == dj.load(runs["fasttext"]).predict(TEXTS).tolist()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_command_labels_a_table(runs, tmp_path, workers):
    rows = [{"text": text} for text in TEXTS if text]
    table = write_table(tmp_path / "in.csv", rows)
    arguments = ("--run", runs["fasttext"], table, "--text-column", "text", "--output", tmp_path / "out.csv")
    done = command_alone("distill_jax.predict", *arguments, "--workers", workers)
    assert (done.returncode, done.stderr) == (0, "")
    expected = dj.load(runs["fasttext"]).predict([row["text"] for row in rows]).tolist()
    assert [row["label"] for row in read_table(tmp_path / "out.csv")] == expected


def test_parquet_names_its_extra(runs, tmp_path):
    table = write_table(tmp_path / "in.csv", [{"text": text} for text in TEXTS if text])
    arguments = ("--run", runs["fasttext"], table, "--text-column", "text", "--output", tmp_path / "out.parquet")
    sentence = _refused(command_alone("distill_jax.predict", *arguments))
    assert re.fullmatch(SENTENCE.format("Parquet", extra="parquet"), sentence)


def test_the_command_imports_nothing_that_takes_time_and_is_not_used(runs):
    imported = modules_of_command("distill_jax.predict", "--run", runs["fasttext"], stdin="a text")
    assert {"numpy", "tokenizers"} <= imported
    assert imported & {"huggingface_hub", "jax", "pandas", "pyarrow", "tqdm"} == set()


@pytest.mark.parametrize("module", ["train", "predict", "report", "compare", "pack", "convert", "choose"])
def test_every_command_explains_itself(module):
    done = command_alone(f"distill_jax.{module}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: python -m distill_jax.{module}" in done.stdout


_NAMES = """
import distill_jax as dj
found = {}
for name in dj.__all__:
    try:
        getattr(dj, name)
        found[name] = None
    except dj.InputError as error:
        assert isinstance(error, ImportError)
        found[name] = str(error)
print(json.dumps(found))
"""


def test_a_name_that_needs_the_extra_says_so_and_no_other_does():
    done = run_alone(_NAMES)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name for name, sentence in found.items() if sentence is None} == WITHOUT_TRAIN
    for name, sentence in found.items():
        assert name in WITHOUT_TRAIN or re.fullmatch(SENTENCE.format(f"distill_jax.{name}", extra="train"), sentence)


@pytest.mark.parametrize(
    ("module", "arguments", "what", "extra"),
    [
        ("distill_jax.train", [], "training", "train"),
        ("distill_jax.report", [V0_1], "a report", "train"),
        ("distill_jax.compare", [V0_1 / "cnn", V0_1 / "fasttext"], "a comparison", "train"),
        ("distill_jax.predict", ["--run", V0_1 / "fasttext"], "a checkpoint", "train"),
        ("teacher_export", [], "exporting", "teacher"),
        ("teacher_export", TABLE, "exporting", "train"),
    ],
)
def test_a_command_that_needs_an_extra_says_so_in_one_sentence(module, arguments, what, extra):
    sentence = _refused(command_alone(module, *arguments, stdin="a text"))
    assert re.fullmatch(SENTENCE.format(what, extra=extra), sentence)


def test_a_student_that_jax_computes_says_so(runs):
    sentence = _refused(command_alone("distill_jax.predict", "--run", runs["ensemble"], stdin="a text"))
    assert re.fullmatch(SENTENCE.format("student ensemble", extra="train"), sentence)


def test_a_module_that_is_missed_later_is_named_too():
    done = run_alone(
        "from distill_jax.console import run_command\ndef main(): import optax.losses\nrun_command(main)\n"
    )
    assert re.fullmatch(SENTENCE.format("this", extra="train"), _refused(done))


@pytest.mark.parametrize("module", ["no_such_package_of_anybody", "jax.no_such_module"])
def test_a_module_that_no_extra_brings_stays_a_fault(module):
    with pytest.raises(ModuleNotFoundError, match=module) as caught, naming_the_extra():
        __import__(module)
    assert not isinstance(caught.value, MissingExtraError)


def test_what_is_installed_is_not_asked_for():
    require_extra("train")
