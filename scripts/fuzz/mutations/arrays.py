"""Changes of NumPy's files: an array's values, type, shape or order, and an archive of them."""

import io
from pathlib import Path

import numpy as np

from scripts.fuzz.mutations.values import FLOATS, NUMBERS, Draw


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
        hostile = FLOATS if array.dtype.kind == "f" else NUMBERS[:10]
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
