"""One test per rule of the export folder's format; each bad folder is refused by a sentence that says what is wrong."""

import copy
import dataclasses
import io
import json
import re
import shutil

import numpy as np
import pytest

from bit_flips import flip_bits
from distill_jax.checksums import CHECKSUMS
from distill_jax.data.examples import read_examples
from distill_jax.data.exports import Export
from distill_jax.errors import InputError, MissingInputError
from distill_jax.export.format import ExportFormatError, Manifest, parse_manifest, read_manifest
from distill_jax.export.reader import iterate_parts, load_arrays, read_token_embeddings, validate_arrays
from distill_jax.files import sha256_file
from golden_export import FOLDER as GOLDEN
from golden_export import PARTS, write_golden_export
from tiny_export import write_tiny_export

PART = PARTS["train"][0]  # two rows, of 4 and 2 tokens, three classes, a vocabulary of 12
ARRAYS = PART.arrays()


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "export")
    return tmp_path / "export"


def _manifest_json():
    return json.loads((GOLDEN / "manifest.json").read_text())


def _changed(path, value):
    """Return the golden manifest's JSON with the field at ``path`` set to ``value`` (deleted where it is ``...``)."""
    manifest = copy.deepcopy(_manifest_json())
    *parents, last = path
    target = manifest
    for name in parents:
        target = target[name]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return manifest


def _record(folder, part_file, content):
    """Put ``content`` (bytes) in a part's place and its hash into the manifest, so that only the content is wrong."""
    path = folder / part_file
    path.write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    for split in manifest["splits"].values():
        for part in split["parts"]:
            if part["file"] == part_file:
                part["sha256"] = sha256_file(path)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _npz(part=PART, **changes):
    stream = io.BytesIO()
    arrays = {**part.arrays(), **changes}
    np.savez(stream, **{name: array for name, array in arrays.items() if array is not ...})
    return stream.getvalue()


def _read_train(folder):
    return list(iterate_parts(folder, read_manifest(folder), "train"))


def test_a_manifest_is_read_as_it_was_written():
    manifest = parse_manifest(_manifest_json(), "manifest.json")
    assert manifest.to_json() == _manifest_json()
    assert manifest.num_labels == 3
    assert manifest.examples("validation") == 0


@pytest.mark.parametrize(
    "field", ["schema_version", "label_names", "vocab_size", "pad_id", "max_length", "teacher", "config", "splits"]
)
def test_a_missing_field_is_named(field):
    with pytest.raises(ExportFormatError, match=f"^m.json: missing field '{field}'$"):
        parse_manifest(_changed([field], ...), "m.json")


@pytest.mark.parametrize("field", ["examples", "parts"])
def test_a_missing_field_of_a_split_is_named(field):
    with pytest.raises(ExportFormatError, match=rf"^m.json: splits.train: missing field '{field}'$"):
        parse_manifest(_changed(["splits", "train", field], ...), "m.json")


@pytest.mark.parametrize("field", ["file", "examples", "sha256"])
def test_a_missing_field_of_a_part_is_named(field):
    with pytest.raises(ExportFormatError, match=rf"^m.json: splits.train.parts\[1\]: missing field '{field}'$"):
        parse_manifest(_changed(["splits", "train", "parts", 1, field], ...), "m.json")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema_version"], "1", "schema_version: expected a whole number, got '1'"),
        (["schema_version"], True, "schema_version: expected a whole number, got True"),
        (["schema_version"], 2, "schema_version is 2, this program reads version 1"),
        (["label_names"], "abc", "label_names: expected a list, got 'abc'"),
        (["label_names"], ["one"], "label_names: expected at least two strings, got ['one']"),
        (["label_names"], ["one", 2], "label_names: expected at least two strings, got ['one', 2]"),
        (["label_names"], ["a", "a", "b"], "label_names: expected different names, got ['a', 'a', 'b']"),
        (["vocab_size"], 12.0, "vocab_size: expected a whole number, got 12.0"),
        (["vocab_size"], 0, "vocab_size: expected 1 to 2147483647, got 0"),
        (["pad_id"], None, "pad_id: expected a whole number, got None"),
        (["pad_id"], 12, "pad_id: expected 0 to 11 (vocab_size - 1), got 12"),
        (["pad_id"], -1, "pad_id: expected 0 to 11 (vocab_size - 1), got -1"),
        (["max_length"], False, "max_length: expected a whole number, got False"),
        (["max_length"], -3, "max_length: expected 1 to 1048576, got -3"),
        (["teacher"], "bert", "teacher: expected a JSON object, got 'bert'"),
        (["config"], [], "config: expected a JSON object, got []"),
        (["splits"], [], "splits: expected a JSON object, got []"),
        (["splits", "train"], ..., "splits: expected a split 'train', got ['test', 'transfer']"),
        (["splits", "test"], ..., "splits: expected a split 'test', got ['train', 'transfer']"),
        (["splits", "dev"], {}, "splits.dev: expected one of train, test, validation, transfer, got 'dev'"),
        (["splits", "train"], 3, "splits.train: expected a JSON object, got int"),
        (["splits", "train", "parts"], {}, "splits.train: parts: expected a list, got {}"),
        (["splits", "train", "parts", 0], "x", "splits.train.parts[0]: expected a JSON object, got str"),
        (
            ["splits", "train", "parts", 0, "examples"],
            0,
            "splits.train.parts[0]: examples: expected 1 to 2147483647, got 0",
        ),
        (["splits", "train", "parts", 0, "sha256"], "ff", "parts[0].sha256: expected 64 hexadecimal digits, got 'ff'"),
        (["splits", "train", "examples"], 4, "splits.train.examples: expected the sum over its parts, 3, got 4"),
        (["splits", "train", "examples"], "3", "splits.train: examples: expected a whole number, got '3'"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(path, value, message):
    with pytest.raises(ExportFormatError, match="^" + re.escape("m.json: ") + ".*" + re.escape(message)):
        parse_manifest(_changed(path, value), "m.json")


@pytest.mark.parametrize(
    "file", ["../secret.npz", "/etc/passwd", "train/part-00001.npz", "test/../train/part-00000.npz"]
)
def test_a_part_never_lies_outside_its_place(file):
    with pytest.raises(ExportFormatError, match="file: expected 'train/part-00000.npz', got " + re.escape(repr(file))):
        parse_manifest(_changed(["splits", "train", "parts", 0, "file"], file), "m.json")


def test_a_missing_folder_and_a_missing_manifest_say_what_to_run(tmp_path):
    with pytest.raises(MissingInputError, match=r"no such folder; make one with python -m teacher_export"):
        read_manifest(tmp_path / "none")
    with pytest.raises(MissingInputError, match=r"it has no manifest.json, so its export has not ended"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected JSON in UTF-8, got something else"),
        (b'{"schema_version": 1', "expected JSON in UTF-8, got something else"),
        (b'{"label_names": ["\xff"]}', "expected JSON in UTF-8, got something else"),
        (b"[1]", "expected a JSON object, got list"),
    ],
)
def test_a_broken_manifest_is_refused(folder, content, message):
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=f"manifest .*manifest.json: {message}"):
        read_manifest(folder)


def test_a_missing_part_is_named(folder):
    (folder / "train/part-00001.npz").unlink()
    with pytest.raises(MissingInputError, match=r"train/part-00001.npz: the manifest lists it, but there is no such"):
        _read_train(folder)


def test_a_part_with_one_bit_changed_is_named(folder):
    path = folder / "train/part-00001.npz"
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ExportFormatError, match=r"train/part-00001.npz: its bytes do not match the manifest .*delete it"
    ):
        _read_train(folder)


def test_the_manifest_s_row_count_of_a_part_is_checked(folder):
    _record(folder, "train/part-00000.npz", _npz(PARTS["train"][1]))
    with pytest.raises(ExportFormatError, match=r"part-00000.npz: expected 2 rows \(the manifest\), got 1"):
        _read_train(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a NumPy .npz file, got something else"),
        (_npz()[:300], "expected a NumPy .npz file, got something else"),
        (b"PK\x03\x04" + bytes(60), "expected a NumPy .npz file, got something else"),
        (b"no archive at all", "expected a NumPy .npz file, got something else"),
        (_npz(labels=np.array([0, "x"], object)), "expected plain arrays without pickles"),
        (_npz(labels=...), "missing array labels; it has "),
    ],
    ids=["empty", "truncated", "bad zip", "text", "pickled", "array missing"],
)
def test_what_is_no_archive_of_plain_arrays_is_refused(folder, content, message):
    _record(folder, "train/part-00000.npz", content)
    with pytest.raises(ExportFormatError, match=f"train/part-00000.npz: {message}"):
        _read_train(folder)


def test_a_bare_array_is_no_part(folder):
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    _record(folder, "train/part-00000.npz", stream.getvalue())
    with pytest.raises(ExportFormatError, match=r"expected a NumPy .npz file"):
        _read_train(folder)


def test_a_pickle_is_never_executed(folder, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    _record(folder, "train/part-00000.npz", _npz(labels=np.array([Harmful(), 1], object)))
    with pytest.raises(ExportFormatError, match="without pickles"):
        _read_train(folder)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("example_ids", PART.example_ids.astype(np.int32), r"expected int64 \[2\], got int32 \[2\]"),
        ("example_ids", np.int64(3), r"expected int64 \[1\], got int64 \[\]"),
        ("token_ids", ARRAYS["token_ids"].astype(np.int64), r"expected int32 \[6\], got int64 \[6\]"),
        ("token_ids", ARRAYS["token_ids"][None], r"expected int32 \[6\], got int32 \[1, 6\]"),
        ("token_offsets", ARRAYS["token_offsets"][:-1], r"expected int64 \[3\], got int64 \[2\]"),
        ("labels", PART.labels.astype(np.float32), r"expected int32 \[2\], got float32 \[2\]"),
        ("labels", PART.labels[:1], r"expected int32 \[2\], got int32 \[1\]"),
        ("teacher_logits", PART.teacher_logits.astype(np.float64), r"expected float32 \[2, 3\], got float64 \[2, 3\]"),
        ("teacher_logits", PART.teacher_logits[:, :2], r"expected float32 \[2, 3\], got float32 \[2, 2\]"),
        ("teacher_logits", PART.teacher_logits[:1], r"expected float32 \[2, 3\], got float32 \[1, 3\]"),
        ("hints", np.zeros((6, 4), np.float32), r"expected int8 \[6, 4\], got float32 \[6, 4\]"),
        ("hints", np.zeros((5, 4), np.int8), r"expected int8 \[6, 4\], got int8 \[5, 4\]"),
        ("hints", np.zeros(6, np.int8), r"expected int8 \[6, 6\], got int8 \[6\]"),
    ],
)
def test_each_array_has_its_type_and_shape(name, array, message):
    arrays = {**ARRAYS, name: np.asarray(array)}
    with pytest.raises(ExportFormatError, match=f"^part p: {name}: {message}$"):
        validate_arrays(arrays, 3, 12, "part p")


@pytest.mark.parametrize("offsets", [[1, 4, 6], [0, 4, 5], [0, 5, 4], [0, 7, 6], [0, -1, 6]])
def test_offsets_start_at_0_never_decrease_and_end_at_the_tokens_count(offsets):
    arrays = {**ARRAYS, "token_offsets": np.array(offsets, np.int64)}
    with pytest.raises(ExportFormatError, match=r"token_offsets: expected to start at 0, never decrease and end at 6$"):
        validate_arrays(arrays, 3, 12, "part p")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("token_ids", 12, r"token_ids \(token 1\): expected 0 to 11, got 12"),
        ("token_ids", -1, r"token_ids \(token 1\): expected 0 to 11, got -1"),
        ("labels", 3, r"labels \(row 1\): expected -1 to 2, got 3"),
        ("labels", -2, r"labels \(row 1\): expected -1 to 2, got -2"),
        ("teacher_logits", np.nan, r"teacher_logits \(row 1\): expected finite numbers, got \[nan, nan, nan\]"),
        ("teacher_logits", -np.inf, r"teacher_logits \(row 1\): expected finite numbers, got \[-inf, -inf, -inf\]"),
        ("example_ids", 3, "example_ids: expected every row's to differ, got repeated ones"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_row(name, value, message):
    array = ARRAYS[name].copy()
    array[1] = value
    with pytest.raises(ExportFormatError, match=f"^part p: {message}$"):
        validate_arrays({**ARRAYS, name: array}, 3, 12, "part p")


def test_minus_1_is_unlabelled_and_an_empty_text_is_a_row():
    validate_arrays(PARTS["transfer"][0].arrays(), 3, 12, "part p")
    assert PARTS["transfer"][0].labels.tolist() == [-1, -1]
    assert PARTS["transfer"][0].arrays()["token_offsets"].tolist() == [0, 0, 3]


def test_an_example_id_in_two_parts_is_refused(folder):
    second = PARTS["train"][1]
    repeated = dataclasses.replace(second, example_ids=PART.example_ids[1:])
    _record(folder, "train/part-00001.npz", _npz(repeated))
    with pytest.raises(ExportFormatError, match=r"part-00001.npz: example_ids: expected none of an earlier part's"):
        _read_train(folder)


def test_a_split_that_is_not_there_is_named(folder):
    with pytest.raises(ExportFormatError, match=r"no split 'validation', only \['test', 'train', 'transfer'\]"):
        list(iterate_parts(folder, read_manifest(folder), "validation"))


def test_a_split_without_parts_is_refused_when_its_rows_are_wanted(folder):
    manifest = parse_manifest(_changed(["splits", "test"], {"examples": 0, "parts": []}), "m.json")
    assert list(iterate_parts(folder, manifest, "test")) == []
    with pytest.raises(InputError, match="split 'test': expected at least one row, got none"):
        read_examples(folder, manifest, "test")


def test_an_array_of_other_bytes_is_refused(folder, tmp_path):
    import zipfile

    path = tmp_path / "part.npz"
    path.write_bytes(_npz(labels=...))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.npy", b"these are no NumPy bytes")
    with pytest.raises(ExportFormatError):
        validate_arrays(load_arrays(path), 3, 12, "part p")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros((12, 2), np.float32), r"expected float16 \[12, dim\], got float32 \[12, 2\]"),
        (np.zeros((11, 2), np.float16), r"expected float16 \[12, dim\], got float16 \[11, 2\]"),
        (np.zeros(12, np.float16), r"expected float16 \[12, dim\], got float16 \[12\]"),
    ],
)
def test_the_embedding_table_has_its_type_and_shape(folder, table, message):
    np.save(folder / "token_embeddings.npy", table)
    with pytest.raises(ExportFormatError, match=f"token_embeddings.npy: {message}"):
        read_token_embeddings(folder, read_manifest(folder))


def test_a_missing_or_damaged_embedding_table_is_named(folder):
    manifest = read_manifest(folder)
    (folder / "token_embeddings.npy").write_bytes(b"")
    with pytest.raises(ExportFormatError, match=r"token_embeddings.npy: expected a NumPy array"):
        read_token_embeddings(folder, manifest)
    (folder / "token_embeddings.npy").unlink()
    with pytest.raises(MissingInputError, match="expected the teacher's embedding table, found no file"):
        read_token_embeddings(folder, manifest)


def test_two_manifests_differ_where_they_should():
    first = parse_manifest(_manifest_json(), "a")
    second = parse_manifest(_changed(["max_length"], 7), "b")
    assert isinstance(first, Manifest)
    assert first != second


def test_a_vocabulary_that_the_embedding_table_does_not_have_is_refused_before_memory_is_taken(tmp_path):
    folder = write_tiny_export(tmp_path / "export")
    Export.open(folder).load_tokenizer()
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"vocab_size": 64', '"vocab_size": 100000000'))
    (folder / CHECKSUMS).unlink()  # as from another program, which need not write it
    with pytest.raises(
        ExportFormatError, match=r"vocab_size: expected 64, the rows of token_embeddings\.npy, got 100000000"
    ):
        Export.open(folder).load_tokenizer()


def test_a_flipped_bit_in_an_export_is_refused_or_changes_no_answer(tmp_path):
    write_golden_export(tmp_path)

    def answer():
        export = Export.open(tmp_path)
        manifest = export.manifest
        parts = [part for split in sorted(manifest.splits) for part in iterate_parts(tmp_path, manifest, split)]
        arrays = [array.tobytes() for part in parts for array in part.arrays().values()]
        return manifest, export.tokenizer, arrays, read_token_embeddings(tmp_path, manifest).tobytes()

    outcomes = flip_bits(tmp_path, answer, 400)
    assert outcomes["refused"] > 350
