import json

import pytest

from command_lines import call
from packed_students import packed_student
from scripts.model_answers import main


@pytest.mark.parametrize("name", ["linear", "cnn", "bilstm"])
def test_labels_by_numpy_onnx_and_stablehlo_are_the_same_on_a_whole_test_split(tmp_path, capsys, tiny_export, name):
    pytest.importorskip("onnxruntime", reason="onnxruntime is of the extra test")
    packed_student(name).write(tmp_path / "student.djx")
    status, out, error = call(capsys, main, tmp_path / "student.djx", "--export", tiny_export)
    assert (status, error) == (0, "")
    found = json.loads(out)
    assert found["rows"] == 90
    assert found["onnx"]["same_answers"] == found["stablehlo"]["same_answers"] == 90
    assert max(found[form]["largest_difference"] for form in ("onnx", "stablehlo")) < 1e-4
