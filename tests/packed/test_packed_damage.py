"""A packed file that is damaged, cut or made to harm is refused in one sentence, and takes little memory."""

import hashlib
import json
import lzma
import os
import random
import re
import resource
import struct

import numpy as np
import pytest

import distill_jax as dj
from bit_flips import flip_bits
from command_lines import call, refusal
from distill_jax.convert import main as convert
from distill_jax.errors import InputError
from distill_jax.packed.coding import compressed
from distill_jax.packed.container import container_bytes, read_container
from distill_jax.packing.pack import pack
from distill_jax.predict import main as predict
from distill_jax.serve import main as serve

TEXTS = ["w1 w2 w3", "w4", ""]
STUDENTS = pytest.mark.parametrize("name", ["fasttext", "cnn", "bilstm"])


@pytest.fixture(scope="module")
def files(packable, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    for name, (run, export) in packable.items():
        pack(run, export).student.write(folder / f"{name}.djx")
    return {name: folder / f"{name}.djx" for name in packable}


@pytest.fixture(scope="module")
def other_streams():
    return [b"", b"no xz", compressed(b""), compressed(b"\xff" * 70_000), compressed(bytes(1 << 24))]


@STUDENTS
def test_a_flipped_bit_is_refused_or_changes_no_answer(tmp_path, files, name):
    (tmp_path / "student.djx").write_bytes(files[name].read_bytes())
    outcomes = flip_bits(tmp_path, lambda: dj.load(tmp_path / "student.djx").logits(TEXTS).tolist(), 200)
    assert outcomes["refused"] == 200


@pytest.mark.parametrize(("command", "options"), [(convert, ("--to", "html")), (serve, ())])
def test_a_pipe_and_a_device_are_refused_unread(capsys, tmp_path, command, options):
    os.mkfifo(tmp_path / "pipe.djx")
    (tmp_path / "zeros.djx").symlink_to("/dev/zero")
    for name in ("pipe.djx", "zeros.djx"):
        assert "found a pipe or a device" in refusal(capsys, command, tmp_path / name, *options)


@STUDENTS
def test_a_beginning_is_refused(tmp_path, files, name):
    content = files[name].read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "student.djx").write_bytes(content[:length])
        with pytest.raises(InputError, match=r"packed student .*student.djx: "):
            dj.load(tmp_path / "student.djx")


def _values(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _values(inner, (*path, key))


def _changed(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(value[path[0]], path[1:], new)
    return copy


NEW = (None, True, -1, 0, 1, 2**40, 1e308, "", "x", "\ud83d", [], [[]], {}, {"x": 1}, [2**31] * 4, ["a", "a", "a"])


@STUDENTS
def test_a_manifest_that_says_otherwise_is_refused_or_answered(tmp_path, files, name):
    manifest, streams = read_container(files[name])
    needed = {key: manifest[key] for key in ("label_names", "student", "max_length", "decision", "arrays", "tokenizer")}
    draw, path = random.Random(name), tmp_path / "student.djx"
    places, tried = [place for place in _values(needed) if place], 0
    while tried < 300:
        changed = _changed(manifest, draw.choice(places), draw.choice(NEW))
        try:
            path.write_bytes(container_bytes(changed, streams))
        except (UnicodeEncodeError, ValueError):
            continue
        tried += 1
        _require_answers_or_a_sentence(path, changed)


def _require_answers_or_a_sentence(path, changed):
    said = ""
    try:
        assert np.isfinite(dj.load(path).logits(TEXTS)).all(), changed
    except InputError as error:
        said = str(error)
    assert "\n" not in said
    assert not said or "student.djx" in said or "logits are not finite" in said


@STUDENTS
def test_numbers_and_words_that_are_others_under_a_right_checksum_are_refused_or_answered(tmp_path, files, name):
    manifest, streams = read_container(files[name])
    draw, path = random.Random(name), tmp_path / "student.djx"
    for _ in range(120):
        stream = draw.choice(sorted(streams))
        content = bytearray(lzma.decompress(streams[stream]))
        for _ in range(draw.choice((1, 3, 30))):
            if content:
                content[draw.randrange(len(content))] = draw.choice((0, 0xFF, draw.randrange(256)))
        kind = draw.choice(("same", "same", "same", "shorter", "longer"))
        content = content[:-1] if kind == "shorter" else content + b"x" if kind == "longer" else content
        path.write_bytes(container_bytes(manifest, {**streams, stream: compressed(bytes(content))}))
        _require_answers_or_a_sentence(path, stream)


@pytest.mark.parametrize("number", [b"NaN", b"1e999", b"9" * 5_000])
def test_what_is_no_number_of_json_is_refused_by_every_reader(tmp_path, files, number):
    manifest, streams = read_container(files["fasttext"])
    content = container_bytes({**manifest, "facts": {"texts": 1234567}}, streams)
    (length,) = struct.unpack("<Q", content[:8])
    header = content[8 : 8 + length].replace(b"1234567", number)
    header = re.sub(rb'("sha256":")[0-9a-f]{64}', rb"\g<1>" + b"0" * 64, header)
    content = struct.pack("<Q", len(header)) + header + content[8 + length :]
    digest = hashlib.sha256(content).hexdigest().encode()
    (tmp_path / "student.djx").write_bytes(content.replace(b"0" * 64, digest, 1))
    with pytest.raises(InputError, match=r"student\.djx: manifest: expected JSON"):
        dj.load(tmp_path / "student.djx")


@STUDENTS
def test_streams_that_are_others_are_refused(tmp_path, files, other_streams, name):
    manifest, streams = read_container(files[name])
    path = tmp_path / "student.djx"
    for stream in streams:
        for content in other_streams:
            path.write_bytes(container_bytes(manifest, {**streams, stream: content}))
            with pytest.raises(InputError, match=r"student\.djx"):
                dj.load(path)
        path.write_bytes(container_bytes(manifest, {key: value for key, value in streams.items() if key != stream}))
        with pytest.raises(InputError, match=r"student\.djx"):
            dj.load(path)


def test_a_small_file_takes_no_large_memory(tmp_path, files):
    manifest, streams = read_container(files["fasttext"])
    rows = 1 << 25
    table = {**manifest["arrays"]["embeddings"], "shape": [rows, 64], "bytes": 1}
    table.pop("kept", None)
    manifest = {**manifest, "arrays": {**manifest["arrays"], "embeddings": table}}
    streams = {**streams, "weights/embeddings": compressed(b"")}
    (tmp_path / "student.djx").write_bytes(container_bytes(manifest, streams))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="bytes of numbers"):
        dj.load(tmp_path / "student.djx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: {**about, "version": "2"}, "its version is '2', this program reads 1; use the distill-jax that"),
        (lambda about: {**about, "format": "pt"}, "expected a file of python -m distill_jax.pack, got another"),
        (lambda about: {**about, "sha256": "0" * 64}, "it is not as it was written"),
        (lambda about: {**about, "sha256": 7}, "it is not as it was written"),
    ],
)
def test_another_version_and_another_program_are_told(capsys, tmp_path, files, change, message):
    content = files["fasttext"].read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    text = json.dumps({**header, "__metadata__": change(header["__metadata__"])}).encode()
    (tmp_path / "student.djx").write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    status, output, error = call(capsys, predict, "--run", tmp_path / "student.djx", stdin=b"w1")
    assert (status, output) == (2, "")
    assert message in error


def _signed(header, data=b""):
    about = {"format": "distill-jax packed student", "version": "1", "sha256": "0" * 64, "manifest": "{}"}
    text = json.dumps({"__metadata__": about, **header}).encode()
    content = struct.pack("<Q", len(text)) + text + data
    return content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode(), 1)


@pytest.mark.parametrize("offsets", [((0, 4), (0, 4)), ((0, 4), (2, 6)), ((0, 4), (6, 8)), ((4, 8), (0, 4))])
def test_streams_that_do_not_follow_each_other_are_refused(tmp_path, offsets):
    streams = {
        str(place): {"dtype": "U8", "shape": [stop - start], "data_offsets": [start, stop]}
        for place, (start, stop) in enumerate(offsets)
    }
    path = tmp_path / "student.djx"
    path.write_bytes(_signed(streams, bytes(8)))
    with pytest.raises(InputError, match="expected a manifest and streams"):
        read_container(path)


@pytest.mark.parametrize(
    "about",
    [
        {"coding": "float32", "kept": 0, "shape": [1 << 20, 1 << 8]},
        {"coding": "quantised", "kept": 0, "shape": [4, 1 << 20, 1 << 8], "steps": [1.0], "bytes": 1},
        {"coding": "quantised", "shape": [1 << 26, 1 << 10, 0], "steps": [1.0, 2.0], "bytes": 1},
        {"coding": "float32", "shape": [1 << 26] * 1_000},
    ],
    ids=["float32-kept", "three-axes-kept", "groups-of-no-columns", "many-axes"],
)
def test_what_an_array_takes_is_bounded_before_it_is_unpacked(tmp_path, files, about):
    manifest, streams = read_container(files["fasttext"])
    name = next(iter(manifest["arrays"]))
    manifest["arrays"][name] = about
    (tmp_path / "student.djx").write_bytes(container_bytes(manifest, streams))
    with pytest.raises(InputError, match=r"axes|rows that are kept|bytes of numbers"):
        dj.load(tmp_path / "student.djx")
