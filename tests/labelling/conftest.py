"""Students that were never trained, one for each task."""

import pytest

from untrained_student import write_student


@pytest.fixture(scope="session")
def student(tmp_path_factory):
    """The run folder of a student of classes; not to be changed."""
    return write_student(tmp_path_factory.mktemp("student") / "classes")


@pytest.fixture(scope="session")
def students(tmp_path_factory, student):
    """Run folders, one for each task; not to be changed."""
    folder = tmp_path_factory.mktemp("students")
    others = {task: write_student(folder / task, task) for task in ("multi-label", "score")}
    return {"single-label": student, **others}


@pytest.fixture
def small_blocks(monkeypatch):
    """Let a block be of seven rows, so that few rows are several."""
    monkeypatch.setattr("distill_jax.labelling.inputs.BLOCK_ROWS", 7)
