"""Load a teacher: its model, its fast tokenizer, the names of its classes, and whether its head is trained."""

import dataclasses
from typing import TYPE_CHECKING, Any

from distill_jax.data.tokenizer import require_plausible_vocabulary
from distill_jax.errors import InputError, refusing
from distill_jax.files import read_json
from distill_jax.tasks import SINGLE_LABEL_NAME
from teacher_export.teacher.demo import load_demo_model
from teacher_export.teacher.families import Segments
from teacher_export.teacher.folder_files import CONFIG
from teacher_export.teacher.head import PROBLEM_TYPES, require_head
from teacher_export.teacher.positions import require_length
from teacher_export.teacher.saved_tokenizer import cut_texts, load_tokenizer, own_pad_id
from teacher_export.teacher.source import TeacherSource
from teacher_export.teacher.weights_file import read_state_dict, require_plain

if TYPE_CHECKING:
    import numpy as np
    import torch


_SHOWN_KEYS = 6
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
        """Every id that the students see is below it."""
        return max(self._rows, self.pad_id + 1)

    @property
    def pad_id(self) -> int:
        """What fills the students' texts up: the pad token, or an id of their own where that is missing or no other."""
        known = own_pad_id(self.saved_tokenizer)
        return self._rows if known is None else known

    @property
    def fill_id(self) -> int:
        """What fills the teacher's own batches up, masked."""
        known = getattr(self.model.config.get_text_config(), "pad_token_id", None)
        return 0 if known is None else int(known)

    @property
    def segments(self) -> Segments | None:
        """The ``token_type_ids`` that it wants with a text."""
        return Segments.of(self.saved_tokenizer, self.model)

    @property
    def _rows(self) -> int:
        return int(self.model.get_input_embeddings().weight.shape[0])

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def word_embeddings(self) -> "np.ndarray":
        """Return the word-embedding table, float32 [vocab_size, dim]; a pad token of the students' own has zeros."""
        from torch.nn import functional

        table = self.model.get_input_embeddings().weight.detach().float().cpu()
        return functional.pad(table, (0, 0, 0, self.vocab_size - len(table))).numpy()


def load_teacher(
    source: TeacherSource, label_names: tuple[str, ...], max_length: int, seed: int, task: str = SINGLE_LABEL_NAME
) -> Teacher:
    """Load a teacher's model and tokenizer.

    Args:
        source: where its files are.
        label_names: the data's classes, for which a head is made where the checkpoint has none.
        max_length: tokens a text is cut to.
        seed: draws the weights of a head that the checkpoint does not have.
        task: what its head must answer, or the new one is to learn.

    Raises:
        InputError: the files are no sequence classifier, or one of another task, do not fit
            together, or have no fast tokenizer, or ``max_length`` is beyond the teacher's positions.
    """
    import torch

    _require_no_code(source)
    saved_tokenizer = load_tokenizer(source)
    torch.manual_seed(seed)
    if source.is_demo:
        model, trained = load_demo_model(source.folder, label_names, PROBLEM_TYPES[task]), False
    elif source.is_state_dict:
        model = _load_state_dict_model(source)
        trained = True
    else:
        model, trained = _load_folder_model(source, label_names, task)
    if trained:
        require_head(source.name, model, task)
    _require_heads(source.name, model)
    model.float().eval()
    require_length(source.name, model, saved_tokenizer, max_length)
    tokenizer, rows = cut_texts(saved_tokenizer, max_length), len(model.get_input_embeddings().weight)
    highest = max(tokenizer.get_vocab().values(), default=0)  # the library writes a tokenizer by a list of so many ids
    require_plausible_vocabulary(highest + 1, tokenizer, f"teacher {source.name}: its tokenizer")
    if tokenizer.get_vocab_size() > rows:
        raise InputError(
            f"teacher {source.name}: its tokenizer knows {tokenizer.get_vocab_size()} tokens, its embedding table has "
            f"only {rows} rows; they do not belong together"
        )
    names = _class_names(source.name, model)
    if trained:
        _require_no_contradiction(source, names)
    return Teacher(model, tokenizer, saved_tokenizer, names, trained)


def _require_heads(teacher: str, model: Any) -> None:
    """Raise ``InputError`` for a number of attention heads below one, which divides any width and computes nothing."""
    heads = getattr(model.config, "num_attention_heads", 1)
    if isinstance(heads, int) and heads < 1:
        raise InputError(f"teacher {teacher}: {CONFIG}: expected one attention head or more, got {heads}")


def _require_no_code(source: TeacherSource) -> None:
    """Raise ``InputError`` for a model that only code in its own folder can make."""
    from transformers import CONFIG_MAPPING

    config = read_json(source.folder / CONFIG, "teacher's configuration", foreign=True)
    if config.get("auto_map") and config.get("model_type") not in CONFIG_MAPPING:
        raise InputError(
            f"teacher {source.name}: its model {config.get('model_type')!r} is code of its own in {source.folder} "
            "(auto_map), which is never run; give one whose architecture transformers has, or export this one's "
            "answers with your own script and give them as --teacher-outputs"
        )


def _load_folder_model(source: TeacherSource, label_names: tuple[str, ...], task: str) -> tuple[Any, bool]:
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
    numbers = {name: index for index, name in names.items()}
    model, _ = _from_pretrained(source, id2label=names, label2id=numbers, problem_type=PROBLEM_TYPES[task])
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
    for key, tensor in weights.items():
        require_plain(tensor, f"--state-dict {path}: {key}", is_real=expected[key].is_floating_point())
    model.load_state_dict(weights)
    return model


def _classes_of_head(weights: "dict[str, torch.Tensor]") -> int | None:
    heads = [key for key in weights if key.split(".")[-2:] in (["classifier", "weight"], ["out_proj", "weight"])]
    return int(weights[heads[0]].shape[0]) if len(heads) == 1 else None


def _class_names(teacher: str, model: Any) -> tuple[str, ...]:
    names = model.config.id2label
    if not isinstance(names, dict) or set(names) != set(range(len(names))):
        got = ", ".join(map(str, names))[:100] if isinstance(names, dict) else type(names).__name__
        raise InputError(
            f"teacher {teacher}: {CONFIG}: id2label: expected a name for each class's number from 0 on, without a gap, "
            f"got {got}; correct it there"
        )
    return tuple(str(names[index]) for index in range(len(names)))


def _require_no_contradiction(source: TeacherSource, names: tuple[str, ...]) -> None:
    """Raise ``InputError`` where label2id, as far as it has these names, gives them other numbers."""
    given = read_json(source.folder / CONFIG, "teacher's configuration", foreign=True).get("label2id")
    numbers = given if isinstance(given, dict) else {}
    for number, name in enumerate(names):
        if str(numbers.get(name, number)) != str(number):
            raise InputError(
                f"teacher {source.name}: {CONFIG}: id2label calls class {number} {name!r}, and label2id says that it "
                f"is class {numbers[name]}; which of them holds is not known: correct the other one there"
            )


def _shorten(keys: list[str]) -> str:
    if not keys:
        return "none"
    rest = len(keys) - _SHOWN_KEYS
    return ", ".join(keys[:_SHOWN_KEYS]) + (f" and {rest} more" if rest > 0 else "")
