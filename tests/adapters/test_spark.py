"""Spark, a real one in a Java machine on this one, labels what ``predict`` labels."""

import os
import shutil
import sys

import pyarrow.parquet as pq
import pytest

from command_lines import ROOT
from distill_jax.errors import InputError
from tables import files_of

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql", reason="the adapter of Spark is tested where the extra spark is installed")
    if shutil.which("java") is None:
        pytest.skip(
            "the adapter of Spark is tested where there is a Java machine: apt-get install default-jre-headless"
        )
    os.environ["PYSPARK_PYTHON"] = sys.executable  # what starts Spark's workers
    session = (
        sql.SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.executorEnv.PYTHONPATH", str(ROOT))
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_a_folder_s_tables_are_the_same_bytes(spark, task, whole):
    from distill_jax.adapters.spark import label_folder

    assert label_folder(spark, task) == 60
    assert files_of(task.output) == files_of(whole)
    (task.output / "part-1.parquet").unlink()
    assert label_folder(spark, task, resume=True) == 20


def test_a_frame_keeps_its_rows_and_its_columns(spark, student, folder, whole, tmp_path):
    from distill_jax.adapters.spark import label_frame

    frame = spark.read.parquet(str(folder))
    with pytest.raises(InputError, match="it has a column 'label' already"):
        label_frame(frame.withColumnRenamed("stars", "label"), student, "text")
    label_frame(frame, student, "text").write.parquet(str(tmp_path / "out"))
    found = pq.read_table(tmp_path / "out").sort_by("id")
    assert found.to_pylist() == pq.read_table(whole).to_pylist()
    assert found.schema.types == pq.read_table(whole).schema.types
