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
    from stress.opening import open_run
    from stress.replays.path import Replay, replay
    from stress.runs import Run, resume, run

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


HOMES = {
    "Replay": "stress.replays.path",
    "compare": "stress.comparison",
    "open_run": "stress.opening",
    "replay": "stress.replays.path",
}
"""Where names come from, but for errors and what runs."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "open_run":
        import_module("stress.accessor")  # what is opened has `.stress`
    home = "stress.errors" if name.endswith(("Error", "Interrupted")) else HOMES.get(name, "stress.runs")
    return getattr(import_module(home), name)
