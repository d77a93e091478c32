"""Frozen flows: who sends orders by a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.mechanisms.flow import Flow
from kernels.outcome import CHANNELS
from kernels.scenario import ScenarioShape
from stress.compile.books import markets
from stress.compile.overlays import chosen, overlap

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.overlay import MarketMakerDefault


def parts(config: RunConfig, shape: ScenarioShape) -> dict[str, Any]:
    """The part of frozen flows; none where nobody sends any."""
    defaults = [o for o in config.overlays if o.kind == "market_maker_default" and any(o.inventory.values())]
    if not defaults:
        return {}
    schedule = np.sum([winding_up(config, shape, default) for default in defaults], axis=0)
    return {"flow": flow({"market_maker": schedule})}


def flow(schedules: dict[str, np.ndarray]) -> Flow:
    """The part of schedules by channel, net purchases [step, asset, venue], as few distinct rows."""
    orders = np.stack(list(schedules.values()), axis=1)
    n_step, shape = len(orders), orders.shape[1:]
    level, row = np.unique(orders.reshape(n_step, -1), axis=0, return_inverse=True)
    quiet = (level == 0).all(axis=1)
    place = np.where(quiet, 0, np.cumsum(~quiet))
    level = np.concatenate([np.zeros((1, level.shape[1])), level[~quiet]])
    channel = np.array([CHANNELS.index(name) for name in schedules], np.int32)
    return Flow(place[row.reshape(-1)].astype(np.int32), level.reshape(-1, *shape), channel)


def winding_up(config: RunConfig, shape: ScenarioShape, default: MarketMakerDefault) -> np.ndarray:
    """Net purchases that close a market maker's positions, Eq. (6) of docs/methods/overlay.md."""
    venues = chosen(shape.venues, default.venues)
    depth = np.zeros((shape.n_asset, shape.n_venue))
    for a, v, _, _, market in markets(config):
        depth[a, v] = market.depth * venues[v]
    total = depth.sum(axis=1, keepdims=True)
    held = np.array([default.inventory.get(asset, 0.0) for asset in shape.assets])[:, None]
    sales = held * depth / np.where(total > 0, total, 1.0)
    share = overlap(config, default.at, default.over) * config.run.step / default.over
    return -share[:, None, None] * sales
