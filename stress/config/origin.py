"""Where a config came from: files, and the place of every value in them."""

from __future__ import annotations

from collections.abc import Mapping as Known
from dataclasses import dataclass, field

from stress.config.table import Input
from stress.config.tree import Mapping, Node, Scalar, Sequence
from stress.errors import Place, Problem

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """A file that was read."""

    file: str
    """Path as given, or as found from the file that names it."""
    sha256: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Origin:
    """Files and places. All origins are equal: where a config came from is no part of what it is."""

    sources: tuple[Source, ...] = field(default=(), compare=False)
    root: Node | None = field(default=None, compare=False, repr=False)
    inputs: Known[str, Input] = field(default_factory=dict, compare=False, repr=False)
    """Files of rows that it names, by SHA-256."""

    def find(self, path: Path) -> tuple[Path, Place | None, Node | None]:
        """The longest part of `path` that was written, the place of its key, and its value."""
        node, place = self.root, self.root.place if self.root else None
        for depth, key in enumerate(path):
            if isinstance(node, Mapping) and key in node.entries:
                place, node = node.entries[str(key)]
            elif isinstance(node, Sequence) and isinstance(key, int) and key < len(node.items):
                node = node.items[key]
                place = node.place
            else:
                return path[:depth], place, node
        return path, place, node

    def problem(self, path: Path, problem: str, why: str = "", suggestion: str = "") -> Problem:
        """A problem with the value at `path`, or with the nearest thing around it that was written."""
        written, place, node = self.find(path)
        if isinstance(node, Scalar):  # what follows was implied by a short form
            path = written
        at = node.place if node and not isinstance(node, Mapping) else place
        return Problem(at, dotted(path), problem, why, suggestion)


def dotted(path: Path) -> str:
    """`venues.binance.markets`, `tiers[2].from`: how messages and --set write a path."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")
