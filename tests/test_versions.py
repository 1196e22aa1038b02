import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from distill_jax.errors import InputError
from distill_jax.jax_setup import check_versions

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RANGES = [
    Requirement(text)
    for text in (
        *PROJECT["dependencies"],
        *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
    )
]
# What came of importing both with Python 3.13. Of these there are jax 0.10.2 and flax 0.12.8 alone for Python 3.11.
JAXES = ("0.10.2", "0.11.0", "0.11.1", "0.11.2", "0.12.0", "0.12.0.1")
FLAXES = ("0.12.8", "0.12.9", "0.12.10", "0.12.12")
DO_NOT_IMPORT = {(jax, "0.12.8") for jax in JAXES[2:]} | {(jax, "0.12.9") for jax in JAXES[3:]}
PAIRS = [(jax, flax) for jax in JAXES for flax in FLAXES]


def for_python(requirements, python):
    """Return the requirements that count with a Python."""
    return [one for one in requirements if one.marker is None or one.marker.evaluate({"python_version": python})]


def pins(python):
    """Return the versions that constraints.txt states for a Python, by package."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    stated = [Requirement(line) for line in lines if line and line[0] != "#"]
    return {pin.name: next(iter(pin.specifier)).version for pin in for_python(stated, python)}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_are_within_the_ranges(python):
    stated = pins(python)
    outside = [
        str(wanted)
        for wanted in for_python(RANGES, python)
        if wanted.name in stated and not wanted.specifier.contains(stated[wanted.name])
    ]
    assert not outside


@pytest.mark.parametrize(("jax", "flax"), PAIRS)
def test_a_pair_is_refused_where_it_does_not_import_and_only_there(jax, flax):
    if (jax, flax) not in DO_NOT_IMPORT:
        check_versions(jax, flax)
        return
    with pytest.raises(InputError, match=rf"jax {jax} and flax {flax} do not import together; .*pip install"):
        check_versions(jax, flax)


def test_no_pair_that_there_is_for_a_python_and_that_is_admitted_fails_to_import():
    admitted = {
        name: [one.specifier for one in for_python(RANGES, "3.12") if one.name == name] for name in ("jax", "flax")
    }
    for jax, flax in DO_NOT_IMPORT:
        versions = {"jax": jax, "flax": flax}
        assert not all(one.contains(versions[name]) for name, found in admitted.items() for one in found), versions
