"""The compiled module, for type checkers; `kernels/bind_engine.cpp` and `kernels/bind_tally.cpp` say what is in it."""

from typing import Any

def __getattr__(name: str) -> Any: ...
