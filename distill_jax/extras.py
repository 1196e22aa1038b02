"""The optional extras: what each of them installs, and the one sentence where something of one is missing.

What predicting needs is always installed. Shared by both halves; standard library only.
"""

import contextlib
import importlib.util
from collections.abc import Iterator

from distill_jax.errors import MissingExtraError

# What is imported of each extra's own packages, as pyproject.toml names them; the other extras bring train along.
EXTRAS = {
    "train": (
        *("jax", "flax", "optax", "orbax", "jaxtyping", "pandas", "platformdirs"),
        *("scipy", "sklearn", "statsmodels", "tqdm", "altair", "vl_convert"),
    ),
    "parquet": ("pyarrow",),
    "teacher": ("safetensors", "sentencepiece", "torch", "transformers"),
    "search": ("optuna",),
    "onnx": ("onnx",),
    "bench": ("fasttext", "onnxruntime", "onnxscript"),
    "hub": ("huggingface_hub", "yaml"),
    "s3": ("fsspec", "platformdirs", "s3fs", "tqdm"),
    "gs": ("fsspec", "gcsfs", "platformdirs", "tqdm"),
    "ray": ("ray",),
    "spark": ("pyspark",),
    "serve": ("httptools", "uvicorn", "uvloop"),
}


def are_installed(*packages: str) -> bool:
    """Return whether packages can be found, all of them, without importing any."""
    try:
        return all(importlib.util.find_spec(package) is not None for package in packages)
    except (ImportError, ValueError):
        return False


def require_extra(extra: str, what: str = "this") -> None:
    """Raise ``MissingExtraError`` unless all packages of an extra are installed (imports none).

    Args:
        extra: its name.
        what: what needs it, the beginning of the sentence.
    """
    require_packages(*EXTRAS[extra], what=what)


def require_packages(*packages: str, what: str = "this") -> None:
    """Raise ``MissingExtraError`` for the first of some packages of extras that is not installed (imports none)."""
    for package in packages:
        if not are_installed(package):
            raise missing_extra(package, what)


def missing_extra(package: str, what: str = "this") -> MissingExtraError:
    """Return the error for a package that is not installed: the extra that brings it, and how to install that."""
    extra = next(extra for extra, packages in EXTRAS.items() if package in packages)
    return MissingExtraError(
        f'{what} needs the extra {extra}: python -m pip install "distill-jax[{extra}]" ({package} is not installed)'
    )


@contextlib.contextmanager
def naming_the_extra(what: str = "this") -> Iterator[None]:
    """Raise ``MissingExtraError`` where an import fails because an extra is not installed: ``what`` needs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        known = any(package in packages for packages in EXTRAS.values())
        if not known or are_installed(package):  # a module that an installed package lacks is another fault
            raise
        raise missing_extra(package, what) from error
