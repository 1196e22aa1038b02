"""How tyro makes options of a configuration's fields: their help, what it shows of a default, what numbers are."""

import ast
import dataclasses
import functools
import inspect
import operator
import sys
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Union

from distill_jax.options import KINDS, Flag, Metavar, NoOption

if TYPE_CHECKING:
    from tyro.constructors import (
        ConstructorRegistry,
        PrimitiveConstructorSpec,
        PrimitiveTypeInfo,
        StructConstructorSpec,
        StructTypeInfo,
    )


_STRINGS: Any = tuple[str, ...]


def registry() -> "ConstructorRegistry":
    """Return tyro's rules with ours in front."""
    from tyro.constructors import ConstructorRegistry

    rules = ConstructorRegistry()
    rules.struct_rule(_options_of)
    rules.primitive_rule(_number)
    rules.primitive_rule(_strings)
    return rules


def _options_of(group: "StructTypeInfo") -> "StructConstructorSpec | None":
    """Return a dataclass's options, an option's help as one paragraph; None where it is no dataclass."""
    from tyro.constructors import StructConstructorSpec, StructFieldSpec

    kind: Any = group.type
    if not hasattr(kind, "__dataclass_fields__"):
        return None
    hints = typing.get_type_hints(kind, include_extras=True)
    options = []
    for field in dataclasses.fields(kind):
        default = _default(field, group.default)
        help_ = functools.partial(_help, kind, field.name)  # the source is read for --help alone
        options.append(StructFieldSpec(field.name, _shown(hints[field.name], default), default, help_))
    return StructConstructorSpec(kind, tuple(options))


def _default(field: "dataclasses.Field[Any]", instance: Any) -> Any:
    import tyro

    if dataclasses.is_dataclass(instance):
        return getattr(instance, field.name)
    if field.default is not dataclasses.MISSING:
        return field.default
    return tyro.MISSING_NONPROP if field.default_factory is dataclasses.MISSING else field.default_factory()


def _shown(hint: Any, default: Any) -> Any:
    """Return a field's annotation in tyro's words.

    No word is said of a default that is None or empty: the help says what that means.
    """
    import tyro

    bare, *metadata = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
    if Flag() in metadata:
        metadata.insert(0, tyro.conf.FlagCreatePairsOff)
        return Annotated[(bare, *map(_of_tyro, metadata))]
    # Of what is no class tyro asks typeguard, which takes 45 ms to import, whether the default is one.
    if isinstance(bare, types.UnionType):
        bare = operator.getitem(Union, typing.get_args(bare))
    if bare == _STRINGS:
        bare = tuple
    if (default is None or default == ()) and tyro.conf.UseAppendAction not in metadata:
        metadata.insert(0, tyro.conf.arg(help_behavior_hint=""))
    return Annotated[(bare, *map(_of_tyro, metadata))] if metadata else bare


def _of_tyro(metadata: Any) -> Any:
    import tyro

    if isinstance(metadata, Metavar):
        return tyro.conf.arg(metavar=metadata.text)
    return tyro.conf.Suppress if isinstance(metadata, NoOption) else metadata


def _help(kind: type, name: str) -> str | None:
    """Return the docstring beneath a field, in the class or one that it comes from."""
    return next((docstrings[name] for each in kind.__mro__ if name in (docstrings := _docstrings(each))), None)


@functools.cache
def _docstrings(kind: type) -> dict[str, str]:
    definition = _definitions(kind.__module__).get(kind.__qualname__)
    if definition is None:  # a class that was made, or is built in, has no source
        return {}
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


@functools.cache
def _definitions(module: str) -> dict[str, ast.ClassDef]:
    """Return a module's classes by their qualified names; ``inspect.getsource`` of each takes several times as long."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError):
        return {}
    found: dict[str, ast.ClassDef] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                found[prefix + child.name] = child
                visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.FunctionDef):
                visit(child, f"{prefix}{child.name}.<locals>.")

    visit(tree, "")
    return found


def _number(option: "PrimitiveTypeInfo") -> "PrimitiveConstructorSpec[Any] | None":
    """Return how a number is read; None for what is no number."""
    from tyro.constructors import PrimitiveConstructorSpec

    kind: Any = option.type
    if kind is not int and kind is not float:
        return None

    def read(words: list[str]) -> Any:
        try:
            return kind(words[0])
        except ValueError:
            raise ValueError(f"expected {KINDS[kind]}, got {words[0]!r}") from None

    def is_one(value: Any) -> bool:
        return isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)

    return PrimitiveConstructorSpec(
        nargs=1, metavar=kind.__name__.upper(), instance_from_str=read, is_instance=is_one, str_from_instance=_words
    )


def _strings(option: "PrimitiveTypeInfo") -> "PrimitiveConstructorSpec[Any] | None":
    """Return how strings are read, which ``_shown`` calls a tuple; None for anything else."""
    from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

    if option.type is not tuple:
        return None
    rule = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(_STRINGS, option.markers))
    assert isinstance(rule, PrimitiveConstructorSpec)
    return rule


def _words(value: Any) -> list[str]:
    return [str(value)]
