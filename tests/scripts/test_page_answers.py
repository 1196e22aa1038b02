import dataclasses
import re

import pytest

from browser import require_browser
from command_lines import call, refusal
from distill_jax.conversion.html import Html
from distill_jax.packed.student import PackedStudent, read_packed
from distill_jax.packing.pack import pack
from scripts.page_answers import main


@pytest.fixture(scope="module")
def packed(packable, tmp_path_factory):
    """Packed files of trained students, in alphabetical order, and their export."""
    require_browser()
    folder, exports = tmp_path_factory.mktemp("packed"), set()
    for name, (run, export) in packable.items():
        pack(run, export, max_loss=5).student.write(folder / f"{name}.djx")
        exports.add(export)
    (export,) = exports
    return sorted(folder.iterdir()), export


def test_the_labels_of_a_whole_test_split_are_those_of_the_packed_file(capsys, packed):
    files, export = packed
    status, said, error = call(capsys, main, *files, "--export", export)
    assert (status, error) == (0, "")
    found = re.findall(r"(\d+) of (\d+) answers and the tokens of (\d+) texts", said)
    assert found == [("200", "200", "200")] * len(files)


def test_a_page_that_answers_otherwise_is_told(capsys, packed, monkeypatch):
    (file, *_), export = packed
    other = dataclasses.replace(read_packed(file), max_length=4)
    files = Html.files

    def of_another(self, student: PackedStudent):
        return files(self, other)

    monkeypatch.setattr(Html, "files", of_another)
    assert "expected the same answers" in refusal(capsys, main, file, "--export", export)


def test_where_there_is_no_browser_it_says_so(capsys, packed, monkeypatch):
    (file, *_), export = packed
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    assert "Chromium" in refusal(capsys, main, file, "--export", export)
