"""Which forms a packed student can become."""

from distill_jax.conversion.card import Card
from distill_jax.conversion.converter import Converter
from distill_jax.conversion.html import Html
from distill_jax.conversion.onnx.converter import Onnx
from distill_jax.conversion.stablehlo import StableHlo
from distill_jax.errors import InputError

CONVERTERS: dict[str, Converter] = {converter.name: converter for converter in (Html(), Onnx(), StableHlo(), Card())}


def converter_named(name: str) -> Converter:
    """Return the converter of a name.

    Raises:
        InputError: there is none.
    """
    if name not in CONVERTERS:
        raise InputError(f"--to: expected one of {', '.join(CONVERTERS)}, got {name!r}")
    return CONVERTERS[name]
