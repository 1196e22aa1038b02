"""What Python's JSON reader lets through, and what stops it, is one sentence."""

import json

import pytest

from distill_jax.errors import InputError
from distill_jax.files import read_json


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
        '{"a": 9223372036854775808}',
        '{"a": -9223372036854775809}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"\\udfff": 1}',
        '{"a": [{"b": "\\ud800x"}]}',
        '{"a": 1',
        "",
        "\x00",
    ],
)
def test_what_is_no_json_of_ours_is_one_sentence(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"thing .*a\.json: expected JSON in UTF-8, got something else") as found:
        read_json(path, "thing")
    assert len(str(found.value)) < 500 + len(str(path))


def test_bytes_that_are_no_utf_8_are_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InputError, match="expected JSON in UTF-8"):
        read_json(tmp_path / "a.json", "thing")


def test_everything_else_is_what_python_reads(tmp_path):
    value = {"a": [9223372036854775807, -9223372036854775808, 0.1, 1e300, True, None, "ü\U0001f600", {"": []}]}
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert read_json(tmp_path / "a.json", "thing") == value
