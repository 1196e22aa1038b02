"""Teachers and data of the export's tests."""

import pytest

from export_helpers import make_bare_teacher, make_reversed_teacher, use_small_data
from object_store import bucket, store, system  # noqa: F401 - fixtures


@pytest.fixture
def small_data(monkeypatch):
    """Let every export be of the small data set."""
    use_small_data(monkeypatch)


@pytest.fixture(scope="module")
def headed(tmp_path_factory):
    """A teacher's folder whose classes stand in reversed order; not to be changed."""
    return make_reversed_teacher(tmp_path_factory)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The folder of an encoder without a head; not to be changed."""
    return make_bare_teacher(tmp_path_factory)
