"""Looking into the types of the models: which keys and kinds are possible at a path."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def fields(kind: Any) -> dict[str, FieldInfo]:
    """Fields of a model by the key that a config uses; empty for anything else."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def bare(kind: Any) -> Any:
    """A type without its annotations, and without the None of an optional one."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        kinds = [member for member in get_args(kind) if member is not type(None)]
        return bare(kinds[0]) if len(kinds) == 1 else kind
    return kind


def tags(union: Any) -> dict[str, Any]:
    """Models of a union by the `kind` that chooses them."""
    models = get_args(union) if get_origin(union) in (Union, UnionType) else ()
    return {get_args(model.model_fields["kind"].annotation)[0]: model for model in models}


def inner(kind: Any) -> Iterator[tuple[str, Any]]:
    """What a type is made of, and how a path goes on to it: `.<name>`, `[i]`, ` (kind: gbm)`."""
    kind = bare(kind)
    if get_origin(kind) is dict:
        yield ".<name>", get_args(kind)[1]
    elif get_origin(kind) is tuple:
        yield "[i]", get_args(kind)[0]
    elif tags(kind):
        yield from ((f" (kind: {tag})", model) for tag, model in tags(kind).items())


def type_at(kind: Any, loc: tuple[str | int, ...]) -> Any:
    """The type that pydantic expects at `loc` below `kind`; None where it expects nothing."""
    for key in loc:
        kind = bare(kind)
        if fields(kind):
            field = fields(kind).get(str(key))
            kind = field.annotation if field else None
        elif tags(kind):
            kind = tags(kind).get(str(key))
        else:
            kind = next((part for _, part in inner(kind)), None)
    return bare(kind)
