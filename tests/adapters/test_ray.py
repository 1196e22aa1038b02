"""Ray, a real one on this machine, labels what ``predict`` labels."""

import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tables import files_of

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="the adapter of Ray is tested where the extra ray is installed")
    pytest.importorskip("ray.data")
    paths = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "helpers")])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    yield ray
    ray.shutdown()


def test_a_folder_s_tables_are_the_same_bytes(ray, task, whole):
    from distill_jax.adapters.ray import label_folder

    assert label_folder(task, workers=2) == 60
    assert files_of(task.output) == files_of(whole)
    (task.output / "part-1.parquet").unlink()
    assert label_folder(task, workers=1, resume=True) == 20
    assert (task.output / "part-1.parquet").read_bytes() == (whole / "part-1.parquet").read_bytes()


def test_an_actor_that_dies_is_replaced(ray, task, whole, monkeypatch):
    from distill_jax.adapters import ray as adapter

    class Dying(adapter._Tables):
        def label(self, name):
            died = task.folder / "_died"
            if name == "part-1.parquet" and not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().label(name)

    Dying.__module__ = "__main__"  # it is sent, not imported
    monkeypatch.setattr(adapter, "_Tables", Dying)
    assert adapter.label_folder(task, workers=1) == 60
    assert (task.folder / "_died").exists()
    assert files_of(task.output) == files_of(whole)


def test_a_data_set_keeps_its_rows_in_their_order_and_its_columns(ray, student, folder, whole, tmp_path):
    from distill_jax.adapters.ray import label_dataset

    ray.data.DataContext.get_current().execution_options.preserve_order = True
    dataset = ray.data.read_parquet(str(folder))
    label_dataset(dataset, student, "text", workers=1).write_parquet(str(tmp_path / "out"))
    found = pq.read_table(tmp_path / "out").sort_by("id")
    assert found.equals(pq.read_table(whole))
    assert [row["id"] for row in label_dataset(dataset, student, "text", workers=1).take_all()] == list(range(60))
