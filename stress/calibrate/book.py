"""Shape and depth of an order book, from what stands within bands around the market.

docs/methods/calibration.md, Eqs. (25) to (27).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from stress.calibrate.intervals import LINEAR, LOG, Estimate, quantile, within
from stress.calibrate.rows import read
from stress.errors import ConfigError, Problem

FEWEST_SNAPSHOTS = 200
N_BLOCK = 10
"""Depth remembers for long: few blocks, so that they are longer than that."""

SIDES = ("bid", "ask")
LEAST_DENSITY = 0.05
"""Of a thinning book at its last band, over that at rest; docs/methods/book.md."""


@dataclass(frozen=True)
class Snapshots:
    """What stood within each band, cumulated from the market outwards."""

    file: str
    sha256: str
    times: np.ndarray
    """Milliseconds since 1970, [snapshot]."""
    bands: np.ndarray
    """Percent, rising, above 0: [band]."""
    notional: np.ndarray
    """USD, [snapshot, side, band]; bids first."""


@dataclass(frozen=True)
class Book:
    """Parameters of an order book."""

    shape: Estimate
    depth: Estimate
    """USD within 1%, mean of the two sides: as observed where there is such a band, else as fitted."""
    by_side: dict[str, Estimate]
    fitted: Estimate
    """Depth of the book that fits all bands best."""
    misfit: float
    """Largest difference between the bands and the fitted book, relative."""
    block: int
    """Snapshots in a block of the bootstrap."""


def load(
    path: str | os.PathLike[str], where: Sequence[tuple[str, str]] = (), since: int | None = None,
    until: int | None = None,
) -> Snapshots:  # fmt: skip
    """Read a table of time, percentage (below 0: bids), notional; a row for every band.

    raises: ConfigError at file:line, BackendError without pyarrow
    """
    rows = read(path)
    for column, value in where:
        rows = rows.where(column, value)
    stamps, percents = rows.needed("time", "timestamp"), rows.needed("percentage", "percent", "band")
    times, percent = rows.times(stamps), rows.numbers(percents)
    notional = rows.numbers(rows.needed("notional", "depth_usd"), above=0)
    rows.settle()
    for row in np.flatnonzero(percent == 0):
        rows.refuse(row, percents, "is 0", "a band has a width; below 0 are bids")
    for row in np.flatnonzero(np.diff(times) < 0):
        rows.refuse(
            row + 1, stamps, "goes back in time", "rows must be in the order of time", "Sort the file."
        )
    rows.settle()
    kept = np.ones(len(rows), bool)
    if since is not None:
        kept &= times >= since
    if until is not None:
        kept &= times <= until
    bands = np.unique(np.abs(percent[kept]))
    moments, row_of = np.unique(times[kept], return_inverse=True)
    cells = np.full((len(moments), 2, len(bands)), np.nan)
    seen: dict[tuple[int, int, int], int] = {}
    for row, moment in zip(np.flatnonzero(kept), row_of, strict=True):
        key = int(moment), int(percent[row] > 0), int(np.searchsorted(bands, abs(percent[row])))
        if key in seen:
            what = f"has this time and band twice, also in row {rows.lines[seen[key]]}"
            rows.refuse(row, percents, what, "each counts once")
        seen[key] = int(row)
        cells[key] = notional[row]
    gaps = ~np.isfinite(cells)
    for moment in np.flatnonzero(gaps.any(axis=(1, 2))):
        side, band = (int(i[0]) for i in np.nonzero(gaps[moment]))
        first = int(np.flatnonzero(times == moments[moment])[0])
        what = f"this time has no row for {'-+'[side]}{bands[band]:g}"
        rows.refuse(first, percents, what, "all times need the same bands on both sides")
    falls = np.diff(cells, axis=2) < 0
    for moment, side, band in np.argwhere(falls):
        row = seen[int(moment), int(side), int(band) + 1]
        what = f"less stands within {bands[band + 1]:g}% than within {bands[band]:g}%"
        rows.refuse(
            row, "", what, "bands hold all from the market outwards", "Leave out bad rows by --where."
        )
    rows.settle()
    problem = None
    if len(bands) < 2:
        problem = "there is one band", "a shape needs two at least"
    elif len(moments) < FEWEST_SNAPSHOTS:
        problem = f"there are {len(moments)} times", f"at least {FEWEST_SNAPSHOTS} are needed"
    if problem:
        raise ConfigError.of([Problem(rows.place(len(rows) - 1), "", *problem)])
    return Snapshots(rows.file, rows.sha256, moments, bands, cells)


def consumption(shape: float | np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Eq. (1) of docs/methods/book.md: depths within each band."""
    return shape * bands + (1 - shape) * bands**2


def thinnest(bands: np.ndarray) -> float:
    """Largest shape whose density at the last band is not below `LEAST_DENSITY` of that at rest."""
    last = bands[-1]
    return 2 * last / (LEAST_DENSITY + 2 * last - 1) if 2 * last > 1 - LEAST_DENSITY else math.inf


def fit(typical: np.ndarray, bands: np.ndarray) -> tuple[float, np.ndarray]:
    """Eq. (26): shape, and depth by side, closest to the typical notional [side, band] in logarithms."""
    logs = np.log(typical)

    def rest(shape: float) -> np.ndarray:
        gap = logs - np.log(consumption(shape, bands))
        return gap - gap.mean(axis=1, keepdims=True)

    top = min(thinnest(bands), 2.0)
    found = optimize.minimize_scalar(
        lambda shape: float((rest(shape) ** 2).sum()), bounds=(1e-3, top - 1e-6), method="bounded",
        options={"xatol": 1e-7},
    )  # fmt: skip
    depth = np.exp((logs - np.log(consumption(found.x, bands))).mean(axis=1))
    return float(found.x), depth


def figures(notional: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Shape, logarithms of depth: fitted, observed, by side; [5]."""
    typical = np.median(notional, axis=0)
    shape, fitted = fit(typical, bands)
    sides = typical[:, np.flatnonzero(bands == 1)[0]] if (bands == 1).any() else fitted
    return np.array([shape, *np.log([fitted.mean(), sides.mean(), *sides])])


def book(found: Snapshots, replicates: int = 400, seed: int = 1, say: Callable[[str], None] = print) -> Book:
    """Fit to the medians over time; standard errors from a block bootstrap of the snapshots."""
    n, bands = len(found.times), found.bands
    values = figures(found.notional, bands)
    block = -(-n // N_BLOCK)
    rng, drawn = np.random.default_rng(seed), np.empty((replicates, len(values)))
    for i in range(replicates):
        if i % 100 == 0:
            say(f"book, replicate {i} of {replicates}")
        starts = rng.integers(0, n, N_BLOCK)
        rows = (starts[:, None] + np.arange(block)).reshape(-1)[:n] % n
        drawn[i] = figures(found.notional[rows], bands)
    # A bootstrap of N blocks has the variance of a sample of N, which falls short by one.
    error = drawn.std(axis=0, ddof=1) * math.sqrt(N_BLOCK / (N_BLOCK - 1))
    shape, levels = float(values[0]), np.exp(values[1:])
    depths = [
        within(float(level), float(level * e), quantile(N_BLOCK), LOG)
        for level, e in zip(levels, error[1:], strict=True)
    ]
    typical = np.median(found.notional, axis=0)
    whole = fit(typical, bands)[1][:, None] * consumption(shape, bands)
    return Book(
        shape=within(shape, float(error[0]), quantile(N_BLOCK), LINEAR),
        fitted=depths[0],
        depth=depths[1],
        by_side=dict(zip(SIDES, depths[2:], strict=True)),
        misfit=float(np.abs(typical / whole - 1).max()),
        block=block,
    )
