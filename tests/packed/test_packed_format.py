"""A packed file is read by docs/packed-format.md alone: nothing of ours is imported here but what writes it."""

import hashlib
import json
import lzma
import struct

import numpy as np
import pytest
import safetensors

import distill_jax as dj
from distill_jax.packing.pack import pack
from tolerances import assert_close


def _container(content):
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    about = header.pop("__metadata__")
    assert (about["format"], about["version"]) == ("distill-jax packed student", "1")
    assert hashlib.sha256(content.replace(about["sha256"].encode(), b"0" * 64)).hexdigest() == about["sha256"]
    data = content[8 + length :]
    streams = {name: lzma.decompress(data[slice(*entry["data_offsets"])]) for name, entry in header.items()}
    return json.loads(about["manifest"]), streams


def _parameter(name, about, streams):
    stream, shape = streams[f"weights/{name}"], about["shape"]
    if about["coding"] == "float32":
        return np.frombuffer(stream, "<f4").reshape(shape)
    columns = shape[-1]
    rows = about.get("kept", int(np.prod(shape[:-1])))
    codes = np.zeros(rows * columns, np.int64)
    for place, plane in enumerate(np.frombuffer(stream, np.uint8).reshape(about["bytes"], -1)):
        codes += plane.astype(np.int64) << 8 * place
    whole = np.where(codes % 2, -(codes + 1) // 2, codes // 2).reshape(columns, rows).T
    groups = np.frombuffer(streams.get(f"weights/{name}/groups", bytes(rows)), np.uint8)
    numbers = whole * np.array(about["steps"])[groups][:, None]
    if "kept" not in about:
        return numbers.reshape(shape)
    kept = np.unpackbits(np.frombuffer(streams[f"weights/{name}/kept"], np.uint8))[: shape[0]].astype(bool)
    table = np.zeros(shape)
    table[kept] = numbers
    return table


def _linear(student, parameters, ids):
    features = [token for token in ids if token != student["pad_id"]]
    for first in range(len(ids)):
        code = ids[first]
        for place in range(first + 1, min(first + student["ngrams"], len(ids))):
            code = (code * 116_049_371 + ids[place]) % 2**64
            features.append(student["vocab_size"] + code % student["buckets"])
    mean = parameters["embeddings"][features].mean(axis=0)
    return mean @ parameters["output.kernel"] + parameters["output.bias"]


def _cnn(student, parameters, ids):
    embedded = np.concatenate([parameters["embedding"][ids], np.zeros((9, parameters["embedding"].shape[1]))])
    features = []
    for index, height in enumerate(student["filter_heights"]):
        kernel, bias = parameters[f"conv{index}.kernel"], parameters[f"conv{index}.bias"]
        windows = [np.einsum("hd,hdf->f", embedded[at : at + height], kernel) for at in range(len(ids))]
        features.append(np.maximum(np.max(windows, axis=0) + bias, 0))
    return np.concatenate(features) @ parameters["fc.kernel"] + parameters["fc.bias"]


def _bilstm(student, parameters, ids):
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    pooled = []
    for name, tokens in (("forward", ids), ("backward", ids[::-1])):
        state, cell, states = np.zeros(student["hidden"]), np.zeros(student["hidden"]), []
        for token in tokens:
            gates = parameters["embedding"][token] @ parameters[f"{name}.input_kernel"]
            gates = gates + state @ parameters[f"{name}.state_kernel"]
            gates = gates + parameters[f"{name}.input_bias"] + parameters[f"{name}.state_bias"]
            i, f, g, o = np.split(gates, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            state = sigmoid(o) * np.tanh(cell)
            states.append(state)
        pooled.append(np.max(states, axis=0) if student["states"] == "max" else states[-1])
    features = np.maximum(np.concatenate(pooled) @ parameters["dense.kernel"] + parameters["dense.bias"], 0)
    return features @ parameters["fc.kernel"] + parameters["fc.bias"]


@pytest.mark.parametrize(("name", "logits_of"), [("fasttext", _linear), ("cnn", _cnn), ("bilstm", _bilstm)])
def test_a_file_is_read_by_its_page_alone(tmp_path, packable, name, logits_of):
    run, export = packable[name]
    pack(run, export, max_loss=3).student.write(tmp_path / "student.djx")
    manifest, streams = _container((tmp_path / "student.djx").read_bytes())
    assert set(manifest["tokenizer"]) == {"tokenizer", "vocabulary"}
    words = streams["vocabulary"].decode().split("\n")
    parameters = {name: _parameter(name, about, streams) for name, about in manifest["arrays"].items()}
    model = dj.load(tmp_path / "student.djx")
    text = "w1 w2 w40 w3 w7"
    ids = [words.index(word) for word in ("[CLS]", *text.split(), "[SEP]")]
    expected = logits_of(manifest["student"], parameters, ids)
    assert_close(model.logits([text])[0], expected, terms=1_000, why="sums in another order")
    temperature = manifest["decision"].get("temperature", 1)
    shares = np.exp(expected / temperature) / np.exp(expected / temperature).sum()
    assert_close(model.predict_proba([text])[0], shares, terms=1_000, why="sums", dtype=np.float32)


def test_it_is_a_safetensors_file(tmp_path, packable):
    run, export = packable["fasttext"]
    pack(run, export, licence="MIT").student.write(tmp_path / "student.djx")
    with safetensors.safe_open(tmp_path / "student.djx", framework="numpy") as file:
        assert json.loads(file.metadata()["manifest"])["licence"] == "MIT"
        assert {"weights/embeddings", "tokenizer"} <= set(file.keys())
