"""The recipes, and the command line whose defaults follow from them."""

import re

import pytest

from command_lines import call
from distill_jax.config import TrainConfig, train_config
from distill_jax.errors import InputError
from distill_jax.recipes import RECIPE_NAMES
from distill_jax.students.registry import student_config, student_kind, student_names
from distill_jax.train import main, parse

_STUDENTS = sorted(student_names())


def _configs(*words):
    """Return the training and the student that a command line describes."""
    arguments = parse(words)
    return arguments.train, _student(arguments.train.student, **arguments.student.options())


def _student(name, **options):
    return student_config(name, vocab_size=100, num_labels=3, **options)


def _recipe(recipe, student):
    return student_kind(student).recipes[recipe]


def test_every_student_has_every_recipe():
    for student in _STUDENTS:
        assert set(student_kind(student).recipes) == set(RECIPE_NAMES)


@pytest.mark.parametrize("distil", [False, True])
@pytest.mark.parametrize("student", _STUDENTS)
@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_the_command_line_without_options_is_its_recipe(recipe, student, distil):
    config, shape = _configs("--recipe", recipe, "--student", student, *(["--distil"] if distil else []))
    assert (config.recipe, config.student, config.distil) == (recipe, student, distil)
    assert config == TrainConfig.of_recipe(recipe, student, distil=distil)
    assert config == train_config(student, distil=distil, recipe=recipe)
    assert shape == _student(student, **_recipe(recipe, student).student)


@pytest.mark.parametrize("distil", [False, True])
def test_the_notebook_s_recipe_is_what_the_notebook_does(distil):
    plain = {
        "cnn": {
            "embedding_dim": 50,
            "dropout": 0.5,
            "filter_heights": (3, 4, 5),
            "filters": 100,
            "mask_padding": False,
        },
        "fasttext": {"embedding_dim": 50, "ngrams": 1, "buckets": 0, "mask_padding": False, "pooling": "mean"},
    }
    words = ["--recipe", "notebook", *(["--distil"] if distil else [])]
    for student, optimizer, batch_size, rate, decay in (
        ("cnn", "adam", 32, 1e-3, 1.0),
        ("fasttext", "sgd", 1, 0.5, 0.5),
    ):
        config, shape = _configs(*words, "--student", student)
        assert shape.options() == plain[student]
        assert config == TrainConfig(
            student,
            distil=distil,
            alpha=0.0,
            soft_loss="mse",
            temperature=1.0,
            standardised=False,
            transfer=False,
            recipe="notebook",
            epochs=5,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=rate,
            schedule="step",
            learning_rate_decay=decay,
            clip_norm=0.0,
            shuffle=False,
            patience=0,
            embeddings="random",
            loss_mean="batches",
            seed=0,
        )


def test_the_best_recipe_is_the_default_and_starts_from_the_teacher_s_embeddings():
    (config, shape), (distilled, _) = _configs(), _configs("--distil")
    assert (config.recipe, config.student, config.embeddings) == ("best", "cnn", "teacher")
    assert (config.shuffle, config.schedule, config.loss_mean) == (True, "cosine", "examples")
    assert (shape.embedding_dim, shape.mask_padding) == (128, True)
    assert (config.soft_loss, config.transfer) == ("mse", False)  # labels alone have no soft loss
    assert (distilled.soft_loss, distilled.temperature, distilled.transfer) == ("kl", 1.0, True)


def test_options_given_go_first_wherever_they_stand():
    words = ["--epochs", "3", "--student=fasttext", "--learning-rate", "0.1", "--distil", "--embedding-dim", "64"]
    config, shape = _configs(*words, "--no-shuffle", "--no-transfer", "--temperature", "4", "--embeddings", "random")
    expected = TrainConfig.of_recipe(
        "best", "fasttext", distil=True, epochs=3, learning_rate=0.1, shuffle=False, transfer=False, transfer_passes=0,
        temperature=4.0,
        embeddings="random",
    )  # fmt: skip
    assert config == expected
    assert (shape.embedding_dim, shape.ngrams) == (64, _recipe("best", "fasttext").student["ngrams"])


def test_words_that_are_wrong_are_left_to_the_parser(capsys):
    for words, message in (
        (["--student"], "--student"),
        (["--student", "rnn"], "--student: expected one of cnn, fasttext, dan, bilstm, ensemble, got 'rnn'"),
        (["--recipe", "worst"], "--recipe: expected one of best, notebook, got 'worst'"),
        (["--distil=maybe"], "Unrecognized options: maybe"),
        (["--student", "fasttext", "--hidden", "3"], "Unrecognized options: --hidden"),
        (["--epochs", "2.5"], "Error parsing --epochs"),
    ):
        status, _, error = call(capsys, main, *words)
        assert status == 2
        assert message in " ".join(error.split())
        assert "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--temperature", "3"], "--temperature goes with --distil"),
        (["--distil", "--soft-loss", "mse", "--temperature", "3"], "--temperature 3 goes with --soft-loss kl, got mse"),
        (["--distil", "--transfer-passes", "9"], r"--transfer-passes: expected at most one an epoch \(8\), got 9"),
        (["--learning-rate-decay", "0.5"], "--learning-rate-decay 0.5 goes with --schedule step, got cosine"),
        (
            ["--distil", "--no-transfer", "--transfer-share", "0.5"],
            "--transfer-share 0.5 goes with --distil --tr",
        ),
        (["--distil", "--alpha", "1"], "--alpha 1 leaves the soft loss out"),
        (["--student", "fasttext", "--clip-norm", "1"], "--clip-norm 1 does not go with the sparse steps of"),
    ],
)
def test_options_that_would_do_nothing_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        parse(words)


def test_gradients_are_clipped_wherever_steps_are_dense():
    for words in (
        ["--student", "cnn", "--optimizer", "sgd"],
        ["--student", "fasttext", "--optimizer", "adam"],
        ["--student", "fasttext", "--ngrams", "1", "--buckets", "0", "--pooling", "mean-max-min"],
    ):
        assert parse([*words, "--clip-norm", "1"]).train.clip_norm == 1


@pytest.mark.parametrize("recipe", ["best", "notebook"])
@pytest.mark.parametrize("student", ["cnn", "fasttext"])
def test_the_help_shows_the_recipe_s_defaults(capsys, recipe, student):
    status, output, _ = call(capsys, main, "--help", "--recipe", recipe, "--student", student)
    assert status == 0
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", output).split())
    values = _recipe(recipe, student)
    for name, value in {"embedding_dim": 50, **values.student, **values.train}.items():
        option = name.replace("_", "-")
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert re.search(rf"--{option} \S+ [^()]*(\([^()]*\)[^()]*)*\(default: {value}\)", text), option


def test_n_grams_and_buckets_go_together():
    for words in (["--ngrams", "1"], ["--buckets", "0"]):
        with pytest.raises(InputError, match="--ngrams and --buckets go together"):
            parse(["--student", "fasttext", *words])
    with pytest.raises(InputError, match="--embedding-dim: expected a number at least 1"):
        parse(["--embedding-dim", "0"])


def test_the_number_of_seeds_has_a_range():
    with pytest.raises(InputError, match="--seeds: expected a number at least 1 and at most 1,000, got 0"):
        parse(["--seeds", "0"])


def test_an_unknown_recipe_is_named():
    with pytest.raises(InputError, match="--recipe: expected one of notebook, best, got 'worst'"):
        TrainConfig.of_recipe("worst", "cnn")
