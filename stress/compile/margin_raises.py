"""Maintenance margins raised on the way: how much nearer every trigger comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.mechanisms.overlay import MarginRaise
from kernels.scenario import ScenarioShape
from stress.compile.books import markets
from stress.compile.maintenance import classes
from stress.config.check.overlays import HIGHEST_RATE

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.overlay import MarginOverlay


def parts(config: RunConfig, shape: ScenarioShape) -> dict[str, Any]:
    """The part of raised margins; none where nobody raises any."""
    raises = [overlay for overlay in config.overlays if overlay.kind == "margin"]
    if not raises:
        return {}
    starts = np.arange(shape.n_step) * config.run.step
    # A millionth of a step is rounding.
    inside = np.array([starts >= overlay.at - 1e-6 * config.run.step for overlay in raises])
    known, row = np.unique(inside, axis=1, return_inverse=True)
    # Row 0 is the start, with nothing raised, in force or not.
    levels = [nearer(config, shape, [])]
    for some in known.T:
        levels.append(nearer(config, shape, [r for r, on in zip(raises, some, strict=True) if on]))
    level, rate = (np.stack(x) for x in zip(*levels, strict=True))
    return {"margin_raise": MarginRaise((row.reshape(-1) + 1).astype(np.int32), level, rate)}


def nearer(
    config: RunConfig, shape: ScenarioShape, raises: list[MarginOverlay]
) -> tuple[np.ndarray, np.ndarray]:
    """What raises add, in their order: to distances, Eq. (5) of docs/methods/overlay.md, and to rates.

    Exact for a market with one maintenance class; for several the mean by their shares.
    returns: [asset, side, venue], [asset, venue]
    """
    found, more = np.zeros((shape.n_asset, 2, shape.n_venue)), np.zeros((shape.n_asset, shape.n_venue))
    for a, v, asset, venue, market in markets(config):
        touching = [
            r
            for r in raises
            if (r.assets is None or asset in r.assets) and (r.venues is None or venue in r.venues)
        ]
        for share, start, _ in classes(market, bool(config.venues[venue].liquidation.ladder)):
            rate = raised(start, touching)
            if rate != start:
                found[a, 0, v] += share * np.log((1 - start) / (1 - rate))
                found[a, 1, v] += share * np.log((1 + rate) / (1 + start))
        # Accounts have the mean of a market's classes, and no ladder.
        for share, start, _ in classes(market, False):
            more[a, v] += share * (raised(start, touching) - start)
    return found, more


def raised(rate: float, raises: list[MarginOverlay]) -> float:
    """A maintenance rate after raises, in their order."""
    for r in raises:
        rate = min(max(rate * r.factor + r.amount, 0.0), HIGHEST_RATE)
    return rate
