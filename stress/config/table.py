"""Files of rows that a config names: identified by what they hold, and read column by column.

A config says `file: positions.csv`. Loading reads the bytes and fills in their SHA-256, which is what
the config is from then on: where the file lies is no part of what is run. Compiling reads the rows.
"""

from __future__ import annotations

import csv
import importlib
import io
import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from stress.config.base import Strict, Text
from stress.errors import ConfigError, Place, Problem, quoted, suggest
from stress.units import UnitError

if TYPE_CHECKING:
    import numpy as np

LARGEST = 1 << 28
"""Bytes in a file of rows, at most."""

MOST_PROBLEMS = 1000
MOST = 1e15
"""Largest number in a file of rows: more dollars than there are."""

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        what = quoted(value) if isinstance(value, str) else "this"
        raise UnitError(
            f"{what} is no SHA-256", "64 hexadecimal digits", "Leave it out to take any contents."
        )
    return value


class File(Strict):
    """A file of rows: CSV with a head, or Parquet where pyarrow is installed."""

    path: Text
    """Where it lies, seen from the file that names it; `file: rows.csv` is short for it."""
    sha256: Annotated[str, BeforeValidator(_digest)] | None = None
    """Digest of its contents, filled in from them; a file that has another one is refused."""


def _long_form(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


FileField = Annotated[File, BeforeValidator(_long_form)]
"""A file as a config names it: a path, or a path and the digest."""


@dataclass(frozen=True)
class Input:
    """What a file held when it was read."""

    file: str
    """Path as found."""
    sha256: str
    content: bytes = field(repr=False)


@dataclass
class Table:
    """Rows of a file by column, and what was found wrong with them so far."""

    file: str
    columns: dict[str, list[str]]
    lines: list[int]
    """Where each row stands: its line in a CSV file, its number in a Parquet one."""
    head: int = 1
    """Where the names of the columns stand."""
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def numbers(
        self, column: str, above: float | None = None, least: float | None = None, blank: float | None = None
    ) -> np.ndarray:
        """A column as float64 [row]; NaN, and a problem, where a cell is no number within the bounds.

        Beyond `MOST` either way is out of bounds for every column.

        blank: what an empty cell is worth; without it an empty cell is a problem
        """
        import numpy as np

        values = np.full(len(self), np.nan)
        for row, text in enumerate(self.columns[column]):
            if not text and blank is not None:
                values[row] = blank
                continue
            value = float(text) if NUMBER.fullmatch(text) else math.nan
            if not math.isfinite(value):
                what = f"{quoted(text)} is not a number" if text else "is empty"
                self.refuse(row, column, what, "digits, a point and an exponent, without unit or separators")
            elif abs(value) > MOST:
                self.refuse(row, column, f"{text} is out of range", f"it must be at most {MOST:g} either way")
            elif above is not None and value <= above:
                self.refuse(row, column, f"{text} is out of range", f"it must be more than {above:g}")
            elif least is not None and value < least:
                self.refuse(row, column, f"{text} is out of range", f"it must be at least {least:g}")
            else:
                values[row] = value
        return values

    def choices(self, column: str, words: Collection[str]) -> np.ndarray:
        """A column as places in `words`, int64 [row]; -1, and a problem, where it is none of them."""
        import numpy as np

        known = {word: place for place, word in enumerate(words)}
        for row, text in enumerate(self.columns[column]):
            if text.lower() not in known:
                self.refuse(row, column, f"{quoted(text)} is not a choice", *suggest(text, words))
        return np.array([known.get(text.lower(), -1) for text in self.columns[column]], np.int64)

    def names(self, column: str) -> list[str]:
        """A column of names, none of them empty."""
        for row, text in enumerate(self.columns[column]):
            if not text:
                self.refuse(row, column, "is empty", "a name is needed")
        return self.columns[column]

    def refuse(self, row: int, column: str, problem: str, why: str = "", suggestion: str = "") -> None:
        """Note what is wrong with a cell."""
        if len(self.problems) < MOST_PROBLEMS:
            place = Place(self.file, self.lines[row])
            self.problems.append(Problem(place, column, problem, why, suggestion))

    def refuse_head(self, problem: str, why: str = "", suggestion: str = "") -> None:
        """Note what is wrong with the columns."""
        self.problems.append(Problem(Place(self.file, self.head), "", problem, why, suggestion))

    def settle(self) -> None:
        """Raise `ConfigError` for all that was found wrong."""
        if self.problems:
            raise ConfigError.of(self.problems)


def read(found: Input, required: Collection[str], optional: Collection[str] = ()) -> Table:
    """The rows of a file that has the columns `required`, and of `optional` any.

    raises: ConfigError at file:line for what is not a table, or not this one
    """
    head, rows, lines = _parquet(found) if _is_parquet(found) else _csv(found)
    names = [name.strip().lower() for name in head]
    at = Place(found.file, lines[0])
    known, problems = [*required, *optional], []
    for place, name in enumerate(names):
        if name in names[:place]:
            problems.append(Problem(at, "", f"column {quoted(name)} is there twice", "only one can count"))
        elif name not in known:
            problems.append(Problem(at, "", f"unknown column {quoted(name)}", *suggest(name, known)))
    for name in required:
        if name not in names:
            why = f"needed are {', '.join(required)}"
            problems.append(Problem(at, "", f"column {quoted(name)} is missing", why))
    if not problems and not rows:
        problems.append(Problem(at, "", "there are no rows", "it must hold one at least"))
    for row, line in zip(rows, lines[1:], strict=True):
        if len(row) != len(names) and len(problems) < MOST_PROBLEMS:
            what = f"the row has {len(row)} cells"
            problems.append(Problem(Place(found.file, line), "", what, f"the head has {len(names)}"))
    if problems:
        raise ConfigError.of(problems)
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return Table(found.file, columns, lines[1:], lines[0])


Rows = tuple[list[str], list[list[str]], list[int]]
"""Names of the columns; rows; lines of the head and of the rows."""


def _csv(found: Input) -> Rows:
    """Cells of a CSV file; empty lines and those that begin with # are passed over."""
    try:
        text = found.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = found.content.count(b"\n", 0, error.start) + 1
        why = f"byte {error.start} is not UTF-8"
        raise _refusal(found, line, "this is not text", why, "Save it as UTF-8 text.") from None
    rows, lines = [], []
    reader = csv.reader(_without_remarks(text.splitlines()), strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise _refusal(found, reader.line_num, "this is not CSV", str(error), "") from None
    if not rows:
        raise _refusal(found, 1, "the file is empty", "a first row names the columns", "")
    return rows[0], rows[1:], lines


def _without_remarks(lines: Iterable[str]) -> Iterable[str]:
    return ("" if line.startswith("#") else line for line in lines)


def _is_parquet(found: Input) -> bool:
    return found.content[:4] == b"PAR1" or found.file.endswith(".parquet")


def _parquet(found: Input) -> Rows:
    """Cells of a Parquet file as text."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        why = "pyarrow, which reads Parquet, is not installed"
        raise _refusal(found, 0, "cannot be read", why, "Install pyarrow, or save it as CSV.") from None
    try:
        read = parquet.read_table(io.BytesIO(found.content))
        columns = [
            ["" if cell is None else str(cell).strip() for cell in c.to_pylist()] for c in read.columns
        ]
        names = [str(name) for name in read.column_names]
    except (ValueError, OSError, NotImplementedError) as error:
        raise _refusal(found, 0, "this is not Parquet", str(error), "") from None
    rows = [list(row) for row in zip(*columns, strict=True)]
    return names, rows, [1, *range(1, len(rows) + 1)]


def _refusal(found: Input, line: int, problem: str, why: str, suggestion: str) -> ConfigError:
    return ConfigError.of([Problem(Place(found.file, line), "", problem, why, suggestion)])
