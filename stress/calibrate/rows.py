"""Files of rows as users have them: CSV, also compressed, and Parquet; where every row stands is kept.

Unlike the files of rows that a config names (stress/config/table.py) they may have columns that nobody asked
for, are large, and hold times.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib
import io
import math
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from stress.errors import BackendError, ConfigError, Place, Problem, quoted, suggest

MOST_PROBLEMS = 1000

STAMP = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?))?\s*"
    r"(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?"
)
SECONDS, MILLISECONDS = (1e8, 1e11), (1e11, 1e14)
"""What a plain number as a time means, by its size: since 1970, in seconds or milliseconds."""


@dataclass
class Rows:
    """Rows of a file by column, and what was found wrong with them so far."""

    file: str
    sha256: str
    columns: Mapping[str, Any]
    """Sequences or arrays by name, in the file's order and letters."""
    lines: Sequence[int]
    head: int = 1
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def named(self, *names: str) -> str | None:
        """The column that has one of these names, in any case."""
        known = {column.strip().lower(): column for column in self.columns}
        return next((known[name] for name in names if name in known), None)

    def needed(self, *names: str) -> str:
        """The same; a problem, at once, where there is none."""
        found = self.named(*names)
        if found is None:
            why, better = suggest(names[0], self.columns)
            raise ConfigError.of([Problem(self.at_head, "", f'column "{names[0]}" is missing', why, better)])
        return found

    @property
    def at_head(self) -> Place:
        return Place(self.file, self.head)

    def place(self, row: int) -> Place:
        return Place(self.file, int(self.lines[row]))

    def refuse(self, row: Any, column: str, problem: str, why: str = "", suggestion: str = "") -> None:
        """Note what is wrong with a cell; `row` is its index, of any type of integer."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(self.place(row), column, problem, why, suggestion))

    def settle(self) -> None:
        """Raise `ConfigError` for all that was found wrong."""
        if self.problems:
            raise ConfigError.of(self.problems)

    def where(self, column: str, value: str) -> Rows:
        """The rows whose cell in `column` is `value`, in any case."""
        cells = self.columns[self.needed(column.lower())]
        kept = [row for row, cell in enumerate(cells) if text(cell).lower() == value.lower()]
        if not kept:
            shown = ", ".join(sorted({text(cell) for cell in cells})[:10])
            raise ConfigError.of(
                [Problem(self.at_head, column, f"no row has {quoted(value)}", f"there are: {shown}")]
            )
        columns = {
            name: c[kept] if isinstance(c, np.ndarray) else [c[row] for row in kept]
            for name, c in self.columns.items()
        }
        lines = [self.lines[row] for row in kept]
        return Rows(self.file, self.sha256, columns, lines, self.head, self.problems)

    def numbers(self, column: str, above: float | None = None, blank: bool = False) -> np.ndarray:
        """A column as float64 [row]; NaN, and a problem, where a cell is no finite number above `above`.

        blank: whether a cell may be empty; it is NaN then
        """
        cells = self.columns[column]
        try:
            values = np.asarray(cells).astype(float)
        except (TypeError, ValueError):
            values = np.array([number(cell) for cell in cells])
        for row in np.flatnonzero(~np.isfinite(values)):
            shown = text(cells[row])
            if shown and shown.lower() != "nan":
                self.refuse(row, column, f"{quoted(shown)} is not a number", "digits, a point, an exponent")
            elif not blank:
                self.refuse(row, column, "is empty", "a number is needed")
            values[row] = math.nan
        if above is not None:
            for row in np.flatnonzero(values <= above):
                self.refuse(
                    row, column, f"{text(cells[row])} is out of range", f"more than {above:g} is needed"
                )
            values = np.where(values <= above, math.nan, values)
        return values

    def texts(self, column: str) -> list[str]:
        """A column of names, none of them empty."""
        found = [text(cell) for cell in self.columns[column]]
        for row, cell in enumerate(found):
            if not cell:
                self.refuse(row, column, "is empty", "a name is needed")
        return found

    def times(self, column: str) -> np.ndarray:
        """Times as milliseconds since 1970, UTC, int64 [row]; -1, and a problem, where there is none.

        One way of writing them in a file: with a zone all over, which must be one, or without, which is UTC.
        """
        cells = self.columns[column]
        if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
            return cells.astype("datetime64[ms]").astype(np.int64)
        found, first = np.full(len(self), -1, np.int64), None
        for row, cell in enumerate(cells):
            shown = text(cell)
            moment, zone = stamp(shown)
            if moment is None:
                why = "2025-10-10T20:45:00Z, 2025-10-10 20:45 or seconds since 1970 are read"
                self.refuse(row, column, f"{quoted(shown)} is not a time" if shown else "is empty", why)
                continue
            first = zone if first is None else first
            if zone != first:
                what = f"{quoted(shown)} is in another time zone than the rows before ({zone} after {first})"
                self.refuse(
                    row, column, what, "an hour would be there twice or not at all", "Write all in UTC."
                )
            found[row] = moment
        return found


def number(cell: Any) -> float:
    """A cell as a number; NaN where it is none."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return math.nan


def text(cell: Any) -> str:
    """A cell as text; empty for what is not there."""
    return "" if cell is None else str(cell).strip()


def stamp(shown: str) -> tuple[int | None, str]:
    """Milliseconds since 1970 and the zone as it is written; None where this is no time."""
    match = STAMP.fullmatch(shown)
    if not match:
        size = number(shown)
        for (low, high), unit in ((SECONDS, 1000), (MILLISECONDS, 1)):
            if low <= size < high:
                return round(size * unit), "since 1970"
        return None, ""
    time, zone = match["time"] or "00:00", match["zone"] or ""
    plain = f"{match['date']}T{time.replace(',', '.')}"
    head, _, fraction = plain.partition(".")
    try:
        moment = datetime.fromisoformat(head).replace(tzinfo=UTC)
    except ValueError:
        return None, ""
    shift = 0
    if zone[:1] in ("+", "-"):
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        shift = (1 if zone[0] == "+" else -1) * (hours * 60 + minutes) * 60_000
    name = {"": "no zone", "Z": "UTC"}.get(zone, "UTC" if not shift and zone else zone)
    return round(moment.timestamp() * 1000) + round(1000 * float(f"0.{fraction or 0}")) - shift, name


def read(path: str | os.PathLike[str]) -> Rows:
    """The rows of a file.

    raises: ConfigError at file:line for what is no table; BackendError where pyarrow is needed and missing
    """
    file = os.fspath(path)
    try:
        with open(file, "rb") as opened:
            content = opened.read()
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError.of([Problem(Place(file), "", "cannot be read", why)]) from None
    digest = hashlib.sha256(content).hexdigest()
    if content[:4] == b"PAR1" or file.endswith(".parquet"):
        return parquet(file, digest, content)
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise refusal(file, 0, "this is not gzip", str(error)) from None
    return comma_separated(file, digest, content)


def comma_separated(file: str, digest: str, content: bytes) -> Rows:
    """CSV with a head; empty lines and lines that begin with # are passed over."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refusal(file, line, "this is not text", f"byte {error.start} is not UTF-8") from None
    rows, places = [], []
    reader = csv.reader(("" if line.startswith("#") else line for line in lines), strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                places.append(reader.line_num)
    except csv.Error as error:
        raise refusal(file, reader.line_num, "this is not CSV", str(error)) from None
    if not rows:
        raise refusal(file, 1, "the file is empty", "a first row names the columns")
    head = [name.strip() for name in rows[0]]
    problems = [
        Problem(Place(file, places[0]), "", f"column {quoted(name)} is there twice", "only one can count")
        for i, name in enumerate(head)
        if name in head[:i]
    ]
    problems += [
        Problem(Place(file, line), "", f"the row has {len(row)} cells", f"the head has {len(head)}")
        for row, line in zip(rows[1:], places[1:], strict=True)
        if len(row) != len(head)
    ]
    if not problems and len(rows) == 1:
        problems = [Problem(Place(file, places[0]), "", "there are no rows", "it must hold some")]
    if problems:
        raise ConfigError.of(problems[:MOST_PROBLEMS])
    columns = dict(zip(head, (list(c) for c in zip(*rows[1:], strict=True)), strict=True))
    return Rows(file, digest, columns, places[1:], places[0])


def parquet(file: str, digest: str, content: bytes) -> Rows:
    """Parquet; the line of a row is its number."""
    try:
        reader = importlib.import_module("pyarrow.parquet")
        types = importlib.import_module("pyarrow.types")
    except ImportError:
        raise BackendError(
            f"{file} is Parquet, and pyarrow, which reads it, is not installed. Try: pip install pyarrow "
            "(the extra `calibrate`), or save the file as CSV."
        ) from None
    try:
        table = reader.read_table(io.BytesIO(content))
    except (ValueError, OSError, NotImplementedError) as error:
        raise refusal(file, 0, "this is not Parquet", str(error)) from None
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        plain = types.is_timestamp(column.type) or types.is_floating(column.type)
        columns[name] = column.to_numpy() if plain and not column.null_count else column.to_pylist()
    if not table.num_rows:
        raise refusal(file, 0, "there are no rows", "it must hold some")
    return Rows(file, digest, columns, range(1, table.num_rows + 1))


def refusal(file: str, line: int, problem: str, why: str) -> ConfigError:
    return ConfigError.of([Problem(Place(file, line), "", problem, why)])
