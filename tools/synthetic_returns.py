"""A made-up history of returns, for the bootstrap's example: not market data.

    python tools/synthetic_returns.py > configs/returns/synthetic.csv

Log returns of two assets, BTC and ALT, minute by minute over two days. Their common volatility wanders
(log-normal, half-life six hours, 50%) around 45% and 90% a year, their correlation is 0.7, and now and then a
minute is four times as large as the others: clusters and tails, so that resampling has something to keep.
"""

from __future__ import annotations

import sys

import numpy as np

SEED = 20260101
N_ROW = 2 * 24 * 60
YEAR_MINUTES = 365 * 24 * 60
VOLATILITY = np.array([0.45, 0.90])
CORRELATION = 0.7
HALF_LIFE, SETTLED = 6 * 60, 0.5
"""Of the log volatility: minutes, and standard deviation."""

RARE, LARGER = 0.005, 4.0
"""Share of minutes that are larger than the others, and how much."""


def returns() -> np.ndarray:
    """Log returns [minute, asset]."""
    generator = np.random.default_rng(SEED)
    cholesky = np.linalg.cholesky(np.array([[1, CORRELATION], [CORRELATION, 1]]))
    standard = generator.standard_normal((N_ROW, 2)) @ cholesky.T
    standard *= np.where(generator.random(N_ROW) < RARE, LARGER, 1.0)[:, None]
    decay = 0.5 ** (1 / HALF_LIFE)
    innovations = SETTLED * np.sqrt(1 - decay**2) * generator.standard_normal(N_ROW)
    x, level = SETTLED * generator.standard_normal(), np.empty(N_ROW)
    for minute, innovation in enumerate(innovations):
        level[minute] = np.exp(x - SETTLED**2)
        x = decay * x + innovation
    return standard * level[:, None] * VOLATILITY / np.sqrt(YEAR_MINUTES)


def main() -> None:
    """Write the history as CSV."""
    print("# SYNTHETIC: made by tools/synthetic_returns.py, for illustration. Not market data.")
    print("# Log returns, minute by minute.")
    print("btc,alt")
    np.savetxt(sys.stdout, returns(), fmt="%.6f", delimiter=",")


if __name__ == "__main__":
    main()
