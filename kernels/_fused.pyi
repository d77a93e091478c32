"""The compiled module, for type checkers: see `kernels/bind_engine.cpp` and `kernels/bind_tally.cpp`."""

from typing import Any

def __getattr__(name: str) -> Any: ...
