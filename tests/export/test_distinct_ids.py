"""The ids of a split all differ: found out right, and without work that grows with the square of the rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill_jax.export.distinct_ids import DistinctIds
from distill_jax.export.format import ExportFormatError, read_manifest
from distill_jax.export.reader import iterate_parts
from distill_jax.export.writer import ExportWriter
from tiny_export import tiny_header, tiny_part, tiny_tokenizer

IDS = st.one_of(st.integers(-3, 40), st.integers(-(2**63), 2**63 - 1))


@given(st.lists(st.lists(IDS, max_size=12), max_size=12))
def test_repeated_ids_are_found_exactly_where_a_set_finds_them(blocks):
    seen, ids = set(), DistinctIds()
    for block in blocks:
        differ = len(set(block)) == len(block) and seen.isdisjoint(block)
        assert ids.add(np.array(block, np.int64)) == differ
        if not differ:
            return
        seen.update(block)


def write_parts(folder, id_blocks):
    """Write an export whose train parts have the given ids; return its manifest."""
    writer = ExportWriter(folder, tiny_header())
    for index, ids in enumerate(id_blocks):
        part = tiny_part(len(ids), index, 0)
        part.example_ids[:] = ids
        writer.write("train", index, part)
    writer.write("test", 0, tiny_part(2, 0, 0))
    writer.write_tokenizer(tiny_tokenizer().to_str())
    writer.write_token_embeddings(np.ones((64, 4)))
    writer.finish({"train": len(id_blocks), "test": 1}, writer.header.teacher)
    return read_manifest(folder)


@pytest.mark.parametrize("earlier", [0, 1, 5])
def test_an_id_of_any_earlier_part_is_refused(tmp_path, earlier):
    blocks = np.random.default_rng(0).permutation(10**6)[:28].reshape(7, 4)
    manifest = write_parts(tmp_path / "good", blocks)
    assert sum(map(len, iterate_parts(tmp_path / "good", manifest, "train"))) == 28
    blocks[6, 2] = blocks[earlier, 3]
    manifest = write_parts(tmp_path / "bad", blocks)
    with pytest.raises(ExportFormatError, match=r"part-00006\.npz: example_ids: expected none of an earlier part's"):
        list(iterate_parts(tmp_path / "bad", manifest, "train"))


def work_of_reading(folder, parts, monkeypatch):
    """Return how many elements NumPy's set and sorting functions are given while a split of ``parts`` parts is read."""
    ids = np.random.default_rng(1).permutation(2**40 // 997 * np.arange(8 * parts)).reshape(parts, 8)
    manifest = write_parts(folder, ids)
    work = []

    def counted(name):
        function = getattr(np, name)

        def call(first, *arguments, **options):
            arrays = first if isinstance(first, list | tuple) else [first]
            sizes = [np.size(array) for array in [*arrays, *arguments] if isinstance(array, np.ndarray)]
            # A binary search looks at a logarithm of the sorted array alone.
            work.append(sizes[1] * np.log2(sizes[0] + 2) if name == "searchsorted" else sum(sizes))
            return function(first, *arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("sort", "concatenate", "isin", "unique", "searchsorted"):
            patch.setattr(np, name, counted(name))
        assert sum(map(len, iterate_parts(folder, manifest, "train"))) == 8 * parts
    return sum(work)


def test_four_times_the_parts_take_little_more_than_four_times_the_work(tmp_path, monkeypatch):
    few, many = (work_of_reading(tmp_path / str(parts), parts, monkeypatch) for parts in (64, 256))
    assert many < 7 * few  # 16 times where every part is compared with all before it
