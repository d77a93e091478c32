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
        index = by_depth
        if venue.mark.index is not None:
            given = np.array([venue.mark.index.get(name, 0.0) for name in names])
            given = given * (depth > 0)
            # An index none of whose venues lists the asset falls back on all that do.
            index = normalised(np.where(given.sum(axis=1, keepdims=True) > 0, given, depth))
        own = np.where(depth[:, v] > 0, venue.mark.own, 0.0)
        weight[:, v] = (1 - own)[:, None] * index
        weight[:, v, v] += own
    return {"mark_weight": weight, "index_weight": by_depth}
