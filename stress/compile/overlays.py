"""Overlays: what is in force in each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.scenario import ScenarioShape
from stress import units
from stress.config.check.overlays import LARGEST_MOVE, LEAST_DEPTH
from stress.config.factor import extended
from stress.config.overlay import (
    CorrelationOverlay,
    FlowOverlay,
    FundingOverlay,
    HaltOverlay,
    LaggingFeed,
    MarginOverlay,
    OracleError,
    OutageOverlay,
    StaleFeed,
)

MOST_VOLATILITY = 100.0
"""In a year, with all factors on it: as much as an asset's own may be."""

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.overlay import MarketMakerDefault, Passing, PriceShock


ELSEWHERE = (CorrelationOverlay, FundingOverlay, MarginOverlay, FlowOverlay)
INTERRUPTIONS = (HaltOverlay, LaggingFeed, OracleError, OutageOverlay, StaleFeed)


def overlap(config: RunConfig, at: float, over: float) -> np.ndarray:
    """Share of every step that lies within [at, at + over): float64 [step]."""
    starts = np.arange(config.run.n_step) * config.run.step
    inside = np.minimum(starts + config.run.step, at + over) - np.maximum(starts, at)
    return np.maximum(inside, 0.0) / config.run.step


def arrays(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Shocks by step; volatility and depth levels as few distinct rows with a row number by step."""
    shock = np.zeros((shape.n_step, shape.n_asset))
    volatility = np.ones((shape.n_step, shape.n_asset))
    depth = np.ones((shape.n_step, shape.n_asset, shape.n_venue))
    for overlay in config.overlays:
        if isinstance(overlay, ELSEWHERE):
            continue  # have parts of their own: modules processes, funding, margin_raises and flows
        if isinstance(overlay, INTERRUPTIONS) or getattr(overlay, "drawn", None) is not None:
            continue  # have parts of their own as well: modules trading and events
        if overlay.kind == "market_maker_default":
            depth *= gone(config, shape, overlay)
            continue
        share = overlap(config, overlay.at, overlay.over)
        if overlay.kind == "price_shock":
            beta = shock_betas(config, overlay)
            shock += there_and_back(config, overlay)[:, None] * beta
            continue
        if overlay.kind == "depeg":
            shock[:, shape.assets.index(overlay.asset)] += there_and_back(config, overlay)
            continue
        factor = 1 + share * (overlay.multiplier - 1)
        assets = chosen(shape.assets, overlay.assets)
        if overlay.kind == "volatility":
            volatility *= np.where(assets, factor[:, None], 1.0)
        else:
            markets = assets[:, None] & chosen(shape.venues, overlay.venues)
            depth *= np.where(markets, factor[:, None, None], 1.0)
    computable(config, shock, depth)
    calm_enough(config, volatility.max(axis=0))
    volatility_level, volatility_row = np.unique(volatility, axis=0, return_inverse=True)
    depth_level, depth_row = np.unique(depth.reshape(shape.n_step, -1), axis=0, return_inverse=True)
    return {
        "shock": shock,
        "volatility_level": volatility_level,
        "volatility_row": volatility_row.reshape(-1).astype(np.int32),
        "depth_level": depth_level.reshape(-1, shape.n_asset, shape.n_venue),
        "depth_row": depth_row.reshape(-1).astype(np.int32),
    }


def there_and_back(config: RunConfig, overlay: Passing) -> np.ndarray:
    """Log return in every step of what has a beta of one: there, and as far as it is taken back [step]."""
    there = overlap(config, overlay.at, overlay.over) / overlay.over
    if overlay.recovery is not None:
        back = overlap(config, overlay.at + overlay.over + overlay.stays, overlay.recovery)
        there = there - overlay.recovered * back / overlay.recovery
    return there * config.run.step * math.log1p(overlay.size)


def gone(config: RunConfig, shape: ScenarioShape, default: MarketMakerDefault) -> np.ndarray:
    """Depth multiplier once a market maker has gone: float64 [step, asset, venue]."""
    share = overlap(config, default.at, config.run.horizon - default.at)[:, None, None] * default.share
    markets = chosen(shape.assets, default.assets)[:, None] & chosen(shape.venues, default.venues)
    return np.where(markets, 1 - share, 1.0)


def computable(config: RunConfig, shock: np.ndarray, depth: np.ndarray) -> None:
    """Raise where events, each of which is possible, together leave no price or no book to compute."""
    rounding = 1e-9
    if depth.min() < LEAST_DEPTH * (1 - rounding):
        problem = f"together multiply a depth by {depth.min():.3g}"
        why = f"a book this thin cannot be computed; it must be at least {LEAST_DEPTH:g}"
        raise config.error(("overlays",), problem, why)
    move = float(np.abs(np.cumsum(shock, axis=0)).max())
    if move > LARGEST_MOVE * (1 + rounding):
        problem = f"together move a log price by {move:.3g}"
        raise config.error(("overlays",), problem, f"at most {LARGEST_MOVE:g} can be computed")


def calm_enough(config: RunConfig, factor: np.ndarray) -> None:
    """Raise where factors, each of which is possible, together make a volatility that is not.

    factor: largest factor of the overlays on the volatility of every asset [asset]
    """
    dynamics = config.dynamics
    for (name, asset), most in zip(config.assets.items(), factor, strict=True):
        level = asset.volatility
        if dynamics.kind == "stochastic_vol":
            level *= dynamics.start or 1.0
        if dynamics.kind == "regime_switching":
            found = dynamics.regimes.values()
            level = max(regime.volatilities.get(name, level * regime.volatility) for regime in found)
        if level * most > MOST_VOLATILITY * (1 + 1e-9):
            path = ("overlays",) if most > 1 else ("dynamics",)
            why = f"at most {units.SHARE.format(MOST_VOLATILITY)} can be computed"
            raise config.error(
                path, f"the volatility of {name} becomes {units.SHARE.format(round(level * most, 4))}", why
            )


def chosen(names: tuple[str, ...], some: tuple[str, ...] | None) -> np.ndarray:
    """Which of `names` are among `some`; all of them where none are named: bool."""
    return np.array([some is None or name in some for name in names])


def shock_betas(config: RunConfig, shock: PriceShock) -> np.ndarray:
    """Log return of every asset per log return imposed, Eq. (11) of docs/methods/exogenous.md: [asset]."""
    assets, default = tuple(config.assets), np.ones(len(config.assets))
    if shock.factor is not None:
        factor, at = config.factors[shock.factor], len(assets) + list(config.factors).index(shock.factor)
        correlation = extended(config.correlation_matrix(), assets, config.factors)[at, : len(assets)]
        volatility = np.array([asset.volatility for asset in config.assets.values()])
        default = correlation * volatility / factor.volatility
        default = np.array([factor.betas.get(a, beta) for a, beta in zip(assets, default, strict=True)])
    return np.array([shock.betas.get(a, beta) for a, beta in zip(assets, default, strict=True)])
