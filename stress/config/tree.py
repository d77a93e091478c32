"""YAML text to a tree of mappings, sequences and scalars, every node with its place.

A small language on purpose: no anchors, aliases, tags, merge keys, duplicate keys or second
documents, and within limits, so that a file can neither surprise nor exhaust its reader. Scalars
stay text: what `1:30`, `010` or `no` mean is for the model that wants a duration, a number or a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import yaml

from stress.errors import Place, Problem, quoted

DEEPEST = 20
MOST_NODES = 100_000
LONGEST_KEY = 200
CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x84\\x86-\\x9f\\ud800-\\udfff]")
NULLS = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text; `None` where nothing is written."""

    text: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: list[Node]
    place: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    """Values by key, each with the place of the key."""

    entries: dict[str, tuple[Place, Node]]
    place: Place


Node = Scalar | Sequence | Mapping


class Refused(Exception):
    """The text is not in the language; carries the one problem that stopped the reader."""

    def __init__(self, problem: Problem):
        super().__init__(problem)
        self.problem = problem


def read(text: str, file: str, problems: list[Problem], has_lines: bool = True) -> Node | None:
    """The tree of `text`, None if it is empty.

    Duplicate keys are added to `problems` and the first one counts; anything else that is not in
    the language stops the reader: `Refused`. `file` is the name in places; these have no line and
    column where the text is not a file's (`has_lines` false).
    """
    return _Reader(text, file, problems, has_lines).document()


class _Reader:
    """Walks the events of PyYAML's parser; knows depth and size before anything is built."""

    def __init__(self, text: str, file: str, problems: list[Problem], has_lines: bool):
        self.file = file
        self.has_lines = has_lines
        self.problems = problems
        self.n_node = 0
        self.events = self._events(text)

    def _events(self, text: str) -> Iterator[yaml.Event]:
        """The parser's events; whatever it stumbles over becomes `Refused`."""
        try:
            yield from yaml.parse(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self.at(mark.line + 1, mark.column + 1) if mark else self.at()
            detail = " ".join(part for part in (error.context, error.problem) if part)
            suggestion = "Look at the indentation, brackets and quotes on this line and the one before it."
            raise Refused(Problem(place, "", "this is not YAML", detail, suggestion)) from None
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            place = self.at(before.count("\n") + 1, len(before) - before.rfind("\n"))
            raise Refused(Problem(place, "", *_not_text(error.character))) from None
        except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF"
            problem = "an escape in quotes names no character"
            raise Refused(Problem(self.at(), "", problem, str(error))) from None

    def at(self, line: int = 1, column: int = 1) -> Place:
        return Place(self.file, line, column) if self.has_lines else Place(self.file)

    def document(self) -> Node | None:
        next(self.events)  # stream start
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        root = self.node(next(self.events), 0)
        next(self.events)  # document end
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            self.refuse(event, "a second document begins", "a config is one document", "Remove `---`.")
        return root

    def place(self, event: yaml.Event) -> Place:
        return self.at(event.start_mark.line + 1, event.start_mark.column + 1)

    def refuse(self, event: yaml.Event, problem: str, why: str = "", suggestion: str = "") -> NoReturn:
        raise Refused(Problem(self.place(event), "", problem, why, suggestion))

    def node(self, event: yaml.Event, depth: int) -> Node:
        self.n_node += 1
        if self.n_node > MOST_NODES:
            self.refuse(event, f"the file has more than {MOST_NODES} values", "no config needs so many")
        if depth > DEEPEST:
            self.refuse(event, f"nested deeper than {DEEPEST} levels", "no config needs so many")
        if isinstance(event, yaml.AliasEvent):
            why = "aliases can make a small file explode and hide where a number came from"
            self.refuse(event, f"alias *{event.anchor}", why, "Write the value out, or use a part file.")
        if anchor := getattr(event, "anchor", None):
            self.refuse(
                event, f"anchor &{anchor}", "aliases are not in this language", f'Remove "&{anchor}".'
            )
        if tag := getattr(event, "tag", None):
            self.refuse(event, f"tag {quoted(tag)}", "the key says what a value is", "Remove the tag.")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(event, depth)
        return self.mapping(event, depth)

    def scalar(self, event: yaml.ScalarEvent) -> Scalar:
        text = event.value
        if control := CONTROL.search(text):
            self.refuse(event, *_not_text(ord(control.group())))
        plain = event.implicit[0]
        return Scalar(None if plain and text in NULLS else text, self.place(event))

    def sequence(self, start: yaml.Event, depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return Sequence(items, self.place(start))

    def mapping(self, start: yaml.Event, depth: int) -> Mapping:
        entries: dict[str, tuple[Place, Node]] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, place = self.key(event, depth), self.place(event)
            value = self.node(next(self.events), depth + 1)
            if key in entries:
                why = f"first on line {entries[key][0].line}; only one value can count"
                problem = f"key {quoted(key)} is there twice"
                self.problems.append(Problem(place, "", problem, why, "Remove one."))
            else:
                entries[key] = (place, value)
        return Mapping(entries, self.place(start))

    def key(self, event: yaml.Event, depth: int) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            if isinstance(event, yaml.AliasEvent):
                self.node(event, depth)
            self.refuse(event, "a key is a list or a mapping", "keys are names", "Look for a stray bracket.")
        key = self.node(event, depth)
        text = key.text if isinstance(key, Scalar) else None
        if text is None:
            self.refuse(event, "a key is empty", "keys are names", "Put a name before the colon.")
        if text == "<<":
            why = "merging is not in this language"
            self.refuse(event, "merge key <<", why, "Use `extends:` at the head of the run config.")
        if len(text) > LONGEST_KEY:
            self.refuse(event, f"key {quoted(text)} is too long", f"at most {LONGEST_KEY} characters")
        return text


def _not_text(character: int) -> tuple[str, str]:
    return f"character U+{character:04X} is not text", "configs are text files"


def plain(node: Node) -> object:
    """`node` as dicts, lists and text, without places."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.text
