"""Mark prices and the market-wide index."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.mark import Marking
from stress.compile.books import halving, markets

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.market import Mark


def normalised(weights: np.ndarray) -> np.ndarray:
    """Weights that sum to one along the last axis, or zeros."""
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def depths(config: RunConfig) -> np.ndarray:
    """Depth of every market at rest: [asset, venue], zero where it is not listed."""
    depth = np.zeros((len(config.assets), len(config.places)))
    for a, v, _, _, market in markets(config):
        depth[a, v] = market.depth
    return depth


def index_of(config: RunConfig, given: dict[str, float] | None) -> np.ndarray:
    """Weights of the sources of an index: [asset, source]."""
    depth = depths(config)
    if given is None:
        return normalised(depth)
    weights = np.array([given.get(name, 0.0) for name in config.places]) * (depth > 0)
    # An index none of whose venues lists the asset falls back on all that do.
    return normalised(np.where(weights.sum(axis=1, keepdims=True) > 0, weights, depth))


def own_share(mark: Mark) -> float:
    """Weight of the own last price in the first candidate."""
    if mark.kind == "median":
        return 0.0
    return 1.0 if mark.own is None else mark.own


def rules(config: RunConfig, asset: str) -> list[Mark]:
    """How every venue marks an asset."""
    found = ((venue.markets.get(asset), venue.mark) for venue in config.places.values())
    return [(market and market.mark) or mark for market, mark in found]


def arrays(config: RunConfig) -> dict[str, np.ndarray]:
    """Weights of every venue's mark price and of the market-wide index."""
    depth, n_venue = depths(config), len(config.places)
    weight = np.zeros((len(depth), n_venue, n_venue))
    for a, asset in enumerate(config.assets):
        for v, mark in enumerate(rules(config, asset)):
            own = own_share(mark) if depth[a, v] > 0 else 0.0
            weight[a, v] = (1 - own) * index_of(config, mark.index)[a]
            weight[a, v, v] += own
    return {"mark_weight": weight, "index_weight": normalised(depth)}


def part(config: RunConfig) -> Marking | None:
    """Rules of marks that are more than weighted means, where some venue has them or needs them."""
    marks = [rules(config, asset) for asset in config.assets]
    if not any(m.kind == "median" or m.exclude_beyond is not None for row in marks for m in row):
        return None
    listed = depths(config) > 0

    def each(value) -> np.ndarray:
        """Of every market: [asset, venue]."""
        return np.array([[value(mark) for mark in row] for row in marks])

    def sources(given) -> np.ndarray:
        """Weights of an index of every market: [asset, source, venue]."""
        rows = [[index_of(config, given(mark))[a] for mark in row] for a, row in enumerate(marks)]
        return np.swapaxes(np.array(rows), 1, 2)

    def decay(mark: Mark) -> float:
        return 0.0 if mark.basis_half_life is None else halving(config.run.step, mark.basis_half_life)

    return Marking(
        own=np.where(listed, each(own_share), 0.0),
        index=sources(lambda mark: mark.index),
        second=sources(lambda mark: mark.index if mark.second_index is None else mark.second_index),
        median=(listed & each(lambda mark: mark.kind == "median")).astype(np.int32),
        decay=each(decay),
        tolerance=each(lambda m: np.inf if m.exclude_beyond is None else math.log1p(m.exclude_beyond)),
        drops=each(lambda mark: int(mark.exclude_halted)).astype(np.int32),
    )
