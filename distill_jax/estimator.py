"""A student as a scikit-learn estimator: from texts, labels and, where there are any, a teacher's logits."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from distill_jax.config import train_config
from distill_jax.data.examples import Examples
from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer
from distill_jax.errors import InputError
from distill_jax.inference.predictor import Origin, Predictor
from distill_jax.inference.text_input import text_chunks
from distill_jax.recipes import BEST
from distill_jax.students.registry import student_config, student_kind
from distill_jax.students.student import Student
from distill_jax.training.class_labels import class_labels
from distill_jax.training.fit import fit
from distill_jax.training.row_weights import weighted

_TEXTS_AT_ONCE = 4096
_PAD, _UNKNOWN, _START, _END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"


class TextClassifier(ClassifierMixin, BaseEstimator):
    """A student that is trained on raw texts, with a tokenizer of the texts' own words unless one is given.

    Args:
        student: ``fasttext``, ``cnn``, ``bilstm``, ``ensemble``, or one that was registered.
        options: the student's own fields, in place of its best recipe's.
        training: fields of ``TrainConfig`` (``epochs``, ``learning_rate``, …), in place of the recipe's.
        tokenizer: the path of a ``tokenizer.json``; None = the texts' frequent words, and letters for the others.
        vocab_size: words and letters to know, at most.
        max_length: tokens of a text that the student sees.
        random_state: decides everything that is drawn.

    Example:
        >>> from distill_jax import TextClassifier
        >>> texts, labels = ["good film", "bad film"] * 20, ["pos", "neg"] * 20
        >>> model = TextClassifier(training={"epochs": 40}).fit(texts, labels)
        >>> model.predict(["a good one"]).tolist()
        ['pos']
    """

    def __init__(
        self,
        student: str = "fasttext",
        *,
        options: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        tokenizer: str | Path | None = None,
        vocab_size: int = 8192,
        max_length: int = 128,
        random_state: int = 0,
    ) -> None:
        self.student, self.options, self.training = student, options, training
        self.tokenizer, self.vocab_size, self.max_length, self.random_state = (
            tokenizer,
            vocab_size,
            max_length,
            random_state,
        )

    def __sklearn_tags__(self) -> Tags:
        """Say that it takes texts, in one dimension."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        return tags

    def fit(self, X: Iterable[str], y: Sequence[Any], teacher_logits: np.ndarray | None = None) -> Self:  # noqa: N803
        """Train on texts and their labels; with ``teacher_logits`` [n, classes], learn from those.

        Raises:
            InputError: texts, labels and logits do not go together, or an option is out of range.
        """
        texts = [text for chunk in text_chunks(X, _TEXTS_AT_ONCE) for text in chunk]
        self.classes_, labels = class_labels(y, len(texts))
        if len(self.classes_) < 2:
            raise InputError(f"y: expected at least two classes, got {self.classes_.tolist()}")
        if teacher_logits is not None and np.shape(teacher_logits) != (len(texts), len(self.classes_)):
            raise InputError(
                f"teacher_logits: expected [{len(texts)}, {len(self.classes_)}], the classes {self.classes_.tolist()}, "
                f"got {list(np.shape(teacher_logits))}"
            )
        tokenizer, pad_id = self._tokenizer(texts)
        fast = FastTokenizer(tokenizer, self.max_length)
        recipe = student_kind(self.student).recipe(BEST).student
        config = student_config(
            self.student,
            vocab_size=tokenizer.get_vocab_size(),
            num_labels=len(self.classes_),
            pad_id=pad_id,
            **{**recipe, **(self.options or {})},
        )
        rows = Examples(
            fast.encode(texts),
            labels.astype(np.int32),
            None if teacher_logits is None else np.asarray(teacher_logits, np.float32),
            length=self.max_length,
        )
        training = {"embeddings": "random", "transfer": False, "seed": self.random_state, **(self.training or {})}
        train = train_config(self.student, distil=teacher_logits is not None, **training)
        student = Student(config)
        names = tuple(map(str, self.classes_.tolist()))
        rows = weighted(rows, train.class_weights, names)
        result = fit(student, student.init(self.random_state), train=rows, config=train)
        origin = Origin(train=dataclasses.asdict(train))
        self.model_ = Predictor.of(names, config, result.params, fast, self.max_length, origin, result.task)
        return self

    def predict(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """Return the most probable class of each text, [n]."""
        check_is_fitted(self, "model_")
        return self.classes_[self.model_.config.labelling.answers(self.model_.logits(X))]

    def predict_proba(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """Return probabilities, float64 [n, classes]."""
        check_is_fitted(self, "model_")
        return self.model_.predict_proba(X)

    def _tokenizer(self, texts: list[str]) -> tuple[Tokenizer, int]:
        if self.tokenizer is not None:
            tokenizer = load_tokenizer(Path(self.tokenizer), self.max_length)
            pad_id = next((id_ for name in (_PAD, "<pad>") if (id_ := tokenizer.token_to_id(name)) is not None), None)
            if pad_id is None:
                raise InputError(f"tokenizer {self.tokenizer}: expected a token {_PAD} or <pad>, found none")
            return tokenizer, pad_id
        special = [_PAD, _UNKNOWN, _START, _END]
        normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        words = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
        # The library's trainer breaks ties at random; the frequent words whole, and letters for all others, suffice.
        letters = sorted({letter for word in words for letter in word})
        frequent = sorted(words, key=lambda word: (-words[word], word))
        pieces = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters)])
        for word in frequent:
            if len(pieces) >= self.vocab_size:
                break
            pieces[word] = None
        vocabulary = {piece: id_ for id_, piece in enumerate(pieces)}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=_UNKNOWN))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
        start, end = ((name, vocabulary[name]) for name in (_START, _END))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{_START} $A {_END}", special_tokens=[start, end]
        )
        tokenizer.enable_truncation(self.max_length)
        return tokenizer, vocabulary[_PAD]
