import dataclasses
import errno
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from distill_jax.errors import InputError
from distill_jax.export import writer as writers
from distill_jax.export.format import ExportFormatError, read_manifest
from distill_jax.export.reader import iterate_parts
from distill_jax.export.writer import ExportWriter, OtherExportError
from distill_jax.files import first_difference, sha256_file
from tiny_export import tiny_header, tiny_part, tiny_tokenizer

PARTS = [tiny_part(7, seed, 10 * seed) for seed in range(3)]


def _write(folder, indices=(0, 1, 2), header=None):
    """Write the missing ones of train parts ``indices`` and a test part; return the names of those computed."""
    writer = ExportWriter(folder, header or tiny_header())
    computed = []
    for split, index in [*(("train", index) for index in indices), ("test", 0)]:
        if not writer.is_done(split, index):
            writer.write(split, index, PARTS[index])
            computed.append((split, index))
    return writer, computed


def _finish(writer):
    writer.write_tokenizer(tiny_tokenizer().to_str())
    writer.write_token_embeddings(np.ones((64, 4)))
    return writer.finish({"train": 3, "test": 1}, {**writer.header.teacher, "test_accuracy": 0.5})


def _contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def whole(tmp_path):
    """The folder of an export that was never interrupted."""
    _finish(_write(tmp_path / "whole")[0])
    return tmp_path / "whole"


def test_a_whole_export_reads_back(whole):
    manifest = read_manifest(whole)
    assert not (whole / "manifest.partial.json").exists()
    for part, wanted in zip(iterate_parts(whole, manifest, "train"), PARTS, strict=True):
        for name, array in wanted.arrays().items():
            np.testing.assert_array_equal(part.arrays()[name], array)


def test_the_same_arrays_give_the_same_bytes_on_another_day(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 2e9)
    _finish(_write(tmp_path / "again")[0])
    assert _contents(tmp_path / "again") == _contents(whole)
    with zipfile.ZipFile(whole / "train/part-00000.npz") as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}


@pytest.mark.parametrize("done", [0, 1, 2])
def test_going_on_computes_the_missing_parts_alone_and_ends_with_the_same_bytes(tmp_path, whole, done):
    folder = tmp_path / "resumed"
    writer = ExportWriter(folder, tiny_header())
    for index in range(done):
        writer.write("train", index, PARTS[index])
    writer, computed = _write(folder)
    assert computed == [*(("train", index) for index in range(done, 3)), ("test", 0)]
    _finish(writer)
    assert _contents(folder) == _contents(whole)


def test_a_whole_export_is_not_computed_again(whole):
    before = _contents(whole)
    writer, computed = _write(whole)
    assert computed == []
    _finish(writer)
    assert _contents(whole) == before


def test_a_kill_between_a_part_and_its_record_computes_it_again(tmp_path, whole, monkeypatch):
    folder = tmp_path / "killed"
    writer = ExportWriter(folder, tiny_header())
    writer.write("train", 0, PARTS[0])

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writers, "record_of", killed)
        with pytest.raises(KeyboardInterrupt):
            writer.write("train", 1, PARTS[1])
    assert (folder / "train/part-00001.npz").is_file()
    (folder / "train/.part-00002.npz.99-00ff00ff.tmp").write_bytes(b"half a part")
    (folder / ".manifest.partial.json.99-00ff00ff.tmp").write_bytes(b"{")
    writer, computed = _write(folder)
    assert computed == [("train", 1), ("train", 2), ("test", 0)]
    _finish(writer)
    assert _contents(folder) == _contents(whole)


@pytest.mark.parametrize("damage", ["changed", "truncated", "deleted"])
@pytest.mark.parametrize("finished", [True, False])
def test_a_damaged_part_is_computed_again(tmp_path, whole, damage, finished):
    if not finished:
        (whole / "manifest.json").unlink()
        shutil.rmtree(whole)
        _write(whole)
    path = whole / "train/part-00001.npz"
    content = path.read_bytes()
    changed = {"changed": content[:-1] + b"?", "truncated": content[:100]}
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    writer, computed = _write(whole)
    assert computed == [("train", 1)]
    assert path.read_bytes() == content
    _finish(writer)
    read_manifest(whole)


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("change", "field", "old", "new"),
    [
        ({"max_length": 32}, "max_length", "24", "32"),
        ({"label_names": ("bad", "fair", "fine")}, "label_names", "['bad', 'fair', 'good']", "['bad', 'fair', 'fine']"),
        ({"vocab_size": 70}, "vocab_size", "64", "70"),
        ({"pad_id": 1}, "pad_id", "0", "1"),
        ({"config": {"dataset": "tiny", "seed": 1}}, "config.seed", "0", "1"),
        ({"config": {"dataset": "tiny", "seed": 0, "sample": 5}}, "config.sample", "None", "5"),
        ({"teacher": {"name": "word counter", "fingerprint": "1"}}, "teacher.fingerprint", "'" + "0" * 64 + "'", "'1'"),
    ],
)
def test_another_export_is_never_mixed_in(tmp_path, finished, change, field, old, new):
    folder = tmp_path / "export"
    writer, _ = _write(folder)
    if finished:
        _finish(writer)
    before = _contents(folder)
    with pytest.raises(OtherExportError) as caught:
        ExportWriter(folder, dataclasses.replace(tiny_header(), **change))
    assert f"its {field} is {old}, this one's is {new}; name another folder with --output" in str(caught.value)
    assert _contents(folder) == before


def test_the_teacher_s_measured_accuracy_is_not_its_identity(whole):
    header = dataclasses.replace(tiny_header(), teacher={**tiny_header().teacher, "test_accuracy": 0.1})
    assert _write(whole, header=header)[1] == []


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="expected an empty folder or an export, found other files; name another"):
        ExportWriter(tmp_path, tiny_header())
    assert _contents(tmp_path) == {"thesis.txt": b"years of work"}


def test_what_a_kill_before_the_first_record_leaves_is_no_hindrance(tmp_path):
    (tmp_path / ".manifest.partial.json.7-00ff00ff.tmp").write_bytes(b"{")
    ExportWriter(tmp_path, tiny_header())
    assert _contents(tmp_path) == {}


@pytest.mark.parametrize(
    "content", ["{}", '{"identity": {}, "parts": 3}', '{"identity": {}, "parts": [{"file": "x"}]}', '{"parts": []}']
)
def test_a_broken_record_is_refused(tmp_path, content):
    (tmp_path / "manifest.partial.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest.partial.json: expected an export's record, got something else"):
        ExportWriter(tmp_path, tiny_header())


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_leaves_no_broken_part_and_the_next_run_goes_on(tmp_path, whole, monkeypatch, call):
    folder = tmp_path / "full"
    writer = ExportWriter(folder, tiny_header())
    writer.write("train", 0, PARTS[0])
    before = _contents(folder)

    def no_space(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*{"fsync": (os, "fsync"), "write": (np, "savez")}[call], no_space)
        with pytest.raises(OSError, match="No space left"):
            writer.write("train", 1, PARTS[1])
    assert _contents(folder) == before
    writer, computed = _write(folder)
    assert ("train", 0) not in computed
    _finish(writer)
    assert _contents(folder) == _contents(whole)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_disk_that_fills_up_under_the_stream_raises_and_leaves_nothing(tmp_path, monkeypatch):
    real_open = Path.open

    def open_full(path, mode="r", *arguments, **options):
        writes = "w" in mode or "x" in mode
        return real_open(Path("/dev/full") if writes else path, "wb" if writes else mode, *arguments, **options)

    folder = tmp_path / "full"
    writer = ExportWriter(folder, tiny_header())
    writer.begin()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_full)
        with pytest.raises(OSError, match="No space left"):
            writer.write("train", 0, PARTS[0])
    assert set(_contents(folder)) == {"manifest.partial.json"}


def test_a_part_that_breaks_a_rule_is_not_written(tmp_path):
    logits = PARTS[0].teacher_logits.copy()
    logits[4, 1] = np.nan
    writer = ExportWriter(tmp_path / "export", tiny_header())
    with pytest.raises(ExportFormatError, match=r"train/part-00000.npz: teacher_logits \(row 4\): expected finite"):
        writer.write("train", 0, dataclasses.replace(PARTS[0], teacher_logits=logits))
    assert _contents(tmp_path / "export") == {}


def test_the_record_says_what_is_whole(tmp_path):
    folder = tmp_path / "export"
    _write(folder, indices=(0,))
    identity = json.loads((folder / "manifest.partial.json").read_text())["identity"]
    assert identity["config"] == {"dataset": "tiny", "seed": 0}
    for split in ("test", "train"):
        record = json.loads((folder / split / "part-00000.json").read_text())
        assert record["file"] == f"{split}/part-00000.npz"
        assert record["sha256"] == sha256_file(folder / record["file"])


def test_a_record_that_version_0_1_has_begun_is_gone_on_with(tmp_path, whole):
    """It had the parts in one file."""
    folder = tmp_path / "export"
    _write(folder, indices=(0,))
    begun, parts = folder / "manifest.partial.json", []
    for record in folder.glob("*/part-*.json"):
        parts.append(json.loads(record.read_text()))
        record.unlink()
    begun.write_text(json.dumps({**json.loads(begun.read_text()), "parts": parts}))
    writer, computed = _write(folder)
    assert all(index != 0 for _, index in computed)
    _finish(writer)
    assert _contents(folder) == _contents(whole)


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": [1, 2]}, {"a": (1, 2)}, None),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ("a.b", 1, 2)),
        ({"a": 1}, {"a": 1, "c": 3}, ("c", None, 3)),
        ({"a": 1, "c": 3}, {"a": 1}, ("c", 3, None)),
        ({"a": {"b": 1}}, {"a": 5}, ("a", {"b": 1}, 5)),
    ],
)
def test_first_difference(old, new, difference):
    assert first_difference(old, new) == difference


def test_a_writer_that_writes_nothing_leaves_no_folder(tmp_path):
    ExportWriter(tmp_path / "export", tiny_header())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_through_a_link_in_a_split_s_place(tmp_path):
    begun, outside = tmp_path / "begun", tmp_path / "outside"
    _write(begun, [0])
    outside.mkdir()
    (outside / "part-00000.npz").write_text("mine")
    (outside / ".part-00001.npz.12-ab.tmp").write_text("mine too")
    shutil.rmtree(begun / "train")
    (begun / "train").symlink_to(outside)
    with pytest.raises(InputError, match="expected train to be its own, found a link to"):
        _write(begun)
    assert _contents(outside) == {"part-00000.npz": b"mine", ".part-00001.npz.12-ab.tmp": b"mine too"}
