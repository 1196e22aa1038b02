"""What a training reads of an export folder beside its rows."""

import json
import shutil

import pytest

from distill_jax.config import TrainConfig
from distill_jax.training.run_data import TrainData

TOTAL = {"teacher_documents_per_second": 800.0}
TEST = {"splits": {"test": {"documents": 300, "seconds": 0.5}, "transfer": {"documents": 900, "seconds": 1.0}}}


PLACE = {"device": "cpu", "machine": "a processor, 2 cores"}


@pytest.mark.parametrize(
    ("timing", "speed"),
    [
        (TOTAL | TEST, {"documents_per_second": 600.0}),
        (TOTAL | TEST | PLACE, {"documents_per_second": 600.0, **PLACE}),
        (TOTAL, {"documents_per_second": 800.0}),
        (TOTAL | {"splits": {"transfer": {"documents": 900, "seconds": 1.0}}}, {"documents_per_second": 800.0}),
        (TOTAL | {"splits": {"test": {"documents": 0, "seconds": 0.0}}}, {"documents_per_second": 800.0}),
        ({"teacher_documents_per_second": "fast"} | PLACE, {}),
        (None, {}),
    ],
)
def test_the_teacher_s_speed_is_that_of_the_test_split_where_it_is_known(tiny_export, tmp_path, timing, speed):
    folder = shutil.copytree(tiny_export, tmp_path / "export")
    (folder / "timing.json").unlink(missing_ok=True)
    if timing is not None:
        (folder / "timing.json").write_text(json.dumps(timing))
    assert TrainData(folder, TrainConfig.notebook("cnn"), {}).teacher_speed == speed
