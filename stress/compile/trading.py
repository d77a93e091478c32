"""Halts, outages and feeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.feed import Feed
from kernels.mechanisms.halt import Halt
from kernels.mechanisms.outage import Outage
from kernels.scenario import ScenarioShape
from stress.compile.books import halving
from stress.compile.marks import own_share, rules
from stress.compile.overlays import chosen, overlap
from stress.config.overlay import HaltOverlay, LaggingFeed, OracleError, OutageOverlay, StaleFeed

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.venue import Failures


Interruption = OracleError | StaleFeed | LaggingFeed | HaltOverlay | OutageOverlay


def in_force(config: RunConfig, overlay: Interruption) -> np.ndarray:
    """Steps of which at least half lies within an event: bool [step]."""
    return overlap(config, overlay.at, overlay.over) >= 0.5


def markets(shape: ScenarioShape, overlay: HaltOverlay | OracleError | StaleFeed | LaggingFeed) -> np.ndarray:
    """Markets that an event touches: bool [asset, venue]."""
    return chosen(shape.assets, overlay.assets)[:, None] & chosen(shape.venues, overlay.venues)


def rows(*levels: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Levels by step, as a row number by step and their few distinct rows."""
    flat = np.concatenate([x.reshape(len(x), -1) for x in levels], axis=1)
    _, first, row = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    return row.reshape(-1).astype(np.int32), [x[first] for x in levels]


def feed(config: RunConfig, shape: ScenarioShape) -> Feed | None:
    """Wrong, stale and late feeds; None where there are none."""
    events = [o for o in config.overlays if isinstance(o, OracleError | StaleFeed | LaggingFeed)]
    if not events:
        return None
    size = (shape.n_step, shape.n_asset, shape.n_venue)
    error, stale = np.zeros((size[0], 3, *size[1:])), np.zeros(size, np.int32)
    lag = np.zeros(size, np.int32)
    shares = candidate_shares(config)
    for event in events:
        at = in_force(config, event)[:, None, None] & markets(shape, event)
        if isinstance(event, StaleFeed):
            stale |= at
        elif isinstance(event, LaggingFeed):
            lag[at] = np.maximum(lag[at], round(event.lag / config.run.step))
        else:
            share = np.ones_like(shares) if event.of == "mark" else shares
            error += math.log1p(event.size) * share * at[:, None]
    row, (error, stale, lag) = rows(error, stale, lag)
    wrong = (error != 0).any(axis=(1, 2, 3)).astype(np.int32)
    return Feed(row=row, wrong=wrong, error=error, stale=stale, lag=lag)


def candidate_shares(config: RunConfig) -> np.ndarray:
    """Share of an index's error in each of the three candidates of a mark: [candidate, asset, venue].

    A second index with weights of its own is another feed, and right.
    """
    marks = [rules(config, asset) for asset in config.assets]
    first = np.array([[1 - own_share(mark) for mark in row] for row in marks])
    second = np.array([[float(mark.second_index is None) for mark in row] for row in marks])
    return np.stack([first, np.zeros_like(first), second])


def halt(config: RunConfig, shape: ScenarioShape) -> Halt | None:
    """Scheduled closures and circuit breakers; None where there are neither."""
    events = [overlay for overlay in config.overlays if isinstance(overlay, HaltOverlay)]
    venues = list(config.places.values())
    if not events and not any(venue.breakers for venue in venues):
        return None
    closed = np.zeros((shape.n_step, shape.n_asset, shape.n_venue), np.int32)
    for event in events:
        closed |= in_force(config, event)[:, None, None] & markets(shape, event)
    n_level = max((len(v.breakers.levels) for v in venues if v.breakers), default=1)
    fall = np.full((n_level, shape.n_asset, shape.n_venue), np.inf)
    rise, steps, decay = fall.copy(), np.zeros(fall.shape, np.int32), np.ones(fall.shape[1:])
    for v, venue in enumerate(venues):
        if venue.breakers is None:
            continue
        decay[:, v] = halving(config.run.step, venue.breakers.reference_half_life)
        for i, level in enumerate(venue.breakers.levels):
            listed = np.array([asset in venue.markets for asset in shape.assets])
            fall[i, listed, v] = -math.log1p(-level.move)
            rise[i, listed, v] = math.log1p(level.move) if venue.breakers.rises else np.inf
            steps[i, :, v] = math.ceil(level.halt / config.run.step - 1e-9)
    row, (closed,) = rows(closed)
    return Halt(row=row, closed=closed, fall=fall, rise=rise, steps=steps, decay=decay)


def outage(config: RunConfig, shape: ScenarioShape) -> Outage | None:
    """Scheduled outages and the hazard of others; None where there are neither."""
    events = [overlay for overlay in config.overlays if isinstance(overlay, OutageOverlay)]
    venues = list(config.places.values())
    if not events and not any(venue.failures for venue in venues):
        return None
    down = np.zeros((shape.n_step, shape.n_venue), np.int32)
    throughput, depth = np.ones(down.shape), np.ones(down.shape)
    for event in events:
        at = in_force(config, event)[:, None] & chosen(shape.venues, event.venues)
        down |= at
        throughput *= np.where(at, event.throughput, 1.0)
        depth *= np.where(at, event.depth, 1.0)
    row, (down, throughput, depth) = rows(down, throughput, depth)

    def each(value: Callable[[Failures], float], otherwise: float) -> np.ndarray:
        """Of every venue; `otherwise` where none happen by chance."""
        return np.array([value(v.failures) if v.failures else otherwise for v in venues], float)

    step = config.run.step
    return Outage(
        row=row, down=down, throughput=throughput, depth=depth,
        hazard=each(lambda x: x.rate * step / x.capacity, 0.0),
        decay=each(lambda x: halving(step, x.half_life), 0.0),
        recovery=each(lambda x: min(step / x.lasts, 1.0), 1.0),
        failed_throughput=each(lambda x: x.throughput, 1.0),
        failed_depth=each(lambda x: x.depth, 1.0),
    )  # fmt: skip
