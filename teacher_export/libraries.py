"""The optional libraries of this half: whether they are installed, and keeping them quiet."""

import os
import warnings

from distill_jax.extras import require_packages

_TABLE = ("pandas", "platformdirs", "scipy", "tqdm")
_TRANSFORMER = ("torch", "transformers", "safetensors", "pyarrow")


def require_libraries(*, teacher_is_table: bool) -> None:
    """Raise ``MissingExtraError`` with the install command unless what an export needs is installed (imports none)."""
    require_packages(*(() if teacher_is_table else _TRANSFORMER), *_TABLE, what="exporting")


def silence_libraries() -> None:
    """Keep transformers' bars, advice and warnings from the user: what matters, this program says itself."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"(transformers|huggingface_hub)(\.|$)")


def share_processors() -> None:
    """Let OpenMP's threads sleep while they wait; before torch is imported, and not against the user's own setting.

    By default they wait spinning. Beside one busy process that makes fine-tuning several times slower, for a spinning
    thread keeps the one it waits for off its core; alone on the machine it gains little.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
