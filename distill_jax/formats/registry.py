"""Which forms there are; ``load`` and ``save`` find the one that a path is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import real_place, require_free
from distill_jax.formats.format import Format
from distill_jax.formats.packed_file import PackedFile
from distill_jax.formats.run_folder import RunFolder
from distill_jax.inference.predictor import Predictor
from distill_jax.locks import sole_writer

_FORMATS: list[Format] = [RunFolder(), PackedFile()]


def register_format(form: Format) -> Format:
    """Make ``load`` and ``save`` know a further form.

    Raises:
        InputError: another form has its suffix.
    """
    other = next((known for known in _FORMATS if known.suffix == form.suffix), form)
    if type(other) is not type(form):
        raise InputError(f"format {form.name!r}: the suffix {form.suffix!r} is that of {other.name!r} already")
    if other is form:
        _FORMATS.append(form)
    return form


def load(path: str | Path, *, module: Callable[..., Any] | None = None) -> Predictor:
    """Load a trained student, from its run folder or another form that it was saved in.

    Args:
        path: the run folder, or the file.
        module: of a module of one's own, the function that built it.

    Raises:
        MissingInputError: there is nothing of that name, or a file is missing in it.
        InputError: it is no trained student, or a damaged one.

    Example:
        >>> import distill_jax as dj
        >>> model = dj.load("runs/demo/fasttext-distil")
        >>> model.predict(["What a lovely film."]).shape
        (1,)
    """
    path = Path(path)
    return _form_of(path).read(path, module=module)


def save(predictor: Predictor, path: str | Path) -> Path:
    """Write a trained student so that ``load`` reads it: as a run folder, or in the form that the path's suffix names.

    Raises:
        InputError: something lies there already, it is no student, or the form cannot hold such a one.

    Example:
        >>> import distill_jax as dj
        >>> model = dj.load("runs/demo/fasttext-distil")
        >>> dj.save(model, "students/fasttext").name
        'fasttext'
    """
    if not isinstance(predictor, Predictor):
        raise InputError(
            f"save: expected a student as load gives it, or an estimator's model_, got {type(predictor).__name__}"
        )
    path = Path(path)
    form = next(form for form in _longest_suffix_first() if path.name.endswith(form.suffix))
    write_new(form, predictor, path)
    return path


def write_new(form: Format, predictor: Predictor, path: Path) -> None:
    """Write a trained student in a form, to a name that is free and that no other process is writing.

    Raises:
        InputError: as ``save``, or another process is writing it.
    """
    path = real_place(path, form.name)
    with sole_writer(path, form.name):
        require_free(path, form.name, "the student is not lost: save it under another name")
        form.write(predictor, path)


def _longest_suffix_first() -> list[Format]:
    """Return the forms, so that ``.student.npz`` comes before ``.npz``; the run folder, which has none, is the last."""
    return sorted(_FORMATS, key=lambda form: len(form.suffix), reverse=True)


def _form_of(path: Path) -> Format:
    if not path.exists():
        raise MissingInputError(
            f"{path}: expected a trained student, found nothing there; train one with python -m distill_jax.train"
        )
    form = next((form for form in _longest_suffix_first() if form.recognises(path)), None)
    if form is None:
        what = "a folder that holds no run (no config.json)" if path.is_dir() else "another kind of file"
        known = ", ".join(f"{form.name}{f' ({form.suffix})' if form.suffix else ''}" for form in _FORMATS)
        raise MissingInputError(f"{path}: expected a trained student ({known}), found {what}")
    return form
