"""Files and overrides to a `RunConfig`, with all that is wrong reported at once.

The order: the file; the one it extends, underneath, less what is left out of it; part files; overrides; then
the models and the checks across them.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping as Known
from collections.abc import Sequence as Items

from stress.config import inputs, table, tree
from stress.config.origin import Origin, Path, Source, dotted
from stress.config.run import RunConfig
from stress.config.table import Input
from stress.config.tree import Mapping, Node, Refused, Scalar, Sequence
from stress.config.validate import validate
from stress.errors import ConfigError, Place, Problem, printable, quoted

LARGEST = 1 << 20
"""Bytes in a file, at most."""

MOST_MEMBERS = 200
"""Entries in a section, at most; far above any of the limits that the models know."""

PARTS = ("assets", "venues")
"""Sections whose members may live in files of their own."""

UNDERNEATH = ("extends", "without")
"""Keys at the head of a config that say what is underneath it; the models do not know them."""


def load(path: str | os.PathLike[str], overrides: Items[str] = ()) -> RunConfig:
    """Read the run config in the file `path`.

    overrides: texts such as "run.paths=1000", as given to --set; they replace what the files say,
               go through the same reader, and are named as the place of what is wrong with them
    raises   : `ConfigError` with every problem found, never anything else for a wrong input
    """
    return _Loader().run_config(os.fspath(path), overrides)


def loads(
    text: str,
    overrides: Items[str] = (),
    file: str = "config.yaml",
    known: Known[str, Input] | None = None,
) -> RunConfig:
    """Read a run config from `text`, as if it stood in `file` (which need not exist).

    known: contents of files of rows by SHA-256, which are then not looked for on the disk
    """
    return _Loader(known).run_config(file, overrides, text)


def read_mapping(path: str | os.PathLike[str]) -> tuple[Mapping, Origin]:
    """The tree of another kind of YAML file, in the same language, and where its values stand.

    raises: `ConfigError`
    """
    loader, file = _Loader(), os.fspath(path)
    root = loader.mapping(file)
    if loader.problems or root is None:
        raise ConfigError.of(loader.problems)
    return root, Origin(tuple(loader.sources.values()), root)


class _Loader:
    """One loading: what was read so far, and what was wrong with it."""

    def __init__(self, known: Known[str, Input] | None = None) -> None:
        self.known = known or {}
        self.inputs: dict[str, Input] = {}
        self.problems: list[Problem] = []
        self.sources: dict[str, Source] = {}
        self.trees: dict[str, Mapping | None] = {}
        self.unread: set[Path] = set()
        """Parts that could not be read: reported already, so left out of the checks."""

    def run_config(self, file: str, overrides: Items[str], text: str | None = None) -> RunConfig:
        root = self.mapping(file, text=text)
        if isinstance(root, Mapping) and not root.entries.keys().isdisjoint(UNDERNEATH):
            root = self.extended(root)
        if not isinstance(root, Mapping):
            raise ConfigError.of(self.problems)
        root = self.with_parts(root, file)
        for override in overrides:
            root = self.overridden(root, override)
        root = self.with_inputs(self.with_parts(root, file), file)
        origin = Origin(tuple(self.sources.values()), root, self.inputs)
        config, problems = validate(root, self.unread, origin)
        if self.problems or problems or config is None:
            raise ConfigError.of([*self.problems, *problems])
        config._origin = origin
        return config

    def extended(self, root: Mapping) -> Mapping | None:
        """`root` over the config that it extends; None if that cannot be read."""
        if "extends" not in root.entries:
            why = "it takes away what an extended config has"
            self.report(root.entries["without"][0], "without", "there is nothing to leave out of", why)
            return None
        key_place, named = root.entries["extends"]
        own = Mapping({k: v for k, v in root.entries.items() if k not in UNDERNEATH}, root.place)
        if not isinstance(named, Scalar) or named.text is None:
            self.report(key_place, "extends", "is not one path", "a config extends one file, or none")
            return None
        file = _beside(named.place.file, named.text)
        base = self.mapping(file, named.place, "extends")
        if base is None:
            return None
        if "extends" in base.entries:
            place = base.entries["extends"][0]
            why = "what is extended must stand alone, so that a reader has two files to look at, not ten"
            self.report(place, "extends", "the extended config extends another one", why)
            return None
        base = self.with_parts(base, file)
        _, left_out = root.entries.get("without", (None, Sequence([], root.place)))
        return _merge(self.without(base, left_out), own)

    def without(self, base: Mapping, left_out: Node) -> Mapping:
        """`base` less the keys that the list `left_out` names."""
        if not isinstance(left_out, Sequence):
            why = 'it lists what is left out, like "venues.aster"'
            self.report(left_out.place, "without", "is not a list", why)
            return base
        for i, node in enumerate(left_out.items):
            text = node.text if isinstance(node, Scalar) else None
            try:
                base = _less(base, _parse_path(text or ""))
            except LookupError:
                what = f"{quoted(text)} is not there" if text else "is not a path"
                why = "the config underneath has nothing to leave out under that path"
                self.report(node.place, f"without[{i}]", what, why)
        return base

    def with_parts(self, root: Mapping, file: str) -> Mapping:
        """`root` with the assets and venues that are paths replaced by what is in these files."""
        self.refuse_crowds(root)
        for section in PARTS:
            _, members = root.entries.get(section, (None, None))
            if not isinstance(members, Mapping):
                continue
            for name, (_, node) in members.entries.items():
                if not isinstance(node, Scalar) or node.text is None or (section, name) in self.unread:
                    continue
                named_in = node.place.file if node.place.line else file
                part = self.mapping(_beside(named_in, node.text), node.place, f"{section}.{name}")
                if part is None:
                    self.unread.add((section, name))
                else:
                    root = _put(root, (section, name), part)
        return root

    def with_inputs(self, root: Mapping, file: str) -> Mapping:
        """`root` with the digest of every file of rows that it names filled in."""
        for path, node in list(inputs.references(root, RunConfig)):
            named, expected = inputs.written(node)
            if named is None or named.text is None or not (expected is None or inputs.is_digest(expected)):
                continue  # the models say what is wrong
            named_in = named.place.file if named.place.line else file
            at = _beside(named_in, named.text)
            found = self.known.get(expected or "") or self.input(at, named.place, path, expected)
            if found:
                self.inputs[found.sha256] = found
                shown = inputs.seen_from(file, named.text, at)
                root = _put(root, path, inputs.settled(node, named, shown, found.sha256))
        return root

    def input(self, file: str, named_at: Place, path: Path, expected: str | None) -> Input | None:
        """The contents of a file of rows; None, and a problem, if they cannot be had."""
        shown = _shown(file)
        try:
            content = self.content(file, table.LARGEST, "a file of rows")
        except _Unreadable as error:
            what = f"{quoted(shown)} {error.problem}"
            self.report(named_at, dotted(path), what, error.why, error.suggestion)
            return None
        found = Input(shown, inputs.digest(content), content)
        if expected is not None and expected != found.sha256:
            why = f"its SHA-256 is {found.sha256}, the config says {expected}"
            advice = "Restore the file, or leave `sha256` out to take it as it is."
            self.report(named_at, dotted(path), f"{quoted(shown)} has changed", why, advice)
            return None
        return found

    def refuse_crowds(self, root: Mapping) -> None:
        """Stop at sections so long that checking them would take longer than reading this message."""
        for section, (place, node) in root.entries.items():
            size = len(node.entries if isinstance(node, Mapping) else getattr(node, "items", ()))
            if size > MOST_MEMBERS:
                self.report(place, section, f"has {size} entries", f"no config needs {MOST_MEMBERS}")
                raise ConfigError.of(self.problems)

    def overridden(self, root: Mapping, override: str) -> Mapping:
        """`root` with the value that `override` sets; `root` itself if it cannot be set."""
        place = Place(f"--set {printable(override)}")
        path_text, equals, value_text = override.partition("=")
        path = _parse_path(path_text.strip())
        if not equals or not path or path[0] in UNDERNEATH:
            why = 'overrides look like "run.paths=1000"; what a config extends cannot be overridden'
            self.report(place, "", "this is not an override", why)
            return root
        try:
            value = tree.read(value_text, place.file, self.problems, has_lines=False)
            return _put(root, path, value or Scalar(None, place), place)
        except Refused as refused:
            self.problems.append(refused.problem)
        except LookupError as error:
            self.report(place, path_text, str(error.args[0]), "the path leads nowhere")
        return root

    def mapping(
        self, file: str, named_at: Place | None = None, path: str = "", text: str | None = None
    ) -> Mapping | None:
        """The tree of a file, which must be a mapping; None, and a problem, if it is not."""
        if file in self.trees:
            return self.trees[file]
        self.trees[file] = None
        try:
            content = self.content(file) if text is None else text.encode(errors="surrogatepass")
            source = Source(_shown(file), hashlib.sha256(content).hexdigest(), _decoded(content))
            self.sources[file] = source
            root = tree.read(source.text, source.file, self.problems)
        except Refused as refused:
            self.problems.append(refused.problem)
            return None
        except _Unreadable as error:
            what = quoted(_shown(file)) if named_at else "the config"
            place = named_at or Place(_shown(file))
            self.report(place, path, f"{what} {error.problem}", error.why, error.suggestion)
            return None
        if not isinstance(root, Mapping):
            what = "is empty" if root is None else "is not a mapping"
            why = "`key: value` lines are needed"
            self.report(Place(_shown(file), 1, 1), "", f"the file {what}", why)
            return None
        self.trees[file] = root
        return root

    def content(self, file: str, largest: int = LARGEST, what: str = "a config") -> bytes:
        """The bytes of a file; `_Unreadable` if it is none, or too large."""
        try:
            if not stat.S_ISREG(os.stat(file).st_mode):
                kind = "directory" if os.path.isdir(file) else "special file"
                why = "a config is one YAML file" if what == "a config" else f"{what} is one file"
                raise _Unreadable(f"is a {kind}, not a file", why)
            with open(file, "rb") as stream:
                content = stream.read(largest + 1)
        except FileNotFoundError:
            raise _Unreadable("does not exist", "paths are relative to the file that names them") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise _Unreadable("cannot be read", reason.lower()) from None
        if len(content) > largest:
            whose = "configs have" if what == "a config" else f"{what} has"
            raise _Unreadable("is too large", f"{whose} at most {largest >> 20} MiB")
        return content

    def report(self, place: Place, path: str, problem: str, why: str, suggestion: str = "") -> None:
        self.problems.append(Problem(place, path, problem, why, suggestion))


class _Unreadable(Exception):
    """A file that gives no text, and why."""

    def __init__(self, problem: str, why: str, suggestion: str = ""):
        super().__init__(problem)
        self.problem, self.why, self.suggestion = problem, why, suggestion


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        why = f"byte {error.start} is not UTF-8"
        raise _Unreadable("is not a text file", why, "Save it as UTF-8 text.") from None


def _shown(file: str) -> str:
    """A file name as messages and records show it."""
    return file.encode("utf-8", "backslashreplace").decode()


def _beside(file: str, path: str) -> str:
    """`path` as seen from the folder of `file`."""
    return os.path.normpath(os.path.join(os.path.dirname(file), path))


def _parse_path(text: str) -> Path:
    """ "tiers[2].to" or "tiers.2.to" to ("tiers", 2, "to"); empty if it is not a path."""
    if not re.fullmatch(r"[^.\[\]\s]+(?:\.[^.\[\]\s]+|\[[0-9]{1,6}\])*", text):
        return ()
    return tuple(int(part) if part.isdecimal() else part for part in re.findall(r"[^.\[\]]+", text))


def _merge(under: Mapping, over: Mapping) -> Mapping:
    """`over` on top of `under`: mappings are merged unless `kind` changes or is new, all else is replaced."""
    entries = dict(under.entries)
    for key, (place, value) in over.entries.items():
        old = entries[key][1] if key in entries else None
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not _kind_changes(old, value):
            value = _merge(old, value)
        entries[key] = (place, value)
    return Mapping(entries, over.place)


def _less(root: Mapping, path: Path) -> Mapping:
    """A copy of `root` without what is at `path`; `LookupError` where nothing is."""
    if not path or str(path[0]) not in root.entries:
        raise LookupError
    key, rest = str(path[0]), path[1:]
    place, old = root.entries[key]
    if not rest:
        return Mapping({k: v for k, v in root.entries.items() if k != key}, root.place)
    if not isinstance(old, Mapping):
        raise LookupError
    return Mapping({**root.entries, key: (place, _less(old, rest))}, root.place)


def _kind_changes(under: Mapping, over: Mapping) -> bool:
    (_, old), (_, new) = (node.entries.get("kind", (None, None)) for node in (under, over))
    if not isinstance(new, Scalar):
        return False
    return old is None or (isinstance(old, Scalar) and old.text != new.text)


def _put(root: Mapping, path: Path, value: Node, key_place: Place | None = None) -> Mapping:
    """A copy of `root` with `value` at `path`; `LookupError` where the path leads through a value."""
    key, rest = str(path[0]), path[1:]
    place, old = root.entries.get(key, (key_place or value.place, Mapping({}, value.place)))
    new = _put_below(old, rest, value, key_place) if rest else value
    return Mapping({**root.entries, key: (place if rest or not key_place else key_place, new)}, root.place)


def _put_below(node: Node, path: Path, value: Node, key_place: Place | None) -> Node:
    """`_put` for any node."""
    key, rest = path[0], path[1:]
    if isinstance(node, Mapping):
        return _put(node, path, value, key_place)
    if not isinstance(node, Sequence) or not isinstance(key, int):
        is_list = isinstance(node, Sequence)
        what = "a list, whose entries have numbers" if is_list else "a value, not a mapping"
        raise LookupError(f"{quoted(key)} is looked for in {what}")
    if key >= len(node.items):
        raise LookupError(f"the list has {len(node.items)} entries, counted from 0")
    new = _put_below(node.items[key], rest, value, key_place) if rest else value
    return Sequence([*node.items[:key], new, *node.items[key + 1 :]], node.place)
