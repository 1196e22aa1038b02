"""Changes of what a file of safetensors says of its tensors."""

import json
import struct
from pathlib import Path

from scripts.fuzz.mutations.json_values import changed_json
from scripts.fuzz.mutations.values import Draw

_ABOUT = "__metadata__"
_KINDS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "I64", "I8", "U8", "BOOL", "C64", "F4", "X")
_SHAPES: tuple[list[int], ...] = ([], [0], [0, 8], [1 << 40, 0], [2, -1], [1, 1 << 31], [1 << 62, 4])


def change_safetensors(path: Path, draw: Draw) -> str:
    """Change a tensor's type or shape, or any value of the header, which is JSON behind its length."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header, tensors = json.loads(content[8 : 8 + length]), content[8 + length :]
    name = draw.choice(sorted(name for name in header if name != _ABOUT))
    has_manifest = "manifest" in header.get(_ABOUT, {})
    kinds = ("type", "shape", "any", "any", "numbers", *(("manifest",) * 6 if has_manifest else ()))
    kind = draw.choice(kinds)
    if kind == "type":
        header[name]["dtype"] = draw.choice(_KINDS)
    elif kind == "shape":
        shape = header[name]["shape"]
        header[name]["shape"] = draw.choice((*_SHAPES, shape[::-1], [1, *shape], [*shape, 1]))
    elif kind == "manifest":
        header[_ABOUT]["manifest"], kind = changed_json(json.loads(header[_ABOUT]["manifest"]), draw)
    elif kind == "numbers":
        size = len(tensors) // 4
        tensors = struct.pack(f"<{size}f", *(draw.choice((0.0, -1.5, 3e38, float("inf"))) for _ in range(size)))
    text, words = changed_json(header, draw) if kind == "any" else (json.dumps(header), kind)
    encoded = text.encode(errors="surrogatepass")
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + tensors)
    return f"{name}: {words}"
