"""Turn a slow text classifier into a small JAX/Flax student: train it, see what it keeps, predict with it.

The names below are the library; they are imported when they are first used, so that this import takes no time.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from distill_jax import losses as losses
    from distill_jax.config import TrainConfig as TrainConfig
    from distill_jax.data.examples import Examples as Examples
    from distill_jax.data.exports import Export as Export
    from distill_jax.errors import InputError as InputError
    from distill_jax.estimator import TextClassifier as TextClassifier
    from distill_jax.estimator import TextRegressor as TextRegressor
    from distill_jax.formats.format import Format as Format
    from distill_jax.formats.registry import load as load
    from distill_jax.formats.registry import register_format as register_format
    from distill_jax.formats.registry import save as save
    from distill_jax.inference.predictor import Predictor as Predictor
    from distill_jax.students.config import StudentConfig as StudentConfig
    from distill_jax.students.registry import register as register
    from distill_jax.training.python_api import Trained as Trained
    from distill_jax.training.python_api import fit as fit
    from distill_jax.training.python_api import student as student

_HOMES = {
    "Examples": "distill_jax.data.examples",
    "Export": "distill_jax.data.exports",
    "Format": "distill_jax.formats.format",
    "InputError": "distill_jax.errors",
    "Predictor": "distill_jax.inference.predictor",
    "StudentConfig": "distill_jax.students.config",
    "TextClassifier": "distill_jax.estimator",
    "TextRegressor": "distill_jax.estimator",
    "TrainConfig": "distill_jax.config",
    "Trained": "distill_jax.training.python_api",
    "fit": "distill_jax.training.python_api",
    "load": "distill_jax.formats.registry",
    "losses": "distill_jax.losses",
    "register": "distill_jax.students.registry",
    "register_format": "distill_jax.formats.registry",
    "save": "distill_jax.formats.registry",
    "student": "distill_jax.training.python_api",
}
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - all of them are strings


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from distill_jax.extras import naming_the_extra

    with naming_the_extra(f"{__name__}.{name}"):
        home = importlib.import_module(_HOMES[name])
    value = home if name == "losses" else getattr(home, name)  # losses is a module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
