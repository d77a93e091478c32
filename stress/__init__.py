"""What to run, and what it means: stress tests of liquidation cascades in leveraged crypto markets.

    import stress

    run = stress.run("configs/oct-2025.yaml", paths=100_000)
    run.cube.loss_es.sel(component="total", tier="all", level=0.99)

Everything is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stress.comparison import compare
    from stress.errors import (
        BackendError,
        CompileError,
        ConfigError,
        Interrupted,
        PathError,
        ResultError,
        StoreError,
        StressError,
    )
    from stress.replays.path import Replay, replay
    from stress.runs import Run, open_run, resume, run

__all__ = [
    "BackendError",
    "CompileError",
    "ConfigError",
    "Interrupted",
    "PathError",
    "Replay",
    "ResultError",
    "Run",
    "StoreError",
    "StressError",
    "compare",
    "open_run",
    "replay",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "compare":
        return import_module("stress.comparison").compare
    home = "stress.errors" if name.endswith(("Error", "Interrupted")) else "stress.runs"
    home = "stress.replays.path" if name.lower() == "replay" else home
    return getattr(import_module(home), name)
