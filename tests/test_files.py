import hashlib

import pytest

from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import atomic_write, is_temporary, read_json, remove_temporaries, sha256_file, write_json


def _write_half(stream):
    stream.write(b"half")
    raise KeyboardInterrupt


def test_a_file_is_seen_whole_or_not_at_all(tmp_path):
    path = tmp_path / "sub" / "file.txt"
    with atomic_write(path) as stream:
        stream.write(b"first")
        assert not path.exists()
    assert path.read_bytes() == b"first"
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as stream:
        _write_half(stream)
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_kill_leaves_is_known_and_removed(tmp_path):
    for name in (".a.npz.12.tmp", "a.npz", ".hidden", "b.tmp"):
        (tmp_path / name).write_bytes(b"")
    assert is_temporary(tmp_path / ".a.npz.12.tmp")
    remove_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "a.npz", "b.tmp"]


def test_sha256_of_a_file_longer_than_a_block(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert sha256_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_json_comes_back_and_nan_is_refused(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"name": "★", "numbers": [1, 2.5]})
    assert "★" in path.read_text(encoding="utf-8")
    assert read_json(path, "value") == {"name": "★", "numbers": [1, 2.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert read_json(path, "value")["name"] == "★"


def test_what_is_no_json_object_is_named(tmp_path):
    path = tmp_path / "value.json"
    with pytest.raises(MissingInputError, match=f"^settings: expected a file {path}, found none$") as caught:
        read_json(path, "settings")
    assert isinstance(caught.value, FileNotFoundError)
    for content in (b"", b"{", b"\xff{}"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"^settings {path}: expected JSON in UTF-8, got something else"):
            read_json(path, "settings")
    path.write_bytes(b"3")
    with pytest.raises(InputError, match=r"expected a JSON object, got int$"):
        read_json(path, "settings")
