"""How many tokens a transformer reads, so that ``--max-length`` is refused before a long pass and not inside it."""

from typing import Any

from distill_jax.errors import InputError

_NO_LIMIT = 1_000_000  # what transformers writes where a tokenizer knows no longest text is above this


def require_length(name: str, model: Any, tokenizer: Any, max_length: int) -> None:
    """Raise where texts of ``max_length`` tokens are longer than a teacher reads.

    Raises:
        InputError: they are; or they are so long that it would draw at random what it attends to.
    """
    limits = [tokenizer.model_max_length, *_positions(model)]
    numbers = [limit for limit in limits if isinstance(limit, int | float)]  # a broken folder may say anything
    longest = min((limit for limit in numbers if 0 < limit < _NO_LIMIT), default=None)
    if longest is not None and max_length > longest:
        raise InputError(f"--max-length: the teacher {name} reads at most {longest} tokens, got {max_length}")
    whole = _attended_whole(model.config)
    if whole is not None and max_length > whole:
        raise InputError(
            f"--max-length: the teacher {name} draws at random what a text of more than {whole} tokens attends to, got "
            f'{max_length}; give at most {whole}, or write "attention_type": "original_full" in its config.json'
        )


def _positions(model: Any) -> list[Any]:
    """Return how many positions a model has; RoBERTa and its like begin behind the pad token's number."""
    from torch import nn

    found = [getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            found.append(module.num_embeddings - module.padding_idx - 1)
    return found


def _attended_whole(config: Any) -> int | None:
    """Return up to how many tokens BigBird's sparse attention is not sparse; None for any other."""
    if getattr(config, "attention_type", None) != "block_sparse":
        return None
    return int((5 + 2 * config.num_random_blocks) * config.block_size)
