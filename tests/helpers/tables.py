"""Tables of every form: written of the same rows, and read back by other libraries than ours."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq


def write_table(path, rows):
    """Write rows, dictionaries, as the path's ending says; a separated file has texts alone, and nothing for None."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([list(rows[0]), *(["" if each is None else each for each in row.values()] for row in rows)])
        path.write_text(stream.getvalue(), encoding="utf-8", newline="")
    return path


def read_table(path):
    """Return a table's rows as dictionaries."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    name = path.name.removesuffix(".gz")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in content.decode().split("\n")[:-1]]
    lines = io.StringIO(content.decode(), newline="")
    return list(csv.DictReader(lines, delimiter="\t" if name.endswith(".tsv") else ",", strict=True))


def files_of(folder):
    """Return the contents of all files in a folder, by their paths in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
