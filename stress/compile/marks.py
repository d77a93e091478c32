"""Mark prices and the market-wide index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stress.compile.books import markets

if TYPE_CHECKING:
    from stress.config import RunConfig


def normalised(weights: np.ndarray) -> np.ndarray:
    """Weights that sum to one along the last axis, or zeros."""
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def arrays(config: RunConfig) -> dict[str, np.ndarray]:
    """Weights of every venue's mark price and of the market-wide index."""
    names = list(config.venues)
    depth = np.zeros((len(config.assets), len(names)))
    for a, v, _, _, market in markets(config):
        depth[a, v] = market.depth
    by_depth = normalised(depth)
    weight = np.zeros((len(config.assets), len(names), len(names)))
    for v, venue in enumerate(config.venues.values()):
        for a, asset in enumerate(config.assets):
            market = venue.markets.get(asset)
            mark = (market and market.mark) or venue.mark
            index = by_depth[a]
            if mark.index is not None:
                given = np.array([mark.index.get(name, 0.0) for name in names]) * (depth[a] > 0)
                # An index none of whose venues lists the asset falls back on all that do.
                index = normalised(given if given.sum() > 0 else depth[a])
            own = mark.own if market else 0.0
            weight[a, v] = (1 - own) * index
            weight[a, v, v] += own
    return {"mark_weight": weight, "index_weight": by_depth}
