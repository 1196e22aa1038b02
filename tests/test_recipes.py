"""The recipes, and the command line whose defaults follow from them."""

import itertools
import re

import pytest

from command_lines import call
from distill_jax.config import MODEL_NAMES, StudentConfig, TrainConfig
from distill_jax.errors import InputError
from distill_jax.recipes import RECIPES
from distill_jax.train import ChoiceOptions, main, parse, recipe_defaults, student_options, train_config

_STUDENTS = sorted(MODEL_NAMES)


def _configs(*words):
    """Return the training and the student that a command line describes."""
    arguments = parse(words)
    config = train_config(arguments)
    return config, StudentConfig(config.student, vocab_size=100, num_labels=3, **student_options(arguments.student))


def test_every_student_has_every_recipe():
    for students in RECIPES.values():
        assert sorted(students) == _STUDENTS


@pytest.mark.parametrize(("recipe", "student", "distil"), list(itertools.product(RECIPES, _STUDENTS, [False, True])))
def test_the_command_line_without_options_is_its_recipe(recipe, student, distil):
    config, shape = _configs("--recipe", recipe, "--student", student, *(["--distil"] if distil else []))
    assert (config.recipe, config.student, config.distil) == (recipe, student, distil)
    assert config == TrainConfig.of_recipe(recipe, student, distil=distil)
    assert shape == StudentConfig(student, vocab_size=100, num_labels=3, **RECIPES[recipe][student].student)


@pytest.mark.parametrize("distil", [False, True])
def test_the_notebook_s_recipe_is_what_the_notebook_does(distil):
    plain = {"embedding_dim": 50, "dropout": 0.5, "pooling": "padded", "filter_heights": (3, 4, 5), "filters": 100}
    words = ["--recipe", "notebook", *(["--distil"] if distil else [])]
    for student, optimizer, batch_size, rate, decay in (
        ("cnn", "adam", 32, 1e-3, 1.0),
        ("fasttext", "sgd", 1, 0.5, 0.5),
    ):
        config, shape = _configs(*words, "--student", student)
        assert shape == StudentConfig(student, vocab_size=100, num_labels=3, ngrams=1, buckets=0, **plain)
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
    assert (shape.embedding_dim, shape.pooling) == (128, "masked")
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
    assert (shape.embedding_dim, shape.ngrams) == (64, RECIPES["best"]["fasttext"].student["ngrams"])


def test_words_that_are_wrong_are_left_to_the_parser():
    for words in (["--student"], ["--student", "rnn"], ["--recipe", "worst"], ["--distil=maybe"]):
        assert recipe_defaults(words).choice == ChoiceOptions()
        with pytest.raises(SystemExit) as exit_:
            parse(words)
        assert exit_.value.code == 2


@pytest.mark.parametrize("recipe", ["best", "notebook"])
@pytest.mark.parametrize("student", ["cnn", "fasttext"])
def test_the_help_shows_the_recipe_s_defaults(capsys, recipe, student):
    status, output, _ = call(capsys, main, "--help", "--recipe", recipe, "--student", student)
    assert status == 0
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", output).split())
    values = RECIPES[recipe][student]
    for name, value in {"embedding_dim": 50, **values.student, **values.train}.items():
        option = name.replace("_", "-")
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert re.search(rf"--{option} \S+ [^()]*(\([^()]*\)[^()]*)*\(default: {value}\)", text), option


def test_n_grams_and_buckets_go_together():
    for words in (["--ngrams", "1"], ["--buckets", "0"]):
        with pytest.raises(InputError, match="--ngrams and --buckets go together"):
            student_options(parse(["--student", "fasttext", *words]).student)
    with pytest.raises(InputError, match="--embedding-dim: expected at least 1, got 0"):
        student_options(parse(["--embedding-dim", "0"]).student)


def test_the_number_of_seeds_has_a_range():
    with pytest.raises(InputError, match="--seeds: expected a number at least 1 and at most 1000, got 0"):
        train_config(parse(["--seeds", "0"]))


def test_an_unknown_recipe_is_named():
    with pytest.raises(InputError, match="--recipe: expected one of notebook, best, got 'worst'"):
        TrainConfig.of_recipe("worst", "cnn")
