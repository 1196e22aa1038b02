"""Where a student's token embeddings start: at random, at the export's table, or at vectors from a file."""

import dataclasses
from collections.abc import Collection, Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from distill_jax.config import TrainConfig
from distill_jax.errors import InputError, MissingInputError
from distill_jax.export.format import TOKENIZER, Manifest, require_whole
from distill_jax.export.reader import read_token_embeddings
from distill_jax.files import sha256_file
from distill_jax.principal import principal_directions
from distill_jax.students.params import Params
from distill_jax.students.student import Student
from distill_jax.tasks.task import Task

RANDOM = "random"
TEACHER = "teacher"
_WORD_BYTES, _NUMBER_BYTES = 1 << 20, 100  # the most that they have in a file of vectors


@dataclasses.dataclass(frozen=True)
class StartTable:
    """Embeddings to start from, the same for every seed.

    Attributes:
        rows: float32 [vocab_size, width], not scaled yet.
        known: bool [vocab_size], which tokens have a row; the others, and padding, start at random.
    """

    rows: np.ndarray
    known: np.ndarray


def initial_params(student: Student, config: TrainConfig, export: Path, manifest: Manifest) -> Params:
    """Return a student's initial parameters, its embeddings as ``config.embeddings`` says.

    Raises:
        MissingInputError: the file is not there.
        InputError: it is no word2vec text file, or of another width than the student's embeddings.
    """
    table = start_table(config.embeddings, student.config.embedding_dim, export, manifest)
    return params_from(table, student, config.seed)


def recipe_for(
    config: TrainConfig, manifest: Manifest, given: Collection[str] = (), *, hints: bool = True
) -> TrainConfig:
    """Return a recipe's training for an export.

    Where the export has no table to start from, it starts at random; where there are no hints, it does without them;
    where the recipe's soft loss means nothing for the task, it is the task's own.

    Args:
        config: the recipe's.
        manifest: the export's.
        given: the fields that the user chose: they stay.
        hints: whether the rows have the hints that the export has.
    """
    changes: dict[str, Any] = {}
    if config.embeddings == TEACHER and not manifest.has_token_embeddings and "embeddings" not in given:
        changes["embeddings"] = RANDOM
    if config.hint_weight and not (hints and manifest.hint_width) and "hint_weight" not in given:
        changes["hint_weight"] = 0.0
    config = dataclasses.replace(config, **changes) if changes else config
    return task_s_recipe(config, manifest.labelling, given)


def task_s_recipe(config: TrainConfig, task: Task, given: Collection[str] = ()) -> TrainConfig:
    """Return a recipe's training with the task's own soft loss where the recipe's means nothing for it."""
    if config.soft_loss in task.soft_losses or {"soft_loss", "temperature"} & {*given}:
        return config
    return dataclasses.replace(config, soft_loss=task.soft_losses[0], temperature=1.0)


def start_table(embeddings: str, width: int, export: Path, manifest: Manifest) -> StartTable | None:
    """Return what the embeddings start from, None where that is random; raises what ``initial_params`` does."""
    if embeddings == RANDOM:
        return None
    if embeddings == TEACHER:
        if not manifest.has_token_embeddings:
            raise InputError(
                f"--embeddings teacher: the export {export} has no embedding table, its teacher being no network; give "
                "--embeddings random, or a word2vec text file"
            )
        rows = principal_components(read_token_embeddings(export, manifest), width)
        known = np.ones(len(rows), bool)
    else:
        tokens = Tokenizer.from_buffer((export / TOKENIZER).read_bytes()).get_vocab()
        require_whole(export, TOKENIZER, manifest)
        vectors = read_word2vec(Path(embeddings), width, tokens)
        rows, known = table_of_tokens(vectors, tokens, manifest.vocab_size, width)
    known[manifest.pad_id] = False
    return StartTable(rows, known)


def vectors_sha256(embeddings: str) -> str | None:
    """Return the SHA-256 of the file that the embeddings start from; None where they start from none, or it is gone."""
    path = Path(embeddings)
    return sha256_file(path) if embeddings not in (RANDOM, TEACHER) and path.is_file() else None


def params_from(table: StartTable | None, student: Student, seed: int) -> Params:
    """Return a student's initial parameters of a seed, with the known embeddings in the random ones' places."""
    params = student.init(seed)
    if table is None:
        return params
    old = params[student.config.table_name]
    new = np.array(old)
    new[: len(table.known)][table.known] = scale_like(table.rows[table.known], old[: len(table.known)])
    return {**params, student.config.table_name: new}


def principal_components(table: np.ndarray, width: int) -> np.ndarray:
    """Return the first ``width`` principal components of a table [vocab, dim], float32 [vocab, width].

    They are the best linear summary of the teacher's embeddings in so few numbers.

    Raises:
        InputError: the table is narrower than ``width``.
    """
    if width > table.shape[1]:
        raise InputError(
            f"--embeddings teacher: expected an --embedding-dim of at most {table.shape[1]}, the teacher's own width, "
            f"got {width}"
        )
    centred = table.astype(np.float64)
    centred -= centred.mean(axis=0)
    _, directions = principal_directions(centred.T @ centred)
    return (centred @ directions[:, :width]).astype(np.float32)


def scale_like(table: np.ndarray, random: np.ndarray) -> np.ndarray:
    """Return ``table`` scaled to the root mean square of the ``random`` embeddings, which the recipe expects."""
    size = np.sqrt(np.square(table, dtype=np.float64).mean())
    wanted = np.sqrt(np.square(random, dtype=np.float64).mean())
    return (table * (wanted / max(size, 1e-12))).astype(random.dtype)


def read_word2vec(path: Path, width: int, words: Container[str]) -> dict[str, np.ndarray]:
    """Read a word2vec text file (``.vec``): a word and its numbers on each line, after an optional line of two numbers.

    Args:
        path: the file.
        width: the numbers of a word.
        words: those to keep; a file of millions takes the memory of these.

    Raises:
        MissingInputError: there is no such file.
        InputError: a line has another count of numbers than ``width``, or one that is no finite number.
    """
    if not path.is_file():
        raise MissingInputError(
            f"--embeddings {path}: expected random, teacher, or a word2vec text file, found no such file"
        )
    return {word: numbers for word, numbers in _word2vec_lines(path, width) if word in words}


def _word2vec_lines(path: Path, width: int) -> Iterator[tuple[str, np.ndarray]]:
    most = _WORD_BYTES + _NUMBER_BYTES * width
    with path.open("rb") as stream:
        for number, line in enumerate(iter(partial(stream.readline, most + 1), b""), start=1):
            if len(line) > most:
                raise InputError(
                    f"{path}, line {number}: expected a word and {width} numbers (--embedding-dim), got more than "
                    f"{most:,} bytes"
                )
            try:
                word, *numbers = line.decode().rstrip().split(" ")
            except UnicodeDecodeError:
                raise InputError(f"{path}, line {number}: expected text in UTF-8, got other bytes") from None
            if number == 1 and len(numbers) == 1 and word.isdecimal():
                continue
            if len(numbers) != width:
                raise InputError(
                    f"{path}, line {number}: expected a word and {width} numbers (--embedding-dim), got {len(numbers)}"
                )
            try:
                with np.errstate(over="ignore"):  # too large a number becomes infinity
                    vector = np.array(numbers, np.float32)
            except ValueError:
                raise InputError(f"{path}, line {number}: expected numbers after the word, got other text") from None
            if not np.isfinite(vector).all():
                raise InputError(f"{path}, line {number}: expected finite numbers, got {vector.tolist()}")
            yield word, vector


def table_of_tokens(
    vectors: dict[str, np.ndarray], tokens: dict[str, int], vocab_size: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of a tokenizer's tokens, float32 [vocab_size, width], and which tokens have one, bool.

    Raises:
        InputError: the file has a vector for none of the tokens.
    """
    table, known = np.zeros((vocab_size, width), np.float32), np.zeros(vocab_size, bool)
    for token, index in tokens.items():
        vector = vectors.get(token)
        if vector is not None and index < vocab_size:
            table[index], known[index] = vector, True
    if not known.any():
        raise InputError(
            "--embeddings: the file has a vector for none of the tokenizer's tokens; is it of this language?"
        )
    return table, known
