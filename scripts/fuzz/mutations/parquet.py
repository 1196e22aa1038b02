"""Changes of a column of a Parquet file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.fuzz.mutations.values import FLOATS, HOSTILE_TEXTS, NUMBERS, Draw

if TYPE_CHECKING:
    from collections.abc import Callable


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
        "float": lambda: pa.array([draw.choice(FLOATS) for _ in values]),
        "float16": lambda: pa.array(np.arange(len(values)).astype(np.float16)),
        "integer": lambda: pa.array([draw.choice(NUMBERS[:11]) for _ in values], pa.int64()),
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
