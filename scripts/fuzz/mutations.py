"""Change a file at random: its bytes, or the values in it, in the form that its name says."""

import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HOSTILE_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "\x1b[31m",
        "\ud800",
        "a\ud800b",
        "\u202egnp",
        "\ufeff",
        "\r",
        "\n",
        "\u2028",
        '"',
        "'",
        "=1+1",
        "[SEP]",
    ),
    *(
        "nan",
        "NaN",
        "Infinity",
        "-1",
        "1e999",
        "0x10",
        "None",
        "null",
        "../../x",
        "/etc/passwd",
        "a[0-9]*",
        "\\",
        "%s%n",
    ),
    *("x" * 70_000, "word " * 3_000, "\u0301" * 500, "\U0001f600" * 50),
)
_NUMBERS = (0, 1, -1, 2, 127, 255, 65_536, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 10**30, 10**5_000)
_FLOATS = (0.5, -0.0, 1e-320, 1e308, 3.5e38, float("nan"), float("inf"), -float("inf"))
_MAGIC = (
    *(
        b"\0",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\0" * 64,
        b"\x80",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\n",
        b"\r\n",
        b'"',
        b",",
    ),
    *(b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY", b"PAR1", b"\x1f\x8b", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"{", b"[" * 3_000, b"}", b"NaN", b"1e999", b"9" * 5_000, b'"\\ud800"', b"\x7f\xff\xff\xff", b"\x01\0\0\0"),
)
_MOST = 1 << 22  # bytes of a mutated file

Draw = random.Random


def mutate(path: Path, draw: Draw, others: list[Path]) -> str:
    """Change a file in place, once or several times; return in words what was done.

    Args:
        path: the file.
        draw: decides.
        others: files to take pieces of.
    """
    done = []
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        change = _structured(path) if draw.random() < 0.6 else None
        name = None if change is None else _attempt(change, path, draw)
        done.append(name or change_bytes(path, draw, others))
    return ", ".join(done)


def _structured(path: Path) -> Callable[[Path, Draw], str] | None:
    kinds: dict[str, Callable[[Path, Draw], str]] = {
        ".json": change_json,
        ".npz": change_npz,
        ".npy": change_npy,
        ".csv": change_cells,
        ".tsv": change_cells,
        ".jsonl": change_json_line,
        ".gz": change_packed,
        ".parquet": change_parquet,
        ".txt": change_words,
        ".vec": change_words,
    }
    return kinds.get(path.suffix)


def _attempt(change: Callable[[Path, Draw], str], path: Path, draw: Draw) -> str | None:
    """Make a structured change, where the file is still of its form after what was done to it before."""
    before = path.read_bytes()
    try:
        return change(path, draw)
    except Exception:  # noqa: BLE001 - libraries raise what they like about a file that is damaged already
        path.write_bytes(before)
        return None


def change_bytes(path: Path, draw: Draw, others: list[Path]) -> str:
    """Flip, cut, repeat, insert or replace bytes."""
    content = path.read_bytes()
    start = draw.randrange(len(content) + 1)
    end = min(len(content), start + draw.choice((1, 2, 8, 100, 10_000)))
    before, chosen, after = content[:start], content[start:end], content[end:]

    def flipped() -> bytes:
        new = bytearray(content)
        for _ in range(draw.choice((1, 1, 8)) if content else 0):
            new[draw.randrange(len(new))] ^= 1 << draw.randrange(8)
        return bytes(new)

    def spliced() -> bytes:
        other = draw.choice(others).read_bytes()
        return before + other[draw.randrange(len(other) + 1) :]

    makers: dict[str, Callable[[], bytes]] = {
        "flip": flipped,
        "set": lambda: before + bytes([draw.randrange(256)]) + content[start + 1 :],
        "cut": lambda: before + after,
        "end": lambda: before,
        "repeat": lambda: before + chosen * draw.choice((2, 3, 50)) + after,
        "insert": lambda: before + draw.choice(_MAGIC) + content[start:],
        "replace": lambda: before + draw.choice(_MAGIC) + after,
        "splice": spliced,
        "zero": lambda: before + bytes(len(chosen)) + after,
        "empty": lambda: b"",
    }
    kind = draw.choice(("flip", "flip", *makers))
    path.write_bytes(makers[kind]()[:_MOST])
    return f"bytes: {kind} at {start}"


def hostile_value(draw: Draw, old: Any = None) -> Any:
    """Return a value that a field may not be made for."""
    makers: tuple[Callable[[], Any], ...] = (
        lambda: draw.choice((None, True, False)),
        lambda: draw.choice(_NUMBERS) * draw.choice((1, -1)),
        lambda: draw.choice(_FLOATS),
        lambda: draw.choice(HOSTILE_TEXTS),
        lambda: draw.choice(([], {}, [[]], [{}], {"": None}, [None], ["a", "a"], [1, "a"], {"a": 1})),
        lambda: [old] * draw.choice((1, 2, 300)),
        lambda: {"name": old},
        lambda: _near(draw, old),
    )
    return draw.choice(makers)()


def _near(draw: Draw, old: Any) -> Any:
    """Return a value that is nearly another one."""
    if isinstance(old, bool | int | float):
        return draw.choice((old + 1, old - 1, -old, old * 2, str(old)))
    if isinstance(old, str):
        return draw.choice((old + "x", old[:-1], old.upper(), old * 2, old + "\n"))
    return draw.choice(_NUMBERS)


def change_json(path: Path, draw: Draw) -> str:
    """Replace, delete, rename, repeat or nest one value of a JSON file."""
    value = json.loads(path.read_bytes())
    text, words = _changed_json(value, draw)
    path.write_bytes(text.encode(errors="surrogatepass"))
    return words


def change_json_line(path: Path, draw: Draw) -> str:
    """Do what ``change_json`` does to one line."""
    lines = path.read_bytes().splitlines()
    index = draw.randrange(len(lines))
    text, words = _changed_json(json.loads(lines[index]), draw)
    lines[index] = text.replace("\n", " ").encode(errors="surrogatepass")
    path.write_bytes(b"\n".join(lines) + b"\n")
    return f"line {index + 1}: {words}"


def _changed_json(value: Any, draw: Draw) -> tuple[str, str]:
    places: list[tuple[Any, Any, str]] = []

    def collect(node: Any, where: str) -> None:
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in list(pairs)[:60]:
            places.append((node, key, f"{where}.{key}"))
            collect(child, f"{where}.{key}")

    collect(value, "")
    depth = draw.randrange(3)  # shallow fields are the ones that are looked at
    shallow = [place for place in places if place[2].count(".") <= depth + 1]
    if not places:
        return json.dumps(hostile_value(draw, value)), "the whole value"
    node, key, where = draw.choice(shallow or places)
    kind = draw.choice(("value", "value", "value", "value", "delete", "rename", "twice", "deep"))
    if kind == "value":
        node[key] = hostile_value(draw, node[key])
    elif kind == "delete":
        del node[key]
    elif kind == "rename" and isinstance(node, dict):
        node[draw.choice(HOSTILE_TEXTS[:20])] = node.pop(key)
    elif kind == "deep":
        node[key] = "@deep@"
    indent = draw.choice((None, 2))
    text = json.dumps(value, indent=indent, ensure_ascii=draw.random() < 0.5)
    if kind == "twice" and isinstance(node, dict):
        text = text.replace("{", "{" + json.dumps({str(key): hostile_value(draw)})[1:-1] + ", ", 1)
    depth = draw.choice((100, 5_000, 200_000))
    text = text.replace('"@deep@"', "[" * depth + "]" * depth)
    return text, f"{kind} of {where.lstrip('.')}"


def change_npz(path: Path, draw: Draw) -> str:
    """Change one array of an archive, or which there are, or how they are packed."""
    with np.load(io.BytesIO(path.read_bytes())) as archive:
        arrays = dict(archive)
    name = draw.choice(sorted(arrays))
    kind = draw.choice(("array", "array", "array", "delete", "rename", "add"))
    if kind == "array":
        arrays[name], kind = changed_array(arrays[name], draw)
    elif kind == "delete":
        del arrays[name]
    elif kind == "rename":
        arrays[draw.choice(("x", "../x", "\u00e9", name + ".npy"))] = arrays.pop(name)
    else:
        arrays["further"] = np.zeros(3)
    buffer = io.BytesIO()
    (np.savez if draw.random() < 0.8 else np.savez_compressed)(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    return f"{name}: {kind}"


def change_npy(path: Path, draw: Draw) -> str:
    """Change an array's file."""
    array, words = changed_array(np.load(io.BytesIO(path.read_bytes())), draw)
    with path.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
    return words


def changed_array(array: np.ndarray, draw: Draw) -> tuple[np.ndarray, str]:
    """Return an array of other values, type, shape or order, and what was done."""
    kind = draw.choice(("value", "value", "type", "shape", "order", "size", "object"))
    array = array.copy()
    if kind == "value" and array.size:
        old = array.reshape(-1)
        hostile = _FLOATS if array.dtype.kind == "f" else _NUMBERS[:10]
        with np.errstate(all="ignore"):
            old[draw.randrange(array.size)] = np.array(draw.choice(hostile)).astype(array.dtype)
        return old.reshape(array.shape), "value"
    if kind == "type":
        kinds = ("f2", "f8", "i1", "i8", "u4", "u8", ">f4", ">i4", "c8", "U3", "S2", "?", "M8[s]", "V4")
        dtype = draw.choice(kinds)
        return (
            array.view(np.uint8)[..., :1].astype("i4").astype(dtype) if dtype == "V4" else array.astype(dtype)
        ), dtype
    if kind == "shape":
        shapes = ((-1,), (1, -1), (-1, 1), (*array.shape, 1), (0,), ())
        shape = draw.choice(shapes)
        flat = array.reshape(-1)
        return (
            flat[:0] if shape == (0,) else flat[:1].reshape(()) if shape == () and array.size else flat.reshape(shape)
        ), "shape"
    if kind == "order":
        return np.asfortranarray(array[::-1] if array.ndim else array), "order"
    if kind == "size":
        return np.concatenate([array, array])[: draw.randrange(2 * len(array) + 1)] if array.ndim else array, "size"
    return array.astype(object).astype(str), "object"


def change_cells(path: Path, draw: Draw) -> str:
    """Change a cell, a quotation mark, a column's name or the shape of a delimited table."""
    delimiter = "\t" if path.suffix == ".tsv" else ","
    rows = [line.split(delimiter) for line in path.read_text(errors="surrogateescape").splitlines()]
    row = 0 if draw.random() < 0.25 else draw.randrange(len(rows))
    column = draw.randrange(len(rows[row]))
    kind = draw.choice(("cell", "cell", "cell", "more", "fewer", "quote", "twice", "delimiter", "label"))
    if kind == "cell":
        rows[row][column] = draw.choice(HOSTILE_TEXTS)
    elif kind == "more":
        rows[row].insert(column, "further")
    elif kind == "fewer":
        del rows[row][column]
    elif kind == "quote":
        rows[row][column] = '"' + rows[row][column]
    elif kind == "twice":
        rows[row:row] = [rows[row]] * draw.choice((1, 500))
    elif kind == "label":
        rows[row][-1] = str(draw.choice((*_NUMBERS[:12], *_FLOATS, "1.0", "1.5", "True", " 1", "\u0661")))
    joined = draw.choice((";", "|", "\0")) if kind == "delimiter" else delimiter
    end = draw.choice(("\n", "\n", "\r\n", "\r"))
    text = end.join(joined.join(cells) for cells in rows) + end
    path.write_bytes(text.encode(errors="surrogatepass" if "\ud800" in text else "surrogateescape"))
    return f"row {row}: {kind}"


def change_packed(path: Path, draw: Draw) -> str:
    """Change a table in a gzip file, or leave the table and change how it is packed."""
    content = gzip.decompress(path.read_bytes())
    if draw.random() < 0.2:
        path.write_bytes(gzip.compress(content[:100]) + gzip.compress(content[100:]))
        return "two members"
    inner = path.with_suffix("")
    inner.write_bytes(content)
    try:
        words = change_cells(inner, draw)
        path.write_bytes(gzip.compress(inner.read_bytes()))
    finally:
        inner.unlink()
    return words


def change_words(path: Path, draw: Draw) -> str:
    """Replace a word of a line, or give it another number of words."""
    lines = path.read_text(errors="surrogateescape").split("\n")
    index = draw.randrange(len(lines))
    words = lines[index].split(" ")
    place = draw.randrange(len(words))
    kind = draw.choice(("word", "word", "fewer", "more", "repeat"))
    if kind == "word":
        words[place] = draw.choice((*HOSTILE_TEXTS, *map(str, _FLOATS), "1_0", "\u0661"))
    elif kind == "fewer":
        del words[place]
    elif kind == "more":
        words.insert(place, "1")
    lines[index] = " ".join(words)
    if kind == "repeat":
        lines[index:index] = [lines[index]] * 300
    text = "\n".join(lines)
    path.write_bytes(text.encode(errors="surrogatepass" if "\ud800" in text else "surrogateescape"))
    return f"line {index + 1}: {kind}"


def change_parquet(path: Path, draw: Draw) -> str:
    """Give a column another type, name, order or number of values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    index = draw.randrange(table.num_columns)
    name, values = table.column_names[index], table.column(index).to_pylist()
    makers: dict[str, Callable[[], Any]] = {
        "null": lambda: pa.nulls(len(values)),
        "some null": lambda: pa.array([None if draw.random() < 0.2 else value for value in values]),
        "list": lambda: pa.array([[value] for value in values]),
        "struct": lambda: pa.array([{"a": value} for value in values]),
        "map": lambda: pa.array([[("a", str(value))] for value in values], pa.map_(pa.string(), pa.string())),
        "bytes": lambda: pa.array([b"\xff\xfe" + str(value).encode() for value in values]),
        "large": lambda: pa.array(list(map(str, values)), pa.large_string()),
        "dictionary": lambda: pa.array(list(map(str, values))).dictionary_encode(),
        "float": lambda: pa.array([draw.choice(_FLOATS) for _ in values]),
        "float16": lambda: pa.array(np.arange(len(values)).astype(np.float16)),
        "integer": lambda: pa.array([draw.choice(_NUMBERS[:11]) for _ in values], pa.int64()),
        "bool": lambda: pa.array([draw.random() < 0.5 for _ in values]),
        "date": lambda: pa.array([number * 86_400 for number in range(len(values))], pa.timestamp("s", "UTC")),
        "duration": lambda: pa.array(range(len(values)), pa.duration("s")),
        "hostile": lambda: pa.array(
            [draw.choice([text for text in HOSTILE_TEXTS if "\ud800" not in text]) for _ in values]
        ),
        "decimal": lambda: pa.array(range(len(values))).cast(pa.decimal128(25, 2)),
        "uint64": lambda: pa.array([2**64 - 1 - number for number in range(len(values))], pa.uint64()),
    }
    kind = draw.choice((*makers, "rename", "twice", "drop", "empty", "groups"))
    if kind in makers:
        table = table.set_column(index, name, makers[kind]())
    elif kind == "rename":
        table = table.rename_columns(
            [draw.choice(HOSTILE_TEXTS[:8]) if each == name else each for each in table.column_names]
        )
    elif kind == "twice":
        table = table.append_column(name, table.column(index))
    elif kind == "drop":
        table = table.remove_column(index)
    elif kind == "empty":
        table = table.slice(0, 0)
    pq.write_table(
        table,
        path,
        row_group_size=draw.choice((1, 7, None)),
        compression=draw.choice(("snappy", "gzip", "zstd", "none")),
    )
    return f"{name}: {kind}"
