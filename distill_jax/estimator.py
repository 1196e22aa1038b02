"""Students as scikit-learn estimators: from texts, labels and, where there are any, a teacher's logits."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from distill_jax.config import TrainConfig, train_config
from distill_jax.data.examples import Examples
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.data.word_tokenizer import tokenizer_of_file, word_tokenizer
from distill_jax.errors import InputError, require_whole
from distill_jax.inference.predictor import Origin, Predictor
from distill_jax.inference.text_input import text_chunks
from distill_jax.recipes import BEST
from distill_jax.students.registry import student_config, student_kind
from distill_jax.students.student import Student
from distill_jax.tasks import MULTI_LABEL_NAME, SCORE_NAME, SINGLE_LABEL_NAME, TaskName
from distill_jax.tasks.registry import task_named
from distill_jax.training.class_labels import class_labels, in_class_order
from distill_jax.training.fit import fit
from distill_jax.training.label_sets import label_sets, sets_of_names
from distill_jax.training.length import fitted_to_rows
from distill_jax.training.row_weights import weighted
from distill_jax.training.score_labels import score_labels
from distill_jax.training.start_embeddings import task_s_recipe

_TEXTS_AT_ONCE = 4096
_MOST_TOKENS, _MOST_WORDS = 100_000, 10_000_000
_THE_ESTIMATORS_OWN = ("student", "distil", "transfer", "memory")  # what else says, or what goes with an export


class _TextEstimator(BaseEstimator):
    """What the estimators have in common: they take raw texts, and make a tokenizer of their words."""

    model_: Predictor

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

    def _fit(
        self,
        texts: list[str],
        labels: np.ndarray,
        teacher_logits: np.ndarray | None,
        task: TaskName,
        names: tuple[str, ...],
    ) -> Predictor:
        """Return a student of texts and what ``task`` has for labels; ``teacher_logits`` are [n, names], or None."""
        require_whole("max_length", self.max_length, 1, _MOST_TOKENS)
        require_whole("vocab_size", self.vocab_size, 1, _MOST_WORDS)
        _require_training(self.training or {})
        if self.tokenizer is None:
            tokenizer, pad_id = word_tokenizer(texts, self.vocab_size, self.max_length)
        else:
            tokenizer, pad_id = tokenizer_of_file(Path(self.tokenizer), self.max_length)
        fast = FastTokenizer(tokenizer, self.max_length)
        config = student_config(
            self.student,
            vocab_size=tokenizer.get_vocab_size(),
            num_labels=len(names),
            pad_id=pad_id,
            task=task,
            standardisation=task_named(task).standardisation(labels, teacher_logits),
            **{**student_kind(self.student).recipe(BEST).student, **(self.options or {})},
        )
        given = self.training or {}
        training = {"embeddings": "random", "hint_weight": 0.0, "transfer": False, "seed": self.random_state, **given}
        train = train_config(self.student, distil=teacher_logits is not None, **training)
        train = fitted_to_rows(task_s_recipe(train, config.labelling, given), len(texts), given=given)
        student = Student(config)
        rows = Examples(fast.encode(texts), labels, teacher_logits, length=self.max_length)
        rows = weighted(rows, train.class_weights, names)
        result = fit(student, student.init(self.random_state), train=rows, config=train)
        origin = Origin(train=dataclasses.asdict(train))
        return Predictor.of(names, config, result.params, fast, self.max_length, origin, result.task)


def _require_training(training: dict[str, Any]) -> None:
    """Raise ``InputError`` for what is no field of ``TrainConfig``, or none that texts in memory go with."""
    known = sorted({field.name for field in dataclasses.fields(TrainConfig)} - {*_THE_ESTIMATORS_OWN})
    wrong = next((name for name in training if name not in known), None)
    if wrong is not None:
        raise InputError(f"training: expected fields of TrainConfig ({', '.join(known)}), got {wrong!r}")
    if training.get("hint_weight"):
        raise InputError("training: hint_weight: expected 0, for only an export has hints, got more")
    if training.get("embeddings") == "teacher":
        raise InputError("training: embeddings: expected 'random' or a file of vectors, got 'teacher'")


class TextClassifier(ClassifierMixin, _TextEstimator):
    """A student of classes, or of several labels a text, that is trained on raw texts.

    It has a tokenizer of the texts' own words unless one is given. Labels are one class for each text; or, for several
    labels a text, a matrix of 0 and 1 [n, labels], or a list of names for each text. Answers have the labels' form.

    Args:
        student: ``fasttext``, ``dan``, ``cnn``, ``bilstm``, ``ensemble``, or one that was registered.
        options: the student's own fields, in place of its best recipe's.
        training: fields of ``TrainConfig`` (``epochs``, ``learning_rate``, …), in place of the recipe's.
        tokenizer: the path of a ``tokenizer.json``; None = the texts' frequent words, and letters for the others.
        vocab_size: words and letters to know, at most.
        max_length: tokens of a text that the student sees.
        random_state: decides everything that is drawn.

    Attributes:
        classes_: the classes, or the labels, in their order.
        multilabel_: whether it was trained on several labels a text.
        model_: the student, as ``dj.load`` gives one: ``dj.save(model.model_, path)`` keeps it.

    Example:
        >>> from distill_jax import TextClassifier
        >>> texts, labels = ["good film", "bad film"] * 20, ["pos", "neg"] * 20
        >>> model = TextClassifier().fit(texts, labels)
        >>> model.predict(["a good one"]).tolist()
        ['pos']
        >>> tags = [["praise"], []] * 20
        >>> TextClassifier(training={"epochs": 40}).fit(texts, tags).predict(["a good one"]).tolist()
        [('praise',)]
    """

    def __sklearn_tags__(self) -> Tags:
        """Say that a text may have several labels."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label, tags.target_tags.two_d_labels = True, True
        return tags

    def fit(self, X: Iterable[str], y: Any, teacher_logits: np.ndarray | None = None) -> Self:  # noqa: N803
        """Train on texts and their labels; with ``teacher_logits`` [n, classes], learn from those.

        The logits' columns are in the classes' order; those of a data frame, a table of pyarrow or a structured
        array are found by their names.

        Raises:
            InputError: texts, labels and logits do not go together, or an option is out of range.
        """
        texts = _list_of(X)
        sets = label_sets(y, len(texts))
        if sets is not None:
            classes, labels = sets.classes, sets.matrix
        else:
            classes, places = class_labels(y, len(texts))
            labels = places.astype(np.int32)
            if len(classes) < 2:
                raise InputError(f"y: expected at least two classes, got {classes.tolist()}")
        teacher_logits = in_class_order(teacher_logits, classes)
        if teacher_logits is not None and np.shape(teacher_logits) != (len(texts), len(classes)):
            raise InputError(
                f"teacher_logits: expected [{len(texts)}, {len(classes)}], the classes {classes.tolist()}, "
                f"got {list(np.shape(teacher_logits))}"
            )
        logits = None if teacher_logits is None else np.asarray(teacher_logits, np.float32)
        task = MULTI_LABEL_NAME if sets is not None else SINGLE_LABEL_NAME
        self.model_ = self._fit(texts, labels, logits, task, tuple(map(str, classes.tolist())))
        # After the training: one that is refused leaves the student that was there, and its classes.
        self.classes_, self.multilabel_ = classes, sets is not None
        self._answers_names = sets is not None and sets.are_named
        return self

    def predict(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """Return the most probable class of each text, [n]; of several labels those of a probability of 0.5 and more.

        They are 0 and 1, int8 [n, labels], or tuples of names, [n], as the labels were when it was trained.
        """
        check_is_fitted(self, "model_")
        if self._answers_names:
            return self.model_.predict(X)
        answers = np.asarray(self.model_.task.answers(self.model_.logits(X)))
        return answers if self.multilabel_ else self.classes_[answers]

    def predict_proba(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """Return probabilities, float64 [n, classes]; of several labels each has its own."""
        check_is_fitted(self, "model_")
        return self.model_.predict_proba(X)

    def score(self, X: Iterable[str], y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Return the accuracy: the share of texts whose class, or whose every label, is right.

        Raises:
            InputError: ``y`` has labels in another form than those of a training, or other ones than the student's.
        """
        check_is_fitted(self, "model_")
        if not self.multilabel_:
            return float(super().score(X, y, sample_weight))
        texts = _list_of(X)
        true = sets_of_names(y, self.classes_, len(texts))
        right = [set(found) == labels for found, labels in zip(self.model_.predict(texts), true, strict=True)]
        return float(np.average(right, weights=sample_weight))


class TextRegressor(RegressorMixin, _TextEstimator):
    """A student of scores, a number for each text, that is trained on raw texts; arguments as of ``TextClassifier``.

    Attributes:
        model_: the student, as ``dj.load`` gives one: ``dj.save(model.model_, path)`` keeps it.

    Example:
        >>> from distill_jax import TextRegressor
        >>> model = TextRegressor(training={"epochs": 40}).fit(["good film", "bad film"] * 20, [4.5, 1.0] * 20)
        >>> good, bad = model.predict(["a good one", "a bad one"])
        >>> bool(good > bad)
        True
    """

    def fit(self, X: Iterable[str], y: Any, teacher_scores: Any = None) -> Self:  # noqa: N803
        """Train on texts and their scores; with ``teacher_scores``, [n], learn from those.

        Raises:
            InputError: texts and scores do not go together, or an option is out of range.
        """
        texts = _list_of(X)
        labels, logits = score_labels(y, len(texts)), None
        if teacher_scores is not None:
            logits = score_labels(teacher_scores, len(texts), "teacher_scores")[:, None]
        self.model_ = self._fit(texts, labels, logits, SCORE_NAME, ("score",))
        return self

    def predict(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """Return each text's score, in the unit of those that it was trained on, float32 [n]."""
        check_is_fitted(self, "model_")
        return self.model_.predict(X)


def _list_of(texts: Iterable[str]) -> list[str]:
    return [text for chunk in text_chunks(texts, _TEXTS_AT_ONCE) for text in chunk]
