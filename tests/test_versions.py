import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from distill_jax.errors import InputError
from distill_jax.jax_setup import check_versions

ROOT = Path(__file__).resolve().parent.parent
PINS = {
    pin.name: next(iter(pin.specifier)).version
    for pin in map(
        Requirement, (line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#")
    )
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RANGES = [
    Requirement(text)
    for text in (
        *PROJECT["dependencies"],
        *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
    )
    if Requirement(text).name in PINS
]


@pytest.mark.parametrize("wanted", RANGES, ids=str)
def test_the_pins_are_within_the_ranges(wanted):
    assert wanted.specifier.contains(PINS[wanted.name])


@pytest.mark.parametrize(
    ("name", "version", "accepted"),
    [
        ("jax", "0.10.2", True),
        ("jax", "0.11.1", False),
        ("jax", "0.11.2", False),
        ("jax", "0.12.0.1", True),
        ("flax", "0.12.8", True),
        ("flax", "0.12.9", False),
        ("flax", "0.12.12", True),
    ],
)
def test_the_versions_of_pairs_that_do_not_import_are_excluded(name, version, accepted):
    (wanted,) = [one for one in RANGES if one.name == name and one.specifier]
    assert wanted.specifier.contains(version) == accepted


@pytest.mark.parametrize(("jax", "flax"), [("0.11.1", "0.12.8"), ("0.12.0.1", "0.12.8"), ("0.11.2", "0.12.9")])
def test_a_pair_that_does_not_import_is_refused_with_what_to_install(jax, flax):
    with pytest.raises(InputError, match=rf"jax {jax} and flax {flax} do not import together; .*pip install"):
        check_versions(jax, flax)


@pytest.mark.parametrize(("jax", "flax"), [("0.10.2", "0.12.8"), ("0.11.0", "0.12.8"), ("0.12.0.1", "0.12.12")])
def test_pairs_that_import_are_accepted(jax, flax):
    check_versions(jax, flax)
