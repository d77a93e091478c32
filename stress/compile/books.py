"""Order books of all markets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.scenario import ScenarioShape
from stress.units import YEAR_SECONDS

if TYPE_CHECKING:
    from stress.config import RunConfig


def markets(config: RunConfig):
    """(asset index, venue index, asset, venue, market) of every market."""
    for v, (venue_name, venue) in enumerate(config.venues.items()):
        for a, asset in enumerate(config.assets):
            if asset in venue.markets:
                yield a, v, asset, venue_name, venue.markets[asset]


def open_interest(config: RunConfig, shape: ScenarioShape) -> np.ndarray:
    """Open interest at the start, accounts included, one side: USD [asset, venue]."""
    found = np.zeros((shape.n_asset, shape.n_venue))
    for a, v, _, _, market in markets(config):
        found[a, v] = market.open_interest
    return found


def halving(step: float, half_life: float | None) -> float:
    """Factor of one step of decay with a half-life in seconds; None never decays."""
    return 1.0 if half_life is None else 2.0 ** (-step / half_life)


def arrays(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Order books of all markets; those that do not exist have depth zero and are never read."""
    size = (shape.n_asset, shape.n_venue)
    step, years = config.run.step, config.run.step / YEAR_SECONDS
    listed = np.zeros(size, bool)
    one = ("alpha", "refill", "withdrawal_decay", "depth_floor")
    found = {name: np.ones(size) for name in one}
    found |= {name: np.zeros(size) for name in ("depth", "withdrawal", "calm_memory")}
    found |= {name: np.full(size, np.inf) for name in ("band", "hard_end")}
    for a, v, asset, venue, market in markets(config):
        book = config.book(venue, asset)
        listed[a, v] = True
        decay = halving(step, book.withdrawal.half_life)
        values = {
            "depth": market.depth,
            "alpha": book.shape,
            "refill": halving(step, book.refill_half_life),
            "withdrawal": book.withdrawal.sensitivity**2,
            "withdrawal_decay": decay,
            "calm_memory": config.assets[asset].calm_volatility ** 2 * years / (1 - decay),
            "depth_floor": book.withdrawal.floor,
            "hard_end": np.inf if book.hard_end is None else 100 * book.hard_end,
            "band": 100 * book.band if book.shape > 1 and book.band is not None else np.inf,
        }
        for name, value in values.items():
            found[name][a, v] = value
    total = found["depth"].sum(axis=1)
    impact = config.books.permanent_impact * 0.01
    return found | {
        "listed": listed,
        "arbitrage": np.full(shape.n_asset, 1 - halving(step, config.books.arbitrage_half_life)),
        "permanent": np.where(total > 0, impact / np.where(total > 0, total, 1.0), 0.0),
    }
