"""What can go wrong, and with which exit code the command ends.

StressError        1   a bug of ours unless a subclass says otherwise
ConfigError        2   the config or another input is wrong: message only, no traceback
CompileError       2   the config is well formed, but describes no market that can be computed
PathError          1   paths failed: the money did not add up, or a number was not finite
BackendError       3   the machine lacks what was asked for
ResultError        2   what was handed over as a result or a run cannot be read as one: it is not there,
                       not ours, unfinished, cut short, damaged, or of another version of this program
StoreError         4   a disk or folder refused, or `resume` and `verify` met a damaged file in a run
Interrupted       75   stopped from outside; `stress resume` goes on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

PROBLEMS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written. Line 0: not in a file, `file` says where (an override).

    Column 0: the whole line, as a row of a table is."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        at = [str(number) for number in (self.line, self.column) if number]
        return ":".join([self.file, *at])


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, why it matters, what to try."""

    place: Place | None
    path: str
    problem: str
    why: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        head = [str(part) for part in (self.place, self.path) if part]
        message = self.problem + (f" ({self.why})" if self.why else "")
        if self.suggestion:
            message += f". {self.suggestion}"
        return printable(": ".join([*head, message]))


class StressError(Exception):
    """Base of all errors that this package raises on purpose."""

    exit_code = 1


class ConfigError(StressError):
    """The user's input is wrong: one line a problem, all of them at once."""

    exit_code = 2

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()):
        super().__init__(message, problems)
        self.problems = problems

    def __str__(self) -> str:
        return self.args[0]

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> ConfigError:
        """The error for `problems`, each said once: by file as first met, then by line."""
        unique = list(dict.fromkeys(problems))
        rank: dict[str, int] = {}
        for problem in unique:
            rank.setdefault(_place(problem).file, len(rank))
        found = sorted(unique, key=lambda p: (rank[(at := _place(p)).file], at.line, at.column))
        lines = [str(problem) for problem in found[:PROBLEMS_SHOWN]]
        if len(found) > PROBLEMS_SHOWN:
            lines.append(f"... and {len(found) - PROBLEMS_SHOWN} more")
        return cls("\n".join(lines), tuple(found))


class CompileError(ConfigError):
    """The config reads well, but no scenario can be built from it."""


class PathError(StressError):
    """Paths failed, more than may: a bug of ours."""


class BackendError(StressError):
    """The backend asked for is not there, or the device fell out."""

    exit_code = 3


class StoreError(StressError):
    """A result could not be written or read back."""

    exit_code = 4


class ResultError(StoreError):
    """What was handed over as a result cannot be read as one: message only, no traceback."""

    exit_code = 2


class Interrupted(StressError):
    """Stopped from outside; what is finished stays."""

    exit_code = 75


def printable(text: str) -> str:
    """`text` on one line that any UTF-8 terminal can show."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(text: object, limit: int = 60) -> str:
    """`text` as a message cites it: in quotes, on one line, cut where it runs long."""
    shown = printable(str(text)[: limit + 1])
    return f'"{shown[:limit]}..."' if len(shown) > limit else f'"{shown}"'


def suggest(given: str, known: Iterable[str]) -> tuple[str, str]:
    """Why a name is wrong, and which one may be meant."""
    known = list(known)
    why = "known here: " + (", ".join(known[:20]) + (", ..." if len(known) > 20 else "") or "none")
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.6) or [
        name for name in known if name.casefold() == given.casefold()
    ]
    return why, f'Did you mean "{close[0]}"?' if close else ""


def _place(problem: Problem) -> Place:
    return problem.place or Place("")
