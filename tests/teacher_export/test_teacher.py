import json
import shutil

import pytest
import torch

from distill_jax.errors import InputError, MissingInputError
from teacher_export.options.teacher import TeacherConfig
from teacher_export.teacher.loading import load_teacher
from teacher_export.teacher.source import resolve_teacher
from teacher_export.teacher.weights_file import read_state_dict
from tiny_teacher import LABEL_NAMES, make_config, make_teacher, make_tokenizer

LENGTH = 32


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "five-stars"
    return folder, make_teacher(folder)


def load(config, **arguments):
    settings = {"label_names": LABEL_NAMES, "max_length": LENGTH, "seed": 0, **arguments}
    return load_teacher(resolve_teacher(config), **settings)


def same_weights(first, second):
    first, second = first.state_dict(), second.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def copy_of(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "elsewhere" / "other-name")


def test_a_saved_classifier_is_loaded_with_its_head_and_names(saved):
    folder, model = saved
    teacher = load(TeacherConfig(teacher=str(folder)))
    assert teacher.has_trained_head
    assert teacher.class_names == LABEL_NAMES
    assert same_weights(teacher.model, model)
    assert (teacher.vocab_size, teacher.pad_id) == (40, 0)
    assert teacher.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert not teacher.model.training
    assert teacher.word_embeddings().shape == (40, 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda names: {"id2label": dict(zip((0, 1, 2, 3, 7), names, strict=True))},
            r"without a gap, got 0, 1, 2, 3, 7",
        ),
        (lambda names: {"id2label": dict(enumerate(names, 1))}, r"from 0 on, without a gap, got 1, 2, 3, 4, 5"),
        (
            lambda names: {"label2id": {name: 4 - place for place, name in enumerate(names)}},
            r"id2label calls class 0 '1 star', and label2id says that it is class 4",
        ),
    ],
)
def test_classes_whose_numbers_are_in_doubt_are_refused(saved, tmp_path, change, message):
    folder = copy_of(saved[0], tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change(LABEL_NAMES)}))
    with pytest.raises(InputError, match=message):
        load(TeacherConfig(teacher=str(folder)))


def test_the_tokenizer_cuts_and_does_not_pad(saved):
    teacher = load(TeacherConfig(teacher=str(saved[0])))
    ids = [encoding.ids for encoding in teacher.tokenizer.encode_batch(["film " * 100, "film"])]
    assert [len(row) for row in ids] == [LENGTH, 3]


def test_a_bare_encoder_gets_a_head_for_the_datas_classes_drawn_from_the_seed(tmp_path):
    make_teacher(tmp_path, head=False)
    first, again, other = (load(TeacherConfig(teacher=str(tmp_path)), seed=seed) for seed in (0, 0, 1))
    assert not first.has_trained_head
    assert first.class_names == LABEL_NAMES
    assert same_weights(first.model, again.model)
    assert not torch.equal(first.model.classifier.weight, other.model.classifier.weight)
    assert same_weights(first.model.distilbert, other.model.distilbert)


def test_weights_that_lack_a_layer_are_refused(saved, tmp_path):
    folder = copy_of(saved[0], tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_layers": 3}))
    with pytest.raises(InputError, match=r"its weights lack distilbert\.transformer\.layer\.2\."):
        load(TeacherConfig(teacher=str(folder)))


def test_the_fingerprint_is_of_the_content_not_of_the_path(saved, tmp_path):
    folder = copy_of(saved[0], tmp_path)
    first, second = (resolve_teacher(TeacherConfig(teacher=str(path))) for path in (saved[0], folder))
    assert first.fingerprint == second.fingerprint
    assert (first.name, second.name) == ("five-stars", "other-name")


@pytest.mark.parametrize("change", ["weights", "class order", "tokenizer"])
def test_the_fingerprint_changes_with_what_matters(saved, tmp_path, change):
    folder = copy_of(saved[0], tmp_path)
    before = resolve_teacher(TeacherConfig(teacher=str(folder))).fingerprint
    if change == "weights":
        make_teacher(folder, seed=1)
    elif change == "class order":
        make_teacher(folder, label_names=LABEL_NAMES[::-1])
    else:
        path = folder / "tokenizer.json"
        path.write_text(path.read_text().replace('"film"', '"movie"'))
    assert resolve_teacher(TeacherConfig(teacher=str(folder))).fingerprint != before


def write_state_dict(saved, tmp_path, wrap=lambda weights: weights, **config):
    """Write the notebook's way: a state dict, and a folder with a plain configuration and the tokenizer."""
    folder = tmp_path / "plain"
    make_config(**config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    path = tmp_path / "weights.pt"
    torch.save(wrap(dict(saved[1].state_dict())), path)
    return TeacherConfig(teacher_config=str(folder), state_dict=path)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"model_state_dict": weights},
        lambda weights: {f"module.{key}": value for key, value in weights.items()},
        lambda weights: {**weights, "distilbert.embeddings.position_ids": torch.arange(64)[None]},
    ],
    ids=["plain", "state_dict", "model_state_dict", "module", "old buffer"],
)
def test_a_state_dict_is_loaded_whole(saved, tmp_path, wrap):
    teacher = load(write_state_dict(saved, tmp_path, wrap))
    assert teacher.has_trained_head
    assert same_weights(teacher.model, saved[1])
    assert teacher.class_names == tuple(f"LABEL_{index}" for index in range(5))  # the head's size, not the default 2


def test_a_number_of_heads_below_one_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved[0], tmp_path / "teacher")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_heads": -config["n_heads"]}))
    with pytest.raises(InputError, match=r"teacher .*config\.json: expected one attention head or more, got -\d"):
        load(TeacherConfig(teacher=str(folder)))


def test_a_state_dict_keeps_the_names_its_configuration_has(saved, tmp_path):
    teacher = load(write_state_dict(saved, tmp_path, label_names=LABEL_NAMES[::-1]))
    assert teacher.class_names == LABEL_NAMES[::-1]


def test_a_safetensors_file_is_a_state_dict_too(saved):
    weights = read_state_dict(saved[0] / "model.safetensors")
    assert weights.keys() == saved[1].state_dict().keys()


def drop_head(weights):
    return {key: value for key, value in weights.items() if key != "classifier.bias"}


def change_bias(change):
    return lambda weights: {**weights, "classifier.bias": change(weights["classifier.bias"])}


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (drop_head, r"do not fit the configuration .*: missing classifier\.bias, unexpected none"),
        (lambda weights: {**weights, "extra": torch.ones(1)}, "missing none, unexpected extra"),
        (lambda weights: {"a": 1}, "expected names and tensors, as torch.save"),
        (lambda weights: [1], "expected names and tensors, .* got list"),
        (lambda weights: {"model": make_config()}, "damaged or holds other objects"),
        (
            lambda weights: {**weights, "classifier.bias": torch.ones(4)},
            r"classifier\.bias: expected shape \[5\] .*, got \[4\]",
        ),
        *(
            (
                change_bias(change),
                rf"classifier\.bias: expected a dense tensor of floating-point numbers, got {words}; ",
            )
            for change, words in (
                (torch.Tensor.to_sparse, "sparse ones"),
                (lambda bias: bias.to("meta"), "meta ones"),
                (lambda bias: bias.to(torch.complex64), "complex64"),
                (torch.Tensor.long, "int64"),
            )
        ),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused(saved, tmp_path, wrap, message):
    config = write_state_dict(saved, tmp_path, wrap)
    with pytest.raises(InputError, match=message):
        load(config)


def test_a_state_dict_that_is_damaged_or_missing_is_refused(saved, tmp_path):
    config = write_state_dict(saved, tmp_path)
    config.state_dict.write_bytes(config.state_dict.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged or holds other objects"):
        load(config)
    config.state_dict.unlink()
    with pytest.raises(MissingInputError, match=r"--state-dict: expected a file .*weights\.pt, found none"):
        load(config)


OTHER_KINDS = [
    ({"problem_type": "multi_label_classification"}, "got a multi-label one .*multi_label_classification, num_labels"),
    ({"problem_type": "regression"}, "got one that gives a text a score: .*problem_type regression, num_labels 5"),
    ({"label_names": ("stars",)}, "got one that gives a text a score: .*problem_type nothing, num_labels 1"),
    ({"label_names": ("stars",), "problem_type": "regression"}, "a score: .*problem_type regression, num_labels 1"),
    ({"label_names": ("spam",), "problem_type": "multi_label_classification"}, "got a multi-label one .*num_labels 1"),
]


@pytest.mark.parametrize(("config", "message"), OTHER_KINDS)
@pytest.mark.parametrize("is_state_dict", [False, True])
def test_a_teacher_of_several_classes_a_text_or_of_scores_is_refused(tmp_path, config, message, is_state_dict):
    config = {"label_names": LABEL_NAMES, **config}
    model = make_teacher(tmp_path / "other", **config)
    teacher = TeacherConfig(teacher=str(tmp_path / "other"))
    if is_state_dict:
        teacher = write_state_dict((None, model), tmp_path, **config)
    with pytest.raises(InputError, match=f"expected a classifier of one class a text, .* {message}"):
        load(teacher)


def test_a_teacher_that_says_that_it_is_of_one_class_a_text_is_taken(tmp_path):
    make_teacher(tmp_path, problem_type="single_label_classification")
    assert load(TeacherConfig(teacher=str(tmp_path))).class_names == LABEL_NAMES


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_what_an_encoder_without_a_head_was_made_for_does_not_matter(tmp_path, kind):
    make_teacher(tmp_path / "bare", head=False, problem_type=kind)
    teacher = load(TeacherConfig(teacher=str(tmp_path / "bare")))
    assert not teacher.has_trained_head
    teacher.model.save_pretrained(tmp_path / "tuned")
    teacher.saved_tokenizer.save_pretrained(tmp_path / "tuned")
    assert load(TeacherConfig(teacher=str(tmp_path / "tuned"))).has_trained_head


def test_texts_longer_than_the_teacher_reads_are_refused(saved):
    with pytest.raises(InputError, match="--max-length: the teacher five-stars reads at most 64 tokens, got 65"):
        load(TeacherConfig(teacher=str(saved[0])), max_length=65)


def test_folders_that_hold_no_teacher_are_refused(saved, tmp_path):
    with pytest.raises(MissingInputError, match=r"--teacher .*nowhere: there is no such folder"):
        load(TeacherConfig(teacher=str(tmp_path / "nowhere")))
    with pytest.raises(MissingInputError, match=r"expected a config\.json"):
        load(TeacherConfig(teacher=str(tmp_path)))
    with pytest.raises(InputError, match="got a file; weights go to --state-dict"):
        load(TeacherConfig(teacher=str(saved[0] / "model.safetensors")))
    folder = copy_of(saved[0], tmp_path)
    (folder / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(InputError, match="could not be loaded as a sequence classifier"):
        load(TeacherConfig(teacher=str(folder)))
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingInputError, match="expected weights"):
        load(TeacherConfig(teacher=str(folder)))


def test_a_foreign_models_folder_is_refused(saved, tmp_path):
    folder = copy_of(saved[0], tmp_path)
    (folder / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(InputError, match=r"could not be loaded as a sequence|no fast tokenizer could be loaded"):
        load(TeacherConfig(teacher=str(folder)))


def test_a_teacher_without_a_tokenizer_is_refused(saved, tmp_path):
    folder = copy_of(saved[0], tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(InputError, match="teacher other-name: expected its tokenizer in"):
        load(TeacherConfig(teacher=str(folder)))


def test_a_tokenizer_larger_than_the_embedding_table_is_refused(tmp_path):
    make_teacher(tmp_path, vocab_size=20)
    with pytest.raises(InputError, match="its tokenizer knows 32 tokens, its embedding table has only 20 rows"):
        load(TeacherConfig(teacher=str(tmp_path)))


def test_a_name_that_the_hub_does_not_give_is_refused(monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("Network is unreachable\nmore lines")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(MissingInputError, match=r"no/such-model: it is no folder here, .*\(Network is unreachable\);"):
        resolve_teacher(TeacherConfig(teacher="no/such-model"))


def test_a_hub_name_is_its_downloaded_folder(saved, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, allow_patterns: str(saved[0]))
    source = resolve_teacher(TeacherConfig(teacher="someone/five-stars"))
    assert source.name == "someone/five-stars"
    assert source.fingerprint == resolve_teacher(TeacherConfig(teacher=str(saved[0]))).fingerprint
