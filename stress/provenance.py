"""Where numbers come from: digests of the engine and of the scenario, the machine, the version."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from functools import cache
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from kernels.scenario import Scenario

SOURCES = (".py", ".h", ".cpp", ".cu")


def package_version() -> str:
    """The version that is installed."""
    try:
        return version("liquidation-stress")
    except PackageNotFoundError:
        return "unknown"


@cache
def kernels_sha256() -> str:
    """Digest of the engine's sources, all of them: names and contents."""
    digest = hashlib.sha256()
    for name, content in sorted(_sources(resources.files("kernels"), "kernels")):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _sources(folder, name: str):
    for entry in folder.iterdir():
        path = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, path)
        elif entry.name.endswith(SOURCES):
            yield path, entry.read_bytes()


def scenario_sha256(scenario: Scenario) -> str:
    """Digest of every number that an engine reads."""
    digest = hashlib.sha256(repr(scenario.shape).encode())
    held = {part.name: getattr(scenario.parts, part.name) for part in dataclasses.fields(scenario.parts)}
    pieces = [("", scenario.arrays), *((f"{name}.", part) for name, part in held.items() if part is not None)]
    for prefix, arrays in pieces:
        for leaf in dataclasses.fields(arrays):
            values = np.ascontiguousarray(getattr(arrays, leaf.name))
            head = f"\0{prefix}{leaf.name}\0{values.dtype.str}\0{values.shape}\0"
            digest.update(head.encode() + values.tobytes())
    return digest.hexdigest()


@cache
def device() -> dict[str, Any]:
    """The machine, as far as it matters for speed."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        models = []
    return models[0] if models else platform.processor() or "unknown"
