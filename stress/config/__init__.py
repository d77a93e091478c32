"""The config language: YAML files to a frozen, checked `RunConfig`, and back.

Importing this package is cheap; the models are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stress.config.dumper import config_sha256, dump, identity, physics_sha256
    from stress.config.loader import load, loads
    from stress.config.reference import schema
    from stress.config.run import RunConfig

_HOMES = {
    "RunConfig": "run",
    "config_sha256": "dumper",
    "dump": "dumper",
    "identity": "dumper",
    "load": "loader",
    "loads": "loader",
    "physics_sha256": "dumper",
    "schema": "reference",
}
__all__ = ["RunConfig", "config_sha256", "dump", "identity", "load", "loads", "physics_sha256", "schema"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
