"""The search's spaces: the recipes lie in them, and the command that is printed repeats a trial exactly."""

import dataclasses
import shlex

import pytest

from distill_jax.students.registry import student_config, student_names
from distill_jax.train import parse
from scripts.search.objective import Base
from scripts.search.results import paste, train_command
from scripts.search.space import SPACES, Whole, describe, draw, neighbours, settings_of, space_for, values_of
from search_helpers import RandomTrial

STUDENTS = sorted(student_names())


def _parse(words):
    """Return the training and the student that ``python -m distill_jax.train`` makes of its arguments."""
    arguments = parse(words)
    student = dataclasses.replace(arguments.student, vocab_size=64, num_labels=3)
    return arguments.train, student, arguments.run


@pytest.mark.parametrize("student", STUDENTS)
def test_the_recipe_lies_in_its_student_s_space(student):
    base = Base.of_recipe(student, seed=0)
    values = values_of(space_for(student, widest=None, has_transfer=True), base.settings())
    changed = base.changed(settings_of(values))
    assert changed.train == base.train
    assert changed.settings() == base.settings()


@pytest.mark.parametrize("student", STUDENTS)
def test_the_printed_command_is_exactly_the_trial(student, tmp_path):
    base, space = Base.of_recipe(student, seed=7), space_for(student, widest=None, has_transfer=True)
    for seed in range(12):
        chosen = base.changed(settings_of(draw(space, RandomTrial(seed))))
        words = train_command(chosen, space, tmp_path / "an export", tmp_path / "run")
        assert words[:3] == ["python", "-m", "distill_jax.train"]
        train, config, files = _parse(words[3:])
        assert train == chosen.train
        assert config == student_config(student, vocab_size=64, num_labels=3, **chosen.student)
        assert (files.export, files.workdir) == (tmp_path / "an export", tmp_path / "run")


def test_a_command_is_pasted_as_it_was_said():
    words = ["python", "-m", "distill_jax.train", *(f"--option-{number}" for number in range(30)), "a b", "it's"]
    lines = paste(words).splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 120
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == words


def test_settings_that_do_not_matter_are_not_drawn():
    space = space_for("ensemble", widest=None, has_transfer=True)
    seen = [draw(space, RandomTrial(seed)) for seed in range(40)]
    assert {("temperature" in values) == (values["soft_loss"] == "kl") for values in seen} == {True}
    assert {("buckets" in values) == (values["ngrams"] > 1) for values in seen} == {True}
    assert {settings_of(values)["buckets"] for values in seen if values["ngrams"] == 1} == {0}


def test_a_share_of_nothing_is_no_transfer_at_all():
    assert settings_of({"transfer_share": 0.0}) == {"transfer": False, "transfer_share": 1.0, "transfer_passes": 0}
    assert settings_of({"transfer_share": 0.25}) == {"transfer": True, "transfer_share": 0.25}


def test_an_export_limits_the_space():
    space = space_for("cnn", widest=128, has_transfer=False)
    assert "transfer_share" not in space
    assert space["embedding_dim"] == Whole(8, 128, 8)
    assert space_for("cnn", widest=4, has_transfer=True)["embedding_dim"] == Whole(4, 4)
    assert describe(space) != describe(SPACES["cnn"])


def test_a_space_may_be_there_before_its_student():
    assert set(SPACES) >= set(STUDENTS)
    assert {"hidden", "dense", "states"} <= set(SPACES["bilstm"])


@pytest.mark.parametrize("student", SPACES)
def test_neighbours_change_two_settings_of_the_recipe_at_most(student):
    found = space_for(student, widest=384, has_transfer=True)
    recipe = values_of(found, Base.of_recipe(student, seed=0).settings())
    near = neighbours(found, recipe, 40, seed=3)
    assert near == neighbours(found, recipe, 40, seed=3)
    assert near != neighbours(found, recipe, 40, seed=4)
    conditional = {"temperature", "buckets"}  # come and go with another setting
    for values in near:
        shared = set(values) & set(recipe)
        assert set(values) ^ set(recipe) <= conditional
        assert sum(values[name] != recipe[name] for name in shared) <= 2
        settings = settings_of(values)
        assert settings == settings_of(values_of(found, settings))  # every value is one of the space's
    assert len({str(values) for values in near}) > 30
    changed = {name for values in near for name in values if values[name] != recipe.get(name)}
    assert changed == set(found)
