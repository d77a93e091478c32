"""How a run goes through time: its first paths computed again, and bands of what stood after every step.

A path does not depend on what runs beside it, so these are paths of the run itself, bit for bit; the engine
`cpu` computes those of `cuda` again. They are traced in blocks, of which only what the bands need is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kernels import engines
from kernels.batch import EngineError
from kernels.outcome import FAILED
from kernels.parts.trace import Layout
from stress.jobs import Job

RETRACED_BY = {"cuda": "cpu", "cpu": "cpu", "numpy": "numpy"}
"""Engines that compute the paths of another one again."""

BUDGET = {"cpu": 1_500_000, "numpy": 60_000}
"""Steps of assets in all paths together: about two seconds."""

FEWEST, MOST = 20, 1000
MOST_POINTS = 240
"""Of a band: of longer runs, every so many steps are kept."""

BLOCK, BLOCK_BYTES = 32, 128e6
"""Paths that are traced at once, and what their traces may take."""

PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the bands: one path of twenty is below the lowest, one above the highest."""


@dataclass(frozen=True)
class Fans:
    """Bands over paths, each [asset?, probability, step] of `PROBABILITIES`; the first step is the start.

    n_path      : how many paths they are of
    minutes     : since the start [step]
    index       : log index, relative to the start
    exogenous   : log price without forced flow
    depth       : of all venues together, as a share of the start's
    forced      : forced notional of a minute, USD, all venues and assets
    forced_so_far: the same, summed from the start
    fund        : median of what a venue's fund holds, as a share of the start's [venue, step]; NaN: no fund
    """

    n_path: int
    minutes: np.ndarray
    index: np.ndarray
    exogenous: np.ndarray
    depth: np.ndarray
    forced: np.ndarray
    forced_so_far: np.ndarray
    fund: np.ndarray


def missing(job: Job) -> str | None:
    """Why the paths of a run cannot be computed again here, in a sentence; None if they can."""
    engine = RETRACED_BY.get(job.backend)
    if engine is None:
        return f"the engine {job.backend} keeps no traces of paths"
    return engines.missing(engine)


def n_paths(job: Job) -> int:
    """How many paths to compute again: the same for the same run, on any machine."""
    shape = job.scenario.shape
    each = shape.n_step * shape.n_asset
    wanted = BUDGET[RETRACED_BY[job.backend]] // each
    wanted = wanted // 100 * 100 if wanted >= 100 else wanted
    return min(max(wanted, FEWEST), MOST, job.config.run.paths)


def fans(job: Job, n_thread: int = 0) -> Fans:
    """Bands of the first paths of a run.

    raises: `kernels.batch.EngineError` if the engine keeps no traces, or none of the paths is sound
    """
    n_path = n_paths(job)
    kept = [np.concatenate(parts) for parts in zip(*_blocks(job, n_path, n_thread), strict=True)]
    index, exogenous, depth, forced, fund = kept
    if not len(index):
        raise EngineError("all of the first paths failed")
    minutes = kept_steps(job.scenario.shape.n_step) * job.scenario.shape.dt_seconds / 60.0
    pace = np.diff(forced, axis=1, prepend=0.0)
    pace[:, 1:] = np.maximum(pace[:, 1:], 0.0) / np.diff(minutes)
    with np.errstate(invalid="ignore", divide="ignore"):
        held = np.where(fund[:, :1] > 0, fund / fund[:, :1], np.nan)
    return Fans(
        len(index),
        minutes,
        _bands(index),
        _bands(exogenous),
        _bands(depth),
        _bands(pace),
        _bands(forced),
        np.median(held, axis=0).T,
    )


def kept_steps(n_step: int) -> np.ndarray:
    """Steps after which the bands stand: the start, 0, and the end among them."""
    every = -(-n_step // MOST_POINTS)
    return np.unique(np.append(np.arange(0, n_step + 1, every), n_step))


def _bands(values: np.ndarray) -> np.ndarray:
    """Quantiles over paths of values [path, step, asset?]: [asset?, probability, step]."""
    found = np.quantile(values, PROBABILITIES, axis=0, method="inverted_cdf")
    return np.moveaxis(found, -1, 0) if found.ndim == 3 else found


def _blocks(job: Job, n_path: int, n_thread: int) -> Iterator[tuple[np.ndarray, ...]]:
    """What the bands need of a block of paths, the start before the first step.

    yields: index, exogenous price and depth [path, step, asset], forced notional [path, step], funds
            [path, step, venue]
    """
    scenario, seed = job.scenario, job.config.run.seed
    engine = engines.Engine(RETRACED_BY[job.backend], scenario)
    arrays = scenario.arrays
    steps = kept_steps(scenario.shape.n_step)
    start_depth = np.where(arrays.listed, arrays.depth, 0.0).sum(axis=1)
    each = 8 * scenario.shape.n_step * Layout(scenario.shape).n_cell
    block = max(1, min(BLOCK, int(BLOCK_BYTES // each)))
    for first in range(0, n_path, block):
        batch, trace = engine.trace_paths(seed, first, min(block, n_path - first), n_thread)
        sound = (batch.status & FAILED) == 0
        trace = {name: values[sound] for name, values in trace.items()}
        index = (trace["price"].astype(np.float64) * arrays.index_weight).sum(axis=-1)
        depth = np.where(arrays.listed, trace["depth"], 0.0).sum(axis=-1, dtype=np.float64)
        depth = depth / np.where(start_depth > 0, start_depth, 1.0)
        forced = trace["forced"].sum(axis=(2, 3, 4), dtype=np.float64)
        fund = trace["fund"].sum(axis=2, dtype=np.float64)
        fund = np.concatenate([fund, fund[:, -1:]], axis=1)  # a trace has funds when a step begins
        from_start = [
            _from(values, start)[:, steps]
            for values, start in (
                (index, 0.0), (trace["exogenous"].astype(np.float64), 0.0), (depth, 1.0), (forced, 0.0)
            )
        ]  # fmt: skip
        yield (*from_start, fund[:, steps])


def _from(values: np.ndarray, start: float) -> np.ndarray:
    """The same with the start before the first step."""
    head = np.full((values.shape[0], 1, *values.shape[2:]), start)
    return np.concatenate([head, values], axis=1)
