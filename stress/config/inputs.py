"""Files of rows in the tree of a config: where they are named, and what they hold."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from stress.config.origin import Path
from stress.config.table import File
from stress.config.tree import Mapping, Node, Scalar, Sequence
from stress.config.types import bare, fields, tags


def references(node: Node, kind: Any, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """What stands in the tree where the models want a file; `kind` is the type of `node`."""
    kind = bare(kind)
    if kind is File:
        yield path, node
    elif isinstance(node, Mapping):
        if models := tags(kind):
            _, tag = node.entries.get("kind", (None, None))
            kind = models.get(tag.text or "") if isinstance(tag, Scalar) else None
        for key, (_, child) in node.entries.items():
            yield from references(child, _member(kind, key), (*path, key))
    elif isinstance(node, Sequence) and get_origin(kind) is tuple:
        for index, child in enumerate(node.items):
            yield from references(child, get_args(kind)[0], (*path, index))


def _member(kind: Any, key: str) -> Any:
    """The type of what stands under `key`."""
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    field = fields(kind).get(key)
    return field.annotation if field else None


def written(node: Node) -> tuple[Scalar | None, str | None]:
    """The path and the digest that a reference gives; None for what is not there or not text."""
    if isinstance(node, Scalar):
        return (node if node.text else None), None
    if not isinstance(node, Mapping):
        return None, None
    (_, path), (_, digest) = (node.entries.get(key, (None, None)) for key in ("path", "sha256"))
    named = path if isinstance(path, Scalar) and path.text else None
    return named, digest.text if isinstance(digest, Scalar) else None


def settled(node: Node, path: Scalar, shown: str, sha256: str) -> Mapping:
    """A reference in full: the path as seen from the run config, and the digest."""
    place = path.place
    entries = dict(node.entries) if isinstance(node, Mapping) else {}
    for key, text in (("path", shown), ("sha256", sha256)):
        at, old = entries.get(key, (place, path))
        entries[key] = (at, Scalar(text, old.place))
    return Mapping(entries, place)


def seen_from(config: str, named: str, found: str) -> str:
    """Path of a file as the run config would name it; one that was absolute stays so."""
    return named if os.path.isabs(named) else os.path.relpath(found, os.path.dirname(config) or ".")


def is_digest(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
