import gzip
from pathlib import Path

import pytest

from distill_jax.errors import InputError, MissingInputError
from distill_jax.tables import sources
from export_helpers import configure
from teacher_export.config import ExportConfig
from teacher_export.options.data import DataConfig
from teacher_export.options.transfer_set import TransferSetConfig
from teacher_export.transfer import unlabelled
from teacher_export.transfer.unlabelled import TextFile, find_unlabelled

ROWS = {
    "a.csv": 'text,other\n"one, two",x\n,y\n" ",y\nthree,z\n',
    "a.tsv": "other\ttext\nx\tone, two\ny\t\nz\tthree\n",
    "a.jsonl": '{"text": "one, two"}\n{"text": null}\n{"other": 1, "text": "three"}\n',
}


def texts(path, **options):
    return [
        text
        for source in find_unlabelled(configure("t", "out", unlabelled=(path,), **options))
        for text in source.texts()
    ]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", list(ROWS))
def test_the_text_column_of_a_table_is_read_and_blanks_left_out(tmp_path, name, zipped):
    path = tmp_path / (f"{name}.gz" if zipped else name)
    path.write_bytes(gzip.compress(ROWS[name].encode()) if zipped else ROWS[name].encode())
    assert texts(path) == ["one, two", "three"]  # --text-column text is what the test's configuration has


def test_parquet_and_several_columns(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"head": ["h", None, None], "body": ["b", "c", None]}), path)
    assert texts(path, unlabelled_column=("head", "body")) == ["h\n\nb", "c"]


def test_the_amazon_files_need_no_column(tmp_path):
    path = tmp_path / "more.tsv"
    path.write_text('star_rating\treview_body\n5\tso "good\n')
    config = ExportConfig(
        DataConfig(dataset="amazon-pds", data=(Path("x.tsv"),)), transfer_set=TransferSetConfig(unlabelled=(path,))
    )
    assert list(find_unlabelled(config)[0].texts()) == ['so "good']


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.doc", "x", r"--unlabelled .*a.doc: expected a name that ends in .txt, .csv, .* got '.doc'"),
        ("a", "x", r"--unlabelled .*a: expected a name that ends in .txt, .* got 'no ending'"),
        ("a.txt", "", r"a.txt: the file is empty \(0 bytes\); expected rows of texts$"),
        ("a.csv", "txet,b\nx,y\n", r"a.csv: it has no column 'text', only 'txet', 'b'; did you mean 'txet'\?"),
        ("a.txt", b"good\nbad \xff\n", r"a.txt: row 2 \(line 2\): expected text in UTF-8, got the byte 0xff"),
        (
            "a.txt",
            "good\nbad\n".encode("utf-16-le"),
            r"a.txt: row 1 \(line 1\): expected text in UTF-8, got the byte 0x00",
        ),
        ("a.txt.gz", "plain", r"its name ends in .gz, but it holds no gzip data"),
        ("a.jsonl", '{"text": [1]}\n', r"row 1 \(line 1\): column 'text': expected text, got a list"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        texts(path)


def test_a_missing_file_a_folder_and_a_file_named_twice_are_refused(tmp_path):
    with pytest.raises(MissingInputError, match="there is no such file; check --unlabelled"):
        texts(tmp_path / "a.txt")
    with pytest.raises(InputError, match="found a folder; name the files in it after --unlabelled"):
        texts(tmp_path)
    path = tmp_path / "a.txt"
    path.write_text("x")
    with pytest.raises(InputError, match=r"--unlabelled .*a.txt: it is named twice"):
        find_unlabelled(configure("t", "out", unlabelled=(path, tmp_path / "." / "a.txt")))
    with pytest.raises(InputError, match=r"--unlabelled demo: it is named twice"):
        find_unlabelled(configure("t", "out", unlabelled=(Path("demo"), Path("demo"))))


def test_a_table_beside_the_demo_needs_its_column_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\nx\n")
    config = ExportConfig(transfer_set=TransferSetConfig(unlabelled=(path,)))
    with pytest.raises(InputError, match=r"a.csv: a table needs --unlabelled-column NAME, the column that holds"):
        find_unlabelled(config)


def test_texts_of_many_times_their_file_are_refused_and_a_long_one_is_its_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LITTLE_BYTES", 10_000)
    monkeypatch.setattr(unlabelled, "_LONGEST", 500)
    path = tmp_path / "texts.txt.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d %s\n" % (number, b"x" * 1000) for number in range(100))))
    texts = TextFile(path).texts()
    assert len(next(texts)) == 500
    with pytest.raises(InputError, match="its texts take more than 8 times the bytes that it has"):
        list(texts)
