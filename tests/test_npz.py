"""Archives of arrays that are damaged or hostile end in one sentence, and in no more memory than they may take."""

import io
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from bit_flips import flip_bits
from distill_jax.errors import InputError, MissingInputError
from distill_jax.npz import read_npy, read_npz

ARRAYS = {
    "a": np.arange(60, dtype=np.float32).reshape(3, 20),
    "b": np.array([], np.int64),
    "c": np.asfortranarray(np.eye(3)),
}


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _header(text, rest=b""):
    padded = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + rest


def _archive(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content if isinstance(content, bytes) else _npy(content))
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, save):
    save(tmp_path / "x.npz", **ARRAYS)
    found = read_npz(tmp_path / "x.npz", "file")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)
    assert read_npz(tmp_path / "x.npz", "file", ["b"]).keys() == {"b"}


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"file .*none\.npz: expected a file, found none"):
        read_npz(tmp_path / "none.npz", "file")
    with pytest.raises(InputError, match=r"missing array z; it has \['a'\]"):
        read_npz(_archive(tmp_path / "x.npz", {"a": ARRAYS["a"]}), "file", ["a", "z"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_npy(np.array([1, "x"], object)), "plain arrays without pickles"),
        (_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3000000000, 8), }"), "has 96,000,000,000 bytes"),
        (_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 8), }"), "something else"),
        (_header("{'descr': '<f4', 'fortran_order': False, 'shape': (True,), }", bytes(4)), "something else"),
        (_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), ", bytes(8)), "something else"),
        (_header("{'descr': [('a', '<f4')] * 9, 'fortran_order': False, 'shape': (2,), }", bytes(8)), "something else"),
        (_header("{'descr': '|V0', 'fortran_order': False, 'shape': (2,), }"), "something else"),
        (b"\x93NUMPY\x09\x00", "NumPy's format 9.0"),
        (b"", "something else"),
    ],
)
def test_an_array_that_is_none_is_one_sentence(tmp_path, content, message):
    _archive(tmp_path / "x.npz", {"a": content})
    (tmp_path / "x.npy").write_bytes(content)
    for read, name in ((read_npz, "x.npz"), (read_npy, "x.npy")):
        with pytest.raises(InputError, match=rf"{re.escape(name)}: expected .*{'' if name == 'x.npy' else message}"):
            read(tmp_path / name, "file")


def test_an_archive_that_declares_more_than_it_holds_takes_no_memory(tmp_path):
    path = _archive(tmp_path / "bomb.npz", {"a": np.zeros(30_000_000)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    with pytest.raises(InputError, match=r"240,000,128 bytes in an archive of"):
        read_npz(path, "file")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_is_packed_otherwise_than_numpy_s_is_refused_before_it_is_unpacked(tmp_path, method):
    """Python unpacks all that such a stream makes, and looks at the declared size afterwards."""
    path = _archive(tmp_path / "x.npz", {"a": np.zeros(30_000_000)}, method)
    content = path.read_bytes()
    declared = (30_000_000 * 8 + 128).to_bytes(4, "little")
    assert content.count(declared) == 2
    path.write_bytes(content.replace(declared, (1_000_128).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(InputError, match=rf"x\.npz: expected a NumPy .npz file, got .* by method {method}"):
        read_npz(path, "file")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path, save):
    save(tmp_path / "x.npz", **ARRAYS)

    def answer():
        found = read_npz(tmp_path / "x.npz", "file", list(ARRAYS))
        return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in found.items()}

    assert flip_bits(tmp_path, answer, 2000)["refused"] > 500
