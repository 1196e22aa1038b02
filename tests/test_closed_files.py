"""No reader leaves a file open, whatever the file holds."""

import contextlib
import gc
import io
import shutil
import warnings

import numpy as np
import pytest

from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import load_arrays, read_token_embeddings
from distill_jax.runs.folder import read_predictions
from tiny_export import tiny_part


def _archive():
    stream = io.BytesIO()
    np.savez(stream, **vars(tiny_part(3, 0, 0)))
    return stream.getvalue()


def _array():
    stream = io.BytesIO()
    np.save(stream, np.zeros((64, 4), np.float16))
    return stream.getvalue()


CONTENTS = {"archive": _archive(), "cut archive": _archive()[:200], "array": _array(), "empty": b"", "text": b"text"}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("reader", ["part", "embeddings", "predictions"])
def test_every_file_is_closed(tmp_path, tiny_export, reader, content):
    path = tmp_path / "token_embeddings.npy"
    path.write_bytes(content)
    shutil.copy(tiny_export / "manifest.json", tmp_path)
    read = {
        "part": lambda: load_arrays(path),
        "embeddings": lambda: read_token_embeddings(tmp_path, read_manifest(tiny_export)),
        "predictions": lambda: read_predictions(path, 3),
    }[reader]
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        with contextlib.suppress(InputError):  # any other error is a fault of ours
            read()
        gc.collect()
    assert [str(each.message) for each in caught if each.category is ResourceWarning] == []
