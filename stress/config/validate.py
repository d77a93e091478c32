"""A tree to a `RunConfig`: pydantic's errors in our words, and each at its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from stress.config import check, tree
from stress.config.asset import Asset
from stress.config.base import describe
from stress.config.book import Books
from stress.config.check import Draft
from stress.config.correlation import CorrelationField
from stress.config.dynamics import Dynamics
from stress.config.factor import Factor
from stress.config.origin import Origin, Path
from stress.config.overlay import Overlay
from stress.config.run import Measures, Run, RunConfig
from stress.config.seller import Seller
from stress.config.tier import Mix, Tier
from stress.config.tree import Mapping, Node, Sequence
from stress.config.types import fields, tags, type_at
from stress.config.venue import Venue
from stress.errors import Problem, quoted, suggest
from stress.units import UnitError

Model = TypeVar("Model", bound=BaseModel)

MOST_EXPLAINED = 1000
SECTIONS = {
    "run": Run,
    "dynamics": Dynamics,
    "correlation": CorrelationField,
    "books": Books,
    "measures": Measures,
}
NAMED = {"assets": Asset, "factors": Factor, "venues": Venue, "mixes": Mix, "sellers": Seller}
LISTED = {"tiers": Tier, "overlays": Overlay}


def validate(root: Mapping, unread: Iterable[Path], origin: Origin) -> tuple[RunConfig | None, list[Problem]]:
    """The config that `root` describes, None if it is none, and all problems with it.

    unread: members that could not be read; nothing more is said about them
    """
    unread = set(unread)
    data: dict[str, Any] = tree.plain(root)  # type: ignore[assignment]
    for section, name in unread:
        data[str(section)][name] = None
    config, problems = modelled(RunConfig, root, data, unread, origin)
    draft = _draft(data) if config is None else Draft.of(config)
    problems += [origin.problem(*found) for found in check.check(draft)]
    return config, problems


def modelled(
    kind: type[Model], root: Mapping, data: Any, unread: set[Path], origin: Origin
) -> tuple[Model | None, list[Problem]]:
    """The model that `data`, the plain form of `root`, describes; None if it is none, and all problems."""
    empty = set(_empty(root, ()))
    why, suggestion = "an empty value could mean anything", "Give it one, or remove the key."
    problems = [origin.problem(path, "has no value", why, suggestion) for path in empty]
    try:
        return kind.model_validate(data), problems
    except ValidationError as invalid:
        said = empty | unread
        for error in invalid.errors(include_url=False)[:MOST_EXPLAINED]:
            path = _written(error["loc"], data)
            hollow = error["type"] == "too_short" and error["input"]  # its entries are wrong, and say so
            if not hollow and not any(path[:depth] in said for depth in range(len(path) + 1)):
                problems.append(_explain(error, path, origin, kind))
        return None, problems


def _empty(node: Node, path: Path) -> Iterable[Path]:
    """Paths of all scalars without a value."""
    if isinstance(node, Mapping):
        for key, (_, value) in node.entries.items():
            yield from _empty(value, (*path, key))
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _empty(item, (*path, index))
    elif node.text is None:
        yield path


def _draft(data: dict[str, Any]) -> Draft:
    """What is valid of an invalid config, piece by piece, so that the checks can go on."""
    draft: dict[str, Any] = {section: _valid(section, data.get(section)) for section in SECTIONS}
    for section in NAMED:
        members = data.get(section)
        named = members if isinstance(members, dict) else {}
        draft[section] = {name: _valid(section, member) for name, member in named.items()}
    for section in LISTED:
        members = data.get(section)
        listed = members if isinstance(members, list) else []
        draft[section] = {i: _valid(section, member) for i, member in enumerate(listed)}
    return Draft(**draft)


def _valid(section: str, data: Any) -> Any:
    """A section, or a member of one, built from `data`; None if it is invalid."""
    try:
        return _adapter(section).validate_python(data)
    except ValidationError:
        return None


@cache
def _adapter(section: str) -> TypeAdapter:
    return TypeAdapter({**SECTIONS, **NAMED, **LISTED}[section])


def _written(loc: Path, data: Any) -> Path:
    """The path of an error as the user wrote it: without union tags and implied keys."""
    path: list[str | int] = []
    for key in loc:
        if key in _entries(data):
            data = data[key]
            path.append(key)
    return tuple(path)


def _entries(data: Any) -> Collection[str | int]:
    """Keys of a mapping, indices of a list, nothing of a text."""
    if isinstance(data, list):
        return range(len(data))
    return data.keys() if isinstance(data, dict) else ()


def _explain(error: Any, path: Path, origin: Origin, root: type[BaseModel]) -> Problem:
    """One of pydantic's errors as a problem."""
    given, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "missing":
            key = error["loc"][-1]
            help_text = _field_help(root, error["loc"])
            return origin.problem((*path, key), "is missing", help_text)
        case "extra_forbidden":
            known = list(_keys(root, error["loc"][:-1]))
            return origin.problem(path, "unknown key", *suggest(str(path[-1]), known))
        case "value_error" if isinstance(context.get("error"), UnitError):
            cause = context["error"]
            return origin.problem(path, cause.problem, cause.why, cause.suggestion)
        case "literal_error" | "union_tag_invalid":
            if error["type"] == "union_tag_invalid":
                path, given = (*path, "kind"), given["kind"]
            known = _choices(context.get("expected") or context.get("expected_tags"))
            what = quoted(given) if isinstance(given, str) else describe(given)
            return origin.problem(path, f"{what} is not a choice", *suggest(str(given), known))
        case "union_tag_not_found":
            kinds = ", ".join(_kinds(root, error["loc"]))
            return origin.problem((*path, "kind"), "is missing", f"it is one of {kinds}")
        case "too_long":
            why = f"at most {context['max_length']} are possible"
            return origin.problem(path, f"has {len(given)} entries", why)
        case "too_short":
            return origin.problem(path, "is empty", "at least one entry is needed")
        case "string_too_long":
            return origin.problem(path, "is too long", f"at most {context['max_length']} characters")
        case _:
            needed = NEEDED.get(error["type"])
            if needed:
                return origin.problem(path, f"is {describe(given)}", f"{needed} is needed")
            return origin.problem(path, error["msg"])


NEEDED = {
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "dict_type": "a mapping of names to values",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "text",
}


def _field_help(root: type[BaseModel], loc: tuple[str | int, ...]) -> str:
    """What a missing key would say, from the model's own documentation."""
    field = fields(type_at(root, loc[:-1])).get(str(loc[-1]))
    return (field.description or "").rstrip(".").replace("\n", " ") if field else ""


def _keys(root: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that a model takes."""
    model = type_at(root, loc)
    return [*fields(model), "extends", "without"] if model is RunConfig else list(fields(model))


def _kinds(root: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The kinds that a tagged union takes."""
    return list(tags(type_at(root, loc)))


def _choices(expected: str) -> list[str]:
    """The words in pydantic's list of what it expected."""
    return re.findall("'([^']*)'", expected)
