import importlib
import tomllib
import zipfile

import pytest

from scripts.versions.wheel import PACKAGES, ROOT, build_wheel

SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]


def _source_files(root):
    files = (path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory):
    """Names in a wheel built from a copy of the sources, without a network."""
    pytest.importorskip("setuptools", minversion="77", reason="a wheel is built without a network by setuptools")
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"), "--no-build-isolation", "--no-index")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_a_wheel_holds_every_file_of_the_packages_and_no_other(wheel_files):
    assert wheel_files == _source_files(ROOT)


@pytest.mark.parametrize("name", SCRIPTS)
def test_console_scripts_are_functions(name):
    module, function = SCRIPTS[name].split(":")
    assert callable(getattr(importlib.import_module(module), function))
