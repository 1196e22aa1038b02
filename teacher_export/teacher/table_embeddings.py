"""The token embeddings of a model beside a given tokenizer: where a table's students may start. No PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING

from distill_jax.console import say, warn

if TYPE_CHECKING:
    import numpy as np

_WEIGHTS = "model.safetensors"
_TIMES, _LITTLE = 4, 1 << 26  # bytes of the table for each of the file's, whose numbers may have one, and in any case
# What transformers calls the table of tokens in BERT and its kin, XLNet, T5, Llama, GPT-2 and ModernBERT.
_NAMES = ("word_embeddings", "word_embedding", "shared", "embed_tokens", "wte", "tok_embeddings")


def embeddings_beside(tokenizer: str, vocab_size: int) -> "np.ndarray | None":
    """Return the embedding table of the model in a tokenizer's folder, and say that it is taken.

    Args:
        tokenizer: what ``--tokenizer`` names.
        vocab_size: rows that are wanted; those that the model has not are zeros.

    Returns:
        float32 [vocab_size, dim]; None where there is no such model, or none that can be told or read.
    """
    path = Path(tokenizer).expanduser() / _WEIGHTS
    if not path.is_file():
        return None
    try:
        import safetensors
    except ImportError:
        warn(f"warning: the embeddings in {path} are not taken: safetensors is not installed (pip install safetensors)")
        return None
    import numpy as np

    try:
        with safetensors.safe_open(path, framework="numpy") as weights:
            found = [name for name in list(weights.keys()) if f".{name}".split(".")[-2] in _NAMES]
            shape = list(weights.get_slice(found[0]).get_shape()) if len(found) == 1 else []
            is_table = len(shape) == 2 and shape[-1] * vocab_size * 4 <= _LITTLE + _TIMES * path.stat().st_size
            table = weights.get_tensor(found[0]) if is_table else np.full((1, 1), np.nan)
    except (safetensors.SafetensorError, OSError, TypeError, ValueError) as error:
        warn(f"warning: the embeddings in {path} are not taken: {error}")
        return None
    rows = np.zeros((vocab_size, table.shape[1]), np.float32)
    known = min(vocab_size, len(table))
    with np.errstate(over="ignore"):  # a number beyond float32 is no finite one
        rows[:known] = table[:known]
    if not rows.size or not np.isfinite(rows).all():
        warn(
            f"warning: the embeddings in {path} are not taken: expected one table of finite numbers, of {vocab_size:,} "
            "tokens or nearly as many"
        )
        return None
    say(f"students may start from the {table.shape[1]} embeddings a token of {path}")
    return rows
