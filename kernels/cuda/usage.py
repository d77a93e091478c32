"""What a compiled kernel takes of a GPU, read off the compiler's log."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REGISTERS = re.compile(r"Used (\d+) registers")
_STACK = re.compile(r"(\d+) bytes cumulative stack size")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_NOTE = re.compile(r"^\s*(ptxas info\b.*|ptxas\s+\..*|)$")


@dataclass(frozen=True)
class Usage:
    """registers   : of a thread
    stack_bytes : of a thread, functions that are called included
    spill_bytes : registers that are stored and read again, over all functions
    cubin_bytes : code and its tables
    """

    registers: int
    stack_bytes: int
    spill_bytes: int
    cubin_bytes: int


def usage(log: str, cubin: bytes) -> Usage:
    """Of the kernel that the log is about."""
    return Usage(
        max(int(n) for n in _REGISTERS.findall(log)),
        max(int(n) for n in _STACK.findall(log)),
        sum(int(stores) for stores, _ in _SPILLS.findall(log)),
        len(cubin),
    )


def complaints(log: str) -> list[str]:
    """Lines of the log that are no plain notes: warnings, that is."""
    return [line for line in log.splitlines() if not _NOTE.match(line)]
