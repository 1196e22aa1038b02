"""A teacher's folder is data: nothing in it is run, and nothing outside it is read."""

import io
import json
import shlex
import sys

import pytest
from safetensors.torch import load_file, save_file

from distill_jax.errors import InputError, MissingInputError
from teacher_export.options.teacher import TeacherConfig
from teacher_export.teacher.loading import load_teacher
from teacher_export.teacher.source import resolve_teacher
from tiny_teacher import LABEL_NAMES, make_teacher


@pytest.fixture
def folder(tmp_path):
    make_teacher(tmp_path / "teacher")
    return tmp_path / "teacher"


def _load(folder):
    return load_teacher(resolve_teacher(TeacherConfig(teacher=str(folder))), LABEL_NAMES, 32, 0)


def _change(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


_CODE = """
from pathlib import Path
Path(r"{marker}").write_text("run")
from transformers import DistilBertConfig as HostileConfig
from transformers import DistilBertForSequenceClassification as HostileModel
from transformers import PreTrainedTokenizerFast as HostileTokenizer
"""


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_folder_s_own_code_is_never_run_whatever_standard_input_answers(folder, tmp_path, monkeypatch, file):
    marker = tmp_path / "executed"
    (folder / "hostile.py").write_text(_CODE.format(marker=marker))
    if file == "config.json":
        classes = {"AutoConfig": "hostile.HostileConfig", "AutoModelForSequenceClassification": "hostile.HostileModel"}
        _change(folder / file, model_type="hostile", auto_map=classes)
    else:
        classes = {"AutoTokenizer": [None, "hostile.HostileTokenizer"]}
        _change(folder / file, tokenizer_class="HostileTokenizer", auto_map=classes)
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n" * 20))
    try:
        _load(folder)
    except InputError as error:
        assert str(folder) in str(error)  # noqa: PT017 - to load it without its code would do as well
    else:
        assert file == "tokenizer_config.json"
    assert not marker.exists()


def test_a_teacher_that_is_code_of_its_own_is_refused_with_what_to_do(folder):
    _change(folder / "config.json", model_type="of-its-own", auto_map={"AutoConfig": "own.Config"})
    with pytest.raises(InputError, match=r"code of its own .*never run; give one whose architecture transformers has"):
        _load(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attn_implementation", "someone/kernel"),
        ("_attn_implementation", "someone/kernel"),
        ("_attn_implementation_internal", {"": "someone/kernel"}),
        ("use_kernels", True),
        ("kernel_config", {"kernel_mapping": {"Linear": "someone/kernel:Linear"}}),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_configuration_that_names_code_to_fetch_is_refused(folder, field, value, nested):
    _change(folder / "config.json", **({"text_config": {field: value}} if nested else {field: value}))
    with pytest.raises(InputError, match=f"config.json: {field}: expected eager, sdpa or nothing, got"):
        _load(folder)


def test_a_configuration_with_an_attention_of_the_library_s_own_is_taken(folder):
    _change(folder / "config.json", attn_implementation="eager")
    assert _load(folder).has_trained_head


def _sharded(folder, name):
    """Put the folder's weights into one file of an index, called ``name``."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / name, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(weights, name)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return weights


def test_weights_of_an_index_are_read_and_are_the_fingerprint_s(folder):
    weights = _sharded(folder, "other-name.safetensors")
    before = resolve_teacher(TeacherConfig(teacher=str(folder))).fingerprint
    assert _load(folder).has_trained_head
    save_file({key: 2 * value for key, value in weights.items()}, folder / "other-name.safetensors", {"format": "pt"})
    assert resolve_teacher(TeacherConfig(teacher=str(folder))).fingerprint != before


@pytest.mark.parametrize("name", ["../outside.safetensors", "sub/inside.safetensors", "{absolute}"])
def test_an_index_that_names_weights_elsewhere_is_refused(folder, tmp_path, name):
    (folder / "sub").mkdir()
    name = name.replace("{absolute}", str(tmp_path / "outside.safetensors"))
    _sharded(folder, name)
    with pytest.raises(InputError, match=r"index.json: weight_map: expected names of files in its folder, got"):
        _load(folder)


@pytest.mark.parametrize("weight_map", [None, {}, {"a": 3}, []])
def test_an_index_without_names_is_refused(folder, weight_map):
    _sharded(folder, "part.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(InputError, match="weight_map: expected each weight's file name"):
        _load(folder)


@pytest.mark.parametrize("with_configuration", [True, False])
def test_an_adapter_to_other_weights_is_refused_with_the_command_that_merges_it(folder, with_configuration):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "someone/else"}))
    if not with_configuration:
        (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"it holds a PEFT adapter .* merge them") as refusal:
        _load(folder)
    command = shlex.split(str(refusal.value).split("a whole model: ")[1])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "command", "exec")
    assert "merge_and_unload" in command[2]


def test_what_transformers_writes_for_no_longest_text_is_no_fault(folder):
    """1e30 as a whole number, and configurations that hold Infinity."""
    _change(folder / "tokenizer_config.json", model_max_length=int(1e30))
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("{", '{"limit": Infinity,', 1))
    assert _load(folder).has_trained_head


def test_a_stray_shard_beside_whole_weights_of_the_other_kind_is_no_fault(folder):
    import torch

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "model-00001.safetensors")
    with pytest.raises(MissingInputError, match=r"expected model\.safetensors\.index\.json beside model-00001"):
        _load(folder)
    torch.save(weights, folder / "pytorch_model.bin")
    assert resolve_teacher(TeacherConfig(teacher=str(folder))).weights == (folder / "pytorch_model.bin",)


class _Hostile:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def test_weights_that_hold_more_than_tensors_are_one_sentence_and_run_nothing(folder, tmp_path):
    import torch

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({**weights, "x": _Hostile(tmp_path / "executed")}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="it could not be loaded as a sequence classifier"):
        _load(folder)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kept", [0, 1, 100, 2000])
def test_weights_that_are_cut_are_one_sentence(folder, kept):
    import torch

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "pytorch_model.bin").write_bytes((folder / "pytorch_model.bin").read_bytes()[:kept])
    with pytest.raises(InputError, match="it could not be loaded as a sequence classifier"):
        _load(folder)


def test_a_tokenizer_that_would_end_the_process_is_refused(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    vocab = [["[UNK]", 0.0], ["a" + "[" * 200_000, -3.0]]
    content["model"] = {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"teacher's tokenizer .* expected tokens of at most 10,000 characters, got"):
        _load(folder)


@pytest.mark.parametrize("id_", [2**20, 2**31 - 1, 2**32 - 1])
def test_a_token_of_an_id_that_takes_gigabytes_to_write_is_refused(folder, id_):
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"][next(reversed(content["model"]["vocab"]))] = id_
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"teacher teacher: its tokenizer: expected ids below [\d,]+ for [\d,]+ tokens"
    ):
        _load(folder)


def test_a_configuration_nested_without_end_is_one_sentence(folder):
    (folder / "config.json").write_text('{"a": ' + "[" * 900 + "]" * 900 + "}")
    with pytest.raises(InputError):
        _load(folder)
