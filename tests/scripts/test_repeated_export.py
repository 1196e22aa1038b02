"""An export with its transfer set repeated is one that a student trains on, in memory or beyond it."""

import numpy as np

from command_lines import call, refusal
from distill_jax.data.exports import Export
from distill_jax.export.format import read_manifest
from scripts.repeated_export import main
from tiny_export import write_tiny_export


def test_the_transfer_set_stands_there_so_many_times_and_all_else_once(capsys, tmp_path):
    write_tiny_export(tmp_path / "one", transfer_rows=50)
    status, said, _ = call(capsys, main, tmp_path / "one", tmp_path / "three", "--times", "3")
    assert (status, said) == (0, f"150 rows in {tmp_path / 'three'}\n")
    one, three = Export.open(tmp_path / "one"), Export.open(tmp_path / "three")
    for split in ("train", "test"):
        np.testing.assert_array_equal(three.split(split).tokens.ids, one.split(split).tokens.ids)
        np.testing.assert_array_equal(three.split(split).labels, one.split(split).labels)
    np.testing.assert_array_equal(three.transfer.teacher_logits, np.tile(one.transfer.teacher_logits, (3, 1)))
    assert read_manifest(tmp_path / "three").label_names == read_manifest(tmp_path / "one").label_names


def test_an_export_without_a_transfer_set_is_refused(capsys, tmp_path):
    write_tiny_export(tmp_path / "one")
    assert "expected a transfer set, found" in refusal(capsys, main, tmp_path / "one", tmp_path / "two")
    assert not (tmp_path / "two").exists()
