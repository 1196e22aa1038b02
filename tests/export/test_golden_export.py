import hashlib
import re
from pathlib import Path

import numpy as np

from command_lines import ROOT
from distill_jax.checksums import CHECKSUMS, read_checksums
from distill_jax.export.format import SCHEMA_VERSION, read_manifest
from distill_jax.export.reader import iterate_parts, read_token_embeddings
from golden_export import FOLDER, HEADER, PARTS, TEACHER, TOKEN_EMBEDDINGS, TOKENIZER, write_golden_export

# Bytes as schema version 1 was first written.
PINNED = {
    "manifest.json": "a9270f26c7e6aebdd98ce58139c031f19256712454b665c05debc324dae4d1f4",
    "test/part-00000.npz": "5aaa64371f11bb0e835d2578fd0cdf27e4a2ff6c8570eac36cc3b423cf32d016",
    "token_embeddings.npy": "e6f9d8a53d83790255c64481485b8f8faaa10d389b8f7a829c73568d56ee3b54",
    "tokenizer.json": "c0663f824e91b406d762049c0289535dd109c414e012693055b6f274943ea94e",
    "train/part-00000.npz": "4d3d86808b13f3ca2107161718e4de3e83c052cd30c4ff74bd622b93d36ba88d",
    "train/part-00001.npz": "e056dac7c03fbb7fd698b213ded20a9df5d6af1ba80524ad67fdbb44097612c9",
    "transfer/part-00000.npz": "391026ec2e756c757105ffde0cc98690e7cf925737dee22fb911ed25a3cc30c5",
}


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_golden_folder_still_has_its_first_bytes():
    assert SCHEMA_VERSION == 1
    assert _digests(FOLDER) == PINNED, "the golden export is a witness of schema version 1: it never changes"


def test_reading_the_golden_folder_gives_what_went_into_it():
    manifest = read_manifest(FOLDER)
    assert (manifest.label_names, manifest.vocab_size, manifest.pad_id) == (HEADER.label_names, 12, 0)
    assert (manifest.max_length, manifest.teacher, manifest.config) == (6, TEACHER, HEADER.config)
    assert {split: manifest.examples(split) for split in manifest.splits} == {"train": 3, "test": 2, "transfer": 2}
    for split, expected in PARTS.items():
        parts = list(iterate_parts(FOLDER, manifest, split))
        assert len(parts) == len(expected)
        for part, wanted in zip(parts, expected, strict=True):
            for name, array in wanted.arrays().items():
                found = part.arrays()[name]
                assert found.dtype == array.dtype
                np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(read_token_embeddings(FOLDER, manifest), TOKEN_EMBEDDINGS)
    assert (FOLDER / "tokenizer.json").read_text() == TOKENIZER


def test_writing_the_golden_export_again_gives_the_same_bytes_and_their_record(tmp_path):
    write_golden_export(tmp_path / "again")
    found = _digests(tmp_path / "again")
    assert found.pop(CHECKSUMS)
    assert found == PINNED
    recorded = read_checksums(tmp_path / "again")
    assert recorded == {name: digest for name, digest in PINNED.items() if "/" not in name}


def test_the_example_in_the_documentation_writes_a_valid_export(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "export-format.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tokenizer.json").write_text(TOKENIZER)
    exec(compile(example, "export-format.md", "exec"), {})
    manifest = read_manifest(tmp_path / "exports/mine")
    assert [len(part) for part in iterate_parts(tmp_path / "exports/mine", manifest, "test")] == [2]
    assert read_token_embeddings(tmp_path / "exports/mine", manifest).shape == (30_522, 768)
