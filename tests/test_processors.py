import os

import pytest

from distill_jax.processors import usable_processors

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def many(monkeypatch):
    """A machine of 64 processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def test_without_control_groups_it_is_what_the_process_may_run_on(tmp_path):
    assert usable_processors(tmp_path / "none", tmp_path / "none") == ALL


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2),
        ("0::/outside/the/container\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"cpu.max": "nonsense\n"}, 64),
        ("3:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "600000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 6),
        ("3:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("nonsense", {}, 64),
    ],
)
def test_a_container_s_quota_counts(tmp_path, many, own, files, expected):
    _write(tmp_path / "own", own)
    for name, text in files.items():
        _write(tmp_path / "groups" / name, text)
    assert usable_processors(tmp_path / "groups", tmp_path / "own") == expected


def test_affinity_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    _write(tmp_path / "own", "0::/\n")
    _write(tmp_path / "groups" / "cpu.max", "800000 100000\n")
    assert usable_processors(tmp_path / "groups", tmp_path / "own") == 2
