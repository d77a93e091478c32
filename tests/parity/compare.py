"""How far two engines are apart, path by path, and whether that can be explained."""

import numpy as np

from kernels.outcome import FIELDS

TOLERANCE = 1e-4
"""Of gross quantities: float32 against float64 through hundreds of steps and rounds."""

SHARE = 0.999
"""Paths within the tolerance, at least."""

STEEP = 0.95
"""Branching ratio beyond which a step may have two ends, and one last bit decides between them."""

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)

EXACT = ("exhaustion_time", "venues_exhausted")

ROUGH = {"branching_ratio": 1e-2}
"""Bounds of their own, with a reason: the first round's flow over a step's flow is a ratio of two small
differences of cumulative notionals, and steps count from a threshold on, which a last bit can decide."""


def gross(scenario, outcome):
    """Scale of a path's dollars: what was forced, and what its books hold at rest within 1%: [path]."""
    return outcome.liquidated[:, -1, -1, -1] + outcome.backlog[:, -1] + scenario.arrays.depth.sum()


def gaps(scenario, one, other):
    """Largest difference of each field as a share of its gross quantity: {name: [path]}."""
    found = {}
    dollars = np.maximum(gross(scenario, one), gross(scenario, other))
    for field in FIELDS:
        a, b = (getattr(o, field.name).reshape(len(dollars), -1) for o in (one, other))
        scale = dollars
        if field.unit != "USD":
            # Falls and ratios are measured against the price itself: 1e-4 is one basis point.
            scale = np.maximum(np.abs(a).max(axis=1), 0.0 if field.name in EXACT else 1.0)
            scale = scale * ROUGH.get(field.name, TOLERANCE) / TOLERANCE
        gap = np.abs(a - b).max(axis=1)
        found[field.name] = np.where(gap > 0, gap / np.where(scale > 0, scale, 1.0), 0.0)
    return found


def steep(one, other):
    """Paths with a step so close to its tipping point that rounding decides: bool [path]."""
    return np.maximum(one.branching_ratio[:, -1], other.branching_ratio[:, -1]) > STEEP


def assert_same_distribution(scenario, one, other):
    """Quantiles of losses, liquidations and falls agree."""
    for name in ("loss", "liquidated", "fall", "index_fall"):
        a, b = (getattr(o, name).reshape(len(o.status), -1) for o in (one, other))
        low, high = (np.quantile(x, QUANTILES, axis=0) for x in (a, b))
        scale = np.maximum(
            np.abs(low), scenario.arrays.depth.sum() if name in ("loss", "liquidated") else 0.01
        )
        assert np.all(np.abs(low - high) <= 1e-3 * scale), name
