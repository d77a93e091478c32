"""The config language described: JSON Schema for editors, and the reference in docs/config.md.

`python -m stress.config.reference` renews docs/config.schema.json and the reference part of
docs/config.md; a test compares them with what the models say today.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from stress.config.correlation import Correlation
from stress.config.run import RunConfig
from stress.config.table import File
from stress.config.types import bare, fields, inner

BEGIN = "<!-- Below: written by `python -m stress.config.reference` from the models. -->"
EXTENDS = "Path of one config underneath this one: mappings are merged, all else is replaced."
WITHOUT = "What is left out of the config underneath: venues.aster, assets.HYPE, or any other of its keys."
PAGE, SCHEMA_FILE = "docs/config.md", "docs/config.schema.json"


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a run config as a user writes it, `extends` and part files included."""
    described = RunConfig.model_json_schema(by_alias=True)
    definitions = described["$defs"]
    for _, model in models():
        keys = (described if model is RunConfig else definitions[model.__name__])["properties"]
        for key, field in fields(model).items():
            keys[key].pop("default", None)
            if (default := _default(field)) is not None:
                keys[key]["default"] = default
            if bare(field.annotation) is File:
                reference = {name: keys[key].pop(name) for name in ("$ref", "anyOf") if name in keys[key]}
                path = {"type": "string", "x-rule": "a path, or a mapping"}
                keys[key]["anyOf"] = [path, *reference.get("anyOf", [reference])]
            elif bare(field.annotation) is Correlation:
                reference = {name: keys[key].pop(name) for name in ("$ref", "anyOf") if name in keys[key]}
                number = definitions["Correlation"]["properties"]["common"]["anyOf"][0]
                keys[key]["anyOf"] = [number, *reference.get("anyOf", [reference])]
    _short_forms(described["properties"], definitions)
    described["properties"]["extends"] = {"type": "string", "description": EXTENDS}
    described["properties"]["without"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": WITHOUT,
    }
    described["if"] = {"not": {"required": ["extends"]}}
    described["then"] = {"required": described.pop("required")}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}


def _short_forms(properties: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Add what may be written in place of a mapping: a path, one number, one share."""
    for section in ("assets", "venues"):
        part = {"type": "string", "description": "Path of a file that holds it.", "x-rule": "a path"}
        inline = properties[section]["additionalProperties"]
        properties[section]["additionalProperties"] = {"anyOf": [inline, part]}
    sides = definitions["NeverForced"]["properties"]
    share = sides["long"]["additionalProperties"]
    tiers = {"type": "object", "additionalProperties": share}
    for side in sides.values():
        del side["type"], side["additionalProperties"]
        side["anyOf"] = [share, tiers]
    never = definitions["Mix"]["properties"]["never_forced"]
    never["anyOf"] = [share, tiers, {"$ref": never.pop("$ref")}]


def schema_text() -> str:
    """`schema()` as the committed file holds it."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def page(text: str) -> str:
    """The docs page `text` with its reference part renewed."""
    head, _, _ = text.partition(BEGIN)
    return "\n".join([head + BEGIN, "", *reference()]) + "\n"


def reference() -> Iterator[str]:
    """Markdown lines: a table of keys for every model."""
    described = schema()
    for path, model in models():
        known = described if model is RunConfig else described["$defs"][model.__name__]
        yield f"### {f'`{path}`' if path else 'The run config'}"
        yield ""
        yield _one_line(known["description"])
        yield ""
        yield "| key | written | default | meaning |"
        yield "| --- | --- | --- | --- |"
        for key, value in known["properties"].items():
            field = fields(model).get(key)
            default = "needed" if field and field.is_required() else _shown(value.get("default"))
            inner = [model.__doc__ or "" for _, model in _models(field.annotation)] if field else []
            meaning = value.get("description") or (inner[0] if inner else "")
            yield f"| `{key}` | {_written(value)} | {default} | {_one_line(meaning)} |"
        yield ""


def models() -> list[tuple[str, type[BaseModel]]]:
    """All models, each after the one that first needs it, with the path to it."""
    found: dict[type[BaseModel], str] = {}
    rest: list[tuple[str, type[BaseModel]]] = [("", RunConfig)]
    while rest:
        path, model = rest.pop(0)
        if model in found:
            continue
        found[model] = path
        rest = [
            (f"{path}.{key}{step}".removeprefix("."), part)
            for key, field in fields(model).items()
            for step, part in _models(field.annotation)
        ] + rest
    return [(path, model) for model, path in found.items()]


def _models(kind: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Models within a type, and how a path goes on to them."""
    kind = bare(kind)
    if fields(kind):
        yield "", kind
    for step, part in inner(kind):
        yield from ((step + more, model) for more, model in _models(part))


def _default(field: FieldInfo) -> Any:
    """The default of a field as a config would write it; None where it has none to show."""
    if field.is_required():
        return None
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    written = TypeAdapter(kind).dump_python(field.get_default(), mode="json")
    if isinstance(written, dict):
        return {key: value for key, value in written.items() if value is not None}
    return written


def _shown(default: Any) -> str:
    """A default in a table."""
    if default in (None, [], {}):
        return "none"
    return "`" + json.dumps(default).replace('"', "") + "`"


def _written(known: dict[str, Any]) -> str:
    """How the value of a key is written, from its schema."""
    if "x-rule" in known:
        return "; ".join(part for part in (known["x-rule"], known.get("x-range")) if part)
    if "const" in known:
        return f"`{known['const']}`"
    if "enum" in known:
        return " or ".join(f"`{choice}`" for choice in known["enum"])
    if "anyOf" in known:
        return " or ".join(_written(choice) for choice in known["anyOf"] if choice.get("type") != "null")
    if known.get("type") == "array":
        return f"list of: {_written(known['items'])}"
    if known.get("type") == "object" and isinstance(known.get("additionalProperties"), dict):
        return f"by name: {_written(known['additionalProperties'])}"
    return {"string": "text", "boolean": "`true` or `false`"}.get(known.get("type", ""), "mapping, below")


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Renew the committed reference, from the root of the repository."""
    Path(SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
    Path(PAGE).write_text(page(Path(PAGE).read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
