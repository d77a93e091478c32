"""A history of returns, standardised for the bootstrap. docs/methods/exogenous.md, Eqs. (8) and (9)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.exogenous import Bootstrap
from stress.config import table

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.dynamics import Bootstrap as Dynamics

LEAST_ROWS = 30
MOST_ROWS = 1 << 24
LARGEST_RETURN = 1.0
"""Log return of one row, at most: beyond it the numbers are percent, or prices."""

IDENTITY_SHARE = 1e-9
"""Mixed into the history's correlation, so that assets that moved as one leave it a Cholesky factor."""


def compiled(config: RunConfig) -> tuple[dict[str, np.ndarray], Bootstrap]:
    """Volatility and correlation of the history as a scenario's arrays, and the history to draw from.

    raises: ConfigError, at file and line where it can be, for what is no history of all assets
    """
    dynamics = config.dynamics
    assert dynamics.kind == "bootstrap"
    returns = read(config, dynamics)
    if dynamics.mean == "removed":
        returns = returns - returns.mean(axis=0)
    size = np.sqrt((returns**2).mean(axis=0))
    for asset, moved in zip(config.assets, size, strict=True):
        if not moved > 0:
            why = "its returns are all alike, so there is nothing to scale"
            raise config.error(("dynamics", "file"), f"{asset} does not move in the history", why)
    standard, start, decay = returns / size, np.ones(len(size)), 1.0
    if dynamics.filter is not None:
        decay = 2 ** (-config.run.step / dynamics.filter.half_life)
        scale, last = weighted(standard, decay)
        standard = standard / scale
        standard = standard / np.sqrt((standard**2).mean(axis=0))
        start = last if dynamics.filter.start == "last" else start
    correlation = np.corrcoef(returns, rowvar=False).reshape(len(size), len(size))
    correlation = (1 - IDENTITY_SHARE) * correlation + IDENTITY_SHARE * np.eye(len(size))
    arrays = {"cholesky": np.linalg.cholesky(correlation)}
    if dynamics.volatility == "history":
        arrays["volatility"] = size
    begins = math.ceil(min(config.run.step / dynamics.mean_block, 1.0) * 2**32)
    return arrays, Bootstrap(
        returns=standard, block=np.array([begins], np.uint64), decay=np.array([decay]), start=start
    )


def weighted(standard: np.ndarray, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Exponentially weighted volatility before every row, and after the last: [row, asset] and [asset].

    It begins at the root mean square of all rows, which is one.
    """
    variance, before = np.ones(standard.shape[1]), np.empty_like(standard)
    for row, squares in enumerate(standard**2):
        before[row] = variance
        variance = decay * variance + (1 - decay) * squares
    return np.sqrt(before), np.sqrt(variance)


def read(config: RunConfig, dynamics: Dynamics) -> np.ndarray:
    """Log returns of all assets: float64 [row, asset], the latest last."""
    columns = [asset.lower() for asset in config.assets]
    for place, (asset, column) in enumerate(zip(config.assets, columns, strict=True)):
        if column == "time" or column in columns[:place]:
            why = "`time` is when a row was" if column == "time" else "names of columns do not tell case"
            raise config.error(("assets", asset), "cannot be a column of a history", why, "Rename the asset.")
    found = table.read(config.input(dynamics.file), columns, ["time"])
    returns = np.stack([found.numbers(column) for column in columns], axis=1)
    for row, at in zip(*np.nonzero(np.abs(returns) > LARGEST_RETURN), strict=True):
        what = f"{found.columns[columns[at]][row]} is too large for a log return"
        why = f"at most {LARGEST_RETURN:g} either way"
        found.refuse(int(row), columns[at], what, why, "One percent is written 0.01.")
    found.settle()
    least = max(LEAST_ROWS, math.ceil(dynamics.mean_block / dynamics.interval))
    if not least <= len(found) <= MOST_ROWS:
        why = f"{LEAST_ROWS} rows and one block of mean length are needed, {least} in all"
        if len(found) > MOST_ROWS:
            why = f"at most {MOST_ROWS} can be drawn from"
        raise config.error(("dynamics", "file"), f"the history has {len(found)} rows", why)
    return returns
