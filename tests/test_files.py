import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import (
    atomic_write,
    is_temporary,
    read_json,
    remove_temporaries,
    sha256_file,
    temporary_beside,
    utf8,
    write_json,
)


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


def test_writers_of_one_file_do_not_meet(tmp_path):
    """All are in the middle of writing at once; the file is one of theirs, whole, and nothing else is left."""
    path, writers = tmp_path / "file", 4
    middle = threading.Barrier(writers, timeout=60)

    def write(number):
        with atomic_write(path) as stream:
            stream.write(bytes([number]) * 1000)
            stream.flush()
            middle.wait()
            stream.write(bytes([number]) * 1000)

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    content = path.read_bytes()
    assert content in {bytes([number]) * 2000 for number in range(writers)}
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_leaves_is_known_and_removed(tmp_path):
    left = temporary_beside(tmp_path / "a.npz").name
    dated = (".notes.20241128.tmp", ".backup.2024-11.tmp")  # another program's
    for name in (*dated, ".a.npz.12.tmp", left, "a.npz", ".hidden", "b.tmp", ".mine.tmp", ".a.npz.x-1.tmp"):
        (tmp_path / name).write_bytes(b"")
    temporary_beside(tmp_path / "folder").mkdir()
    assert is_temporary(tmp_path / left)
    stay = {*dated, ".hidden", "a.npz", "b.tmp", ".mine.tmp", ".a.npz.x-1.tmp"}
    remove_temporaries(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*stay, ".a.npz.12.tmp"}
    remove_temporaries(tmp_path, "a.npz")  # version 0.1's, of what is known to be ours
    assert {path.name for path in tmp_path.iterdir()} == stay
    remove_temporaries(tmp_path / "none")


def test_what_is_left_of_one_target_can_be_removed_alone(tmp_path):
    mine, other = temporary_beside(tmp_path / "teacher"), temporary_beside(tmp_path / "teacher.v2")
    for folder in (mine, other):
        folder.mkdir()
        (folder / "file").write_bytes(b"half")
    remove_temporaries(tmp_path, "teacher")
    assert list(tmp_path.iterdir()) == [other]


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


def test_a_path_that_is_not_utf8_is_json_all_the_same(tmp_path):
    path = tmp_path / "value.json"
    name = os.fsdecode(b"a\\b \xff\xc3\xa9")
    write_json(path, {"path": name, name: 1})
    assert read_json(path, "value") == {"path": "a\\b \\xffé", "a\\b \\xffé": 1}
    assert utf8(name) == "a\\b \\xffé"
    with pytest.raises(UnicodeEncodeError):  # half a surrogate pair that is no byte of a path
        write_json(path, {"path": "\ud800"})


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


def test_temporaries_of_others_stay(tmp_path):
    theirs, ours = tmp_path / ".sync.20261127.tmp", tmp_path / ".run.77-00ff00ff.tmp"
    for folder in (theirs, ours):
        folder.mkdir()
        (folder / "precious").write_text("mine")
    linked = tmp_path / ".run.78-00ff00ff.tmp"
    linked.symlink_to(theirs)
    remove_temporaries(tmp_path)
    assert (theirs / "precious").read_text() == "mine"
    assert not ours.exists()
    assert not linked.is_symlink()
