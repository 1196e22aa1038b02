"""Packed files: every way of packing beside every format, cut short, damaged, followed by more, or too large."""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile

import pyarrow as pa
import pytest

from distill_jax.errors import InputError
from distill_jax.tables import sources
from distill_jax.tables.formats import table_format
from distill_jax.tables.reading import column_names, read_rows
from export_helpers import configure
from teacher_export.transfer.unlabelled import find_unlabelled

ROWS = [(f"text {i} {'x' * (i % 50)}", f"{i % 5}") for i in range(5_000)]
CSV = "".join(f"{text},{stars}\n" for text, stars in [("text", "stars"), *ROWS]).encode()
TSV = CSV.replace(b",", b"\t")


def zipped(content, name="data.csv", method=zipfile.ZIP_DEFLATED, **others):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for member, packed in {name: content, **others}.items():
            archive.writestr(member, packed)
    return stream.getvalue()


def zstandard(content):
    return pa.compress(content, codec="zstd", asbytes=True)


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard, ".zip": zipped}
NAMES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
STREAMS = [suffix for suffix in PACK if suffix != ".zip"]


def written(folder, content, name):
    (folder / name).write_bytes(content)
    return folder / name


def read(path, columns=("text", "stars"), **options):
    return [row.cells for row in read_rows(path, table_format(path), columns, **options)]


@pytest.mark.parametrize("suffix", PACK)
def test_a_packed_table_is_the_table_whatever_its_name_says_of_the_packing(tmp_path, suffix):
    assert read(written(tmp_path, PACK[suffix](CSV), f"data.csv{suffix}")) == ROWS
    assert read(written(tmp_path, PACK[suffix](TSV), f"DATA.TSV{suffix.upper()}")) == ROWS
    assert read(written(tmp_path, PACK[suffix](CSV), "data.csv")) == ROWS


@pytest.mark.parametrize("suffix", PACK)
def test_a_packed_parquet_file_is_unpacked_first(tmp_path, suffix):
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    texts, stars = zip(*ROWS, strict=True)
    pq.write_table(pa.table({"text": texts, "stars": stars}), stream)
    assert read(written(tmp_path, PACK[suffix](stream.getvalue()), f"data.parquet{suffix}")) == ROWS


@pytest.mark.parametrize("suffix", PACK)
def test_packed_texts_without_classes_are_read(tmp_path, suffix):
    path = written(tmp_path, PACK[suffix](b"one\n\ntwo, three\n"), f"texts.txt{suffix}")
    found = find_unlabelled(configure("t", tmp_path / "out", unlabelled=(path,)))
    assert [text for source in found for text in source.texts()] == ["one", "two, three"]


@pytest.mark.parametrize("suffix", PACK)
def test_the_bytes_told_of_are_the_file_s(tmp_path, suffix):
    path, told = written(tmp_path, PACK[suffix](CSV), f"data.csv{suffix}"), []
    read(path, on_bytes=told.append)
    assert sum(told) == path.stat().st_size
    assert min(told) >= 0


@pytest.mark.parametrize("suffix", STREAMS)
def test_several_streams_are_read_one_after_the_other(tmp_path, suffix):
    middle = CSV.index(b"\n", len(CSV) // 2) + 1
    content = PACK[suffix](CSV[:middle]) + PACK[suffix](b"") + PACK[suffix](CSV[middle:])
    assert read(written(tmp_path, content, f"data.csv{suffix}")) == ROWS


def test_zeros_between_and_behind_xz_streams_are_none(tmp_path):
    content = lzma.compress(CSV) + bytes(70_000) + lzma.compress(b"last,1\n") + bytes(4)
    assert read(written(tmp_path, content, "data.csv.xz")) == [*ROWS, ("last", "1")]


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kept", [0.999, 0.5, 12])
def test_a_file_cut_short_is_refused(tmp_path, suffix, kept):
    whole = PACK[suffix](CSV)
    path = written(tmp_path, whole[: int(kept * len(whole)) if kept < 1 else kept], f"data.csv{suffix}")
    with pytest.raises(
        InputError, match=rf"data file {path}: its {NAMES[suffix]} data ends too early, the file is trun"
    ):
        read(path)


@pytest.mark.parametrize("suffix", PACK)
def test_a_damaged_file_is_refused(tmp_path, suffix):
    whole = PACK[suffix](CSV)
    path = written(tmp_path, whole[:12] + b"\xff" * 200 + whole[212:], f"data.csv{suffix}")
    with pytest.raises(
        InputError, match=rf"data file {path}: its {NAMES[suffix]} data is damaged \(.+\); fetch or copy"
    ):
        read(path)


@pytest.mark.parametrize("suffix", STREAMS)
def test_what_stands_behind_packed_data_is_refused(tmp_path, suffix):
    path = written(tmp_path, PACK[suffix](CSV) + b"<html>" * 10, f"data.csv{suffix}")
    with pytest.raises(
        InputError, match=rf"its {NAMES[suffix]} data is followed by something that is not {NAMES[suffix]}"
    ):
        read(path)


@pytest.mark.parametrize("suffix", PACK)
def test_a_name_that_says_packed_of_a_file_that_is_not_is_refused(tmp_path, suffix):
    with pytest.raises(
        InputError, match=rf"its name ends in {suffix}, but it holds no {NAMES[suffix]} data; rename it"
    ):
        read(written(tmp_path, CSV, f"data.csv{suffix}"))


def test_a_text_that_begins_as_bzip2_does_is_a_text(tmp_path):
    assert read(written(tmp_path, b"BZh9,text\n1,a\n", "data.csv"), ("BZh9", "text")) == [("1", "a")]


@pytest.mark.parametrize("suffix", PACK)
def test_a_small_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(sources, "MAX_ROW_BYTES", 100_000)
    path = written(tmp_path, PACK[suffix](b"text,stars\n" + b"a" * 20_000_000), f"data.csv{suffix}")
    assert path.stat().st_size < 50_000
    with pytest.raises(InputError, match="the row that begins in line 2: expected at most 100,000 bytes, got more"):
        read(path)


def test_a_zip_is_named_by_its_member_where_its_own_name_says_nothing(tmp_path):
    assert read(written(tmp_path, zipped(TSV, "reviews/train.TSV"), "archive.zip")) == ROWS
    assert read(written(tmp_path, zipped(TSV, "no ending"), "data.tsv.zip")) == ROWS
    mac = {"__MACOSX/._train.csv": b"\0", "empty folder/": b""}
    path = written(tmp_path, zipped(CSV, "train.csv", **mac), "mac.zip")
    assert read(path) == ROWS
    assert column_names(path, table_format(path)) == ["text", "stars"]


@pytest.mark.parametrize("name", ["archive.zip", "data.csv.zip"])
def test_a_zip_of_several_files_is_refused_by_their_names(tmp_path, name):
    path = written(tmp_path, zipped(CSV, "train.csv", **{"test.csv": CSV, "notes.txt": b"x"}), name)
    with pytest.raises(
        InputError, match=r"expected one file in the zip, got train.csv, test.csv, notes.txt; unpack it, and"
    ):
        read(path)
    with pytest.raises(InputError, match=r"expected one file in the zip, got no file; unpack it"):
        read(written(tmp_path, zipped(b"", "folder/"), name))


def test_an_encrypted_zip_is_refused(tmp_path):
    content = bytearray(zipped(CSV))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
    with pytest.raises(InputError, match=r"data file .*: data.csv in it is encrypted; unpack it first"):
        read(written(tmp_path, bytes(content), "data.csv.zip"))


@pytest.mark.parametrize("hostile", [0, 1, 255, 65_535])
@pytest.mark.parametrize("name", ["reviews.zip", "data.csv.zip"])
def test_whatever_the_directory_of_a_zip_says_its_rows_are_read_or_it_is_refused(tmp_path, name, hostile):
    whole, refused = zipped(CSV), 0
    entry = whole.rindex(b"PK\x01\x02") + 4
    for place in range(entry, entry + 42, 2):
        path = written(tmp_path, whole[:place] + hostile.to_bytes(2, "little") + whole[place + 2 :], name)
        try:
            assert read(path) == ROWS
        except InputError:
            refused += 1
    assert 0 < refused < 21


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_packing_has_no_bound_is_refused(tmp_path, method):
    """Python's reader unpacks such a member block by block, and a block of thousands of bytes to gigabytes."""
    path = written(tmp_path, zipped(CSV + bytes(30_000_000), method=method), "data.csv.zip")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"its zip data is packed in a way that is not read .*; unpack it first"):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_zip_packed_in_an_unknown_way_is_refused(tmp_path):
    content = bytearray(zipped(CSV))
    for magic, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(magic) + method] = 97
    with pytest.raises(InputError, match=r"its zip data is packed in a way that is not read .*; unpack it first"):
        read(written(tmp_path, bytes(content), "data.csv.zip"))
