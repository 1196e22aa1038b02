"""Load a teacher: its model, its fast tokenizer, the names of its classes, and whether its head is trained."""

import dataclasses
from typing import TYPE_CHECKING, Any

from distill_jax.data.tokenizer_file import read_tokenizer_file
from distill_jax.errors import InputError, MissingInputError, refusing
from distill_jax.tasks import SINGLE_LABEL_NAME
from teacher_export.teacher.demo import load_demo_model
from teacher_export.teacher.head import require_head, require_trained
from teacher_export.teacher.source import VOCABULARY_FILES, TeacherSource
from teacher_export.teacher.weights_file import read_state_dict

if TYPE_CHECKING:
    import numpy as np
    import torch


_SHOWN_KEYS = 6
_NO_LIMIT = 1_000_000  # what transformers writes where a tokenizer knows no longest text is above this
_OLD_BUFFERS = ("position_ids", "token_type_ids")
_POOLER = ".pooler."


@dataclasses.dataclass
class Teacher:
    """A sequence classifier in evaluation mode on the CPU, in float32.

    Attributes:
        model: a transformers sequence classifier.
        tokenizer: its ``tokenizers.Tokenizer``, set to cut texts at the maximal length and not to pad.
        saved_tokenizer: the transformers tokenizer around it, for ``save_pretrained``.
        class_names: its classes in the order of its logits.
        has_trained_head: False where its classification head was not in the checkpoint.
    """

    model: Any
    tokenizer: Any
    saved_tokenizer: Any
    class_names: tuple[str, ...]
    has_trained_head: bool

    @property
    def vocab_size(self) -> int:
        """Rows of the word-embedding table."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @property
    def pad_id(self) -> int:
        """The pad token's id; where the tokenizer has none, the configuration's, or 0."""
        known = self.saved_tokenizer.pad_token_id
        if known is None:
            known = getattr(self.model.config, "pad_token_id", None)
        return 0 if known is None else int(known)

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def token_embeddings(self) -> "np.ndarray":
        """Return the word-embedding table, float32 [vocab_size, dim]."""
        return self.model.get_input_embeddings().weight.detach().float().cpu().numpy()


def load_teacher(
    source: TeacherSource, label_names: tuple[str, ...], max_length: int, seed: int, task: str = SINGLE_LABEL_NAME
) -> Teacher:
    """Load a teacher's model and tokenizer.

    Args:
        source: where its files are.
        label_names: the data's classes, for which a head is made where the checkpoint has none.
        max_length: tokens a text is cut to.
        seed: draws the weights of a head that the checkpoint does not have.
        task: what its head must answer.

    Raises:
        InputError: the files are no sequence classifier, or one of another task, do not fit
            together, or have no fast tokenizer, or ``max_length`` is beyond the teacher's positions.
    """
    import torch

    saved_tokenizer = load_tokenizer(source)
    torch.manual_seed(seed)
    if source.is_demo:
        model, trained = load_demo_model(source.folder, label_names), False
    elif source.is_state_dict:
        model = _load_state_dict_model(source)
        trained = True
    else:
        model, trained = _load_folder_model(source, label_names)
    if trained:
        require_head(source.name, model, task)
    else:
        require_trained(source.name, task)
    model.float().eval()
    _require_length(source, model, saved_tokenizer, max_length)
    tokenizer = saved_tokenizer.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    teacher = Teacher(model, tokenizer, saved_tokenizer, _class_names(model), trained)
    if tokenizer.get_vocab_size() > teacher.vocab_size:
        raise InputError(
            f"teacher {source.name}: its tokenizer knows {tokenizer.get_vocab_size()} tokens, its embedding table has "
            f"only {teacher.vocab_size} rows; they do not belong together"
        )
    return teacher


def load_tokenizer(source: TeacherSource) -> Any:
    """Return the transformers tokenizer of a teacher; it is a fast one.

    Raises:
        InputError: there is none, or it has no fast (Rust) form.
    """
    from transformers import AutoTokenizer

    # Without a vocabulary transformers makes a tokenizer that knows no word, and says nothing.
    if not any((source.folder / name).is_file() for name in VOCABULARY_FILES):
        raise MissingInputError(
            f"teacher {source.name}: expected its tokenizer in {source.folder} (tokenizer.json), found none; save it "
            "there with tokenizer.save_pretrained"
        )
    if (source.folder / "tokenizer.json").is_file():
        read_tokenizer_file(source.folder / "tokenizer.json", "teacher's tokenizer")
    with refusing(
        lambda reason: (
            f"teacher {source.name}: no fast tokenizer could be loaded from {source.folder} ({reason}); it needs a "
            "tokenizer.json, saved by tokenizer.save_pretrained"
        )
    ):
        tokenizer = AutoTokenizer.from_pretrained(str(source.folder), trust_remote_code=False)
    if not getattr(tokenizer, "is_fast", False) or not hasattr(tokenizer, "backend_tokenizer"):
        raise InputError(
            f"teacher {source.name}: its tokenizer {type(tokenizer).__name__} has no fast form (tokenizer.json), and "
            "the students need one; save one with tokenizer.save_pretrained"
        )
    return tokenizer


def _load_folder_model(source: TeacherSource, label_names: tuple[str, ...]) -> tuple[Any, bool]:
    model, info = _from_pretrained(source)
    missing = sorted(info["missing_keys"])
    prefix = f"{model.base_model_prefix}."
    lacking = [key for key in missing if key.startswith(prefix) and _POOLER not in key]
    if lacking:
        raise InputError(
            f"teacher folder {source.folder}: its weights lack {_shorten(lacking)}, so they do not belong "
            "to its config.json"
        )
    if not any(not key.startswith(prefix) for key in missing):
        return model, True
    names = dict(enumerate(label_names))
    classes = {"id2label": names, "label2id": {name: index for index, name in names.items()}, "problem_type": None}
    model, _ = _from_pretrained(source, **classes)
    return model, False


def _from_pretrained(source: TeacherSource, **config: Any) -> tuple[Any, dict[str, Any]]:
    import torch
    from transformers import AutoModelForSequenceClassification

    state = torch.get_rng_state()
    what = f"teacher folder {source.folder}: it could not be loaded as a sequence classifier"
    try:
        with refusing(lambda reason: f"{what} ({reason})"):
            loaded: tuple[Any, dict[str, Any]] = AutoModelForSequenceClassification.from_pretrained(
                str(source.folder), output_loading_info=True, dtype=torch.float32, trust_remote_code=False, **config
            )
    finally:
        torch.set_rng_state(state)
    return loaded


def _load_state_dict_model(source: TeacherSource) -> Any:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    path = source.weights[0]
    weights = read_state_dict(path)
    what = f"--teacher-config {source.folder}: expected a sequence classifier's configuration"
    with refusing(lambda reason: f"{what} ({reason})"):
        config = AutoConfig.from_pretrained(str(source.folder), trust_remote_code=False)
        classes = _classes_of_head(weights)
        if classes is not None and classes != config.num_labels:
            config.num_labels = classes
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    expected = model.state_dict()
    weights = {key: value for key, value in weights.items() if key in expected or not key.endswith(_OLD_BUFFERS)}
    missing, unexpected = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected))
    if missing or unexpected:
        raise InputError(
            f"--state-dict {path}: its weights do not fit the configuration {source.folder}: missing "
            f"{_shorten(missing)}, unexpected {_shorten(unexpected)}"
        )
    shapes = [key for key in expected if expected[key].shape != weights[key].shape]
    if shapes:
        key = shapes[0]
        raise InputError(
            f"--state-dict {path}: {key}: expected shape {list(expected[key].shape)} (the configuration "
            f"{source.folder}), got {list(weights[key].shape)}"
        )
    model.load_state_dict(weights)
    return model


def _classes_of_head(weights: "dict[str, torch.Tensor]") -> int | None:
    heads = [key for key in weights if key.split(".")[-2:] in (["classifier", "weight"], ["out_proj", "weight"])]
    return int(weights[heads[0]].shape[0]) if len(heads) == 1 else None


def _class_names(model: Any) -> tuple[str, ...]:
    names = model.config.id2label
    if not isinstance(names, dict) or not all(isinstance(index, int) for index in names):
        raise InputError("teacher's configuration config.json: id2label: expected each class's number and name")
    return tuple(str(names[index]) for index in sorted(names))


def _require_length(source: TeacherSource, model: Any, tokenizer: Any, max_length: int) -> None:
    limits = [getattr(model.config, "max_position_embeddings", None), tokenizer.model_max_length]
    numbers = [limit for limit in limits if isinstance(limit, int | float)]  # a broken folder may say anything
    longest = min((limit for limit in numbers if 0 < limit < _NO_LIMIT), default=None)
    if longest is not None and max_length > longest:
        raise InputError(f"--max-length: the teacher {source.name} reads at most {longest} tokens, got {max_length}")


def _shorten(keys: list[str]) -> str:
    if not keys:
        return "none"
    rest = len(keys) - _SHOWN_KEYS
    return ", ".join(keys[:_SHOWN_KEYS]) + (f" and {rest} more" if rest > 0 else "")
