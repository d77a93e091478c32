"""Overlays of drawn size: what each does at a factor of one, and how its factor is distributed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.exogenous.step_numpy import mixing_edges
from kernels.mechanisms.overlay import MAX_EVENT, Event
from kernels.scenario import ScenarioShape
from stress.compile.overlays import MOST_VOLATILITY, chosen, overlap, shock_betas, there_and_back
from stress.config.check.overlays import LARGEST_MOVE, LEAST_DEPTH
from stress.config.overlay import Drawable

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.drawn import Drawn


def part(config: RunConfig, shape: ScenarioShape) -> Event | None:
    """The part of events of drawn size; None where every size is fixed."""
    events = [(i, o) for i, o in enumerate(config.overlays) if isinstance(o, Drawable) and o.drawn]
    if not events:
        return None
    if len(events) > MAX_EVENT:
        why = f"at most {MAX_EVENT} events can be of drawn size"
        raise config.error(("overlays", events[MAX_EVENT][0], "drawn"), "is one too many", why)
    n, a, v = shape.n_step, shape.n_asset, shape.n_venue
    arrays = {
        "quantile": np.zeros((len(events), 2, len(mixing_edges()))),
        "share": np.zeros((len(events), n)), "shock": np.zeros((len(events), n, a)),
        "volatility": np.zeros((len(events), a)), "depth": np.zeros((len(events), a, v)),
        "rate": np.zeros((len(events), a, v)),
    }  # fmt: skip
    for e, (place, event) in enumerate(events):
        assert event.drawn is not None
        arrays["quantile"][e] = quantiles(event.drawn)
        fill(config, shape, event, {name: array[e] for name, array in arrays.items()})
        possible(config, place, {name: array[e] for name, array in arrays.items()})
    return Event(**arrays)


def fill(config: RunConfig, shape: ScenarioShape, event: Drawable, row: dict[str, np.ndarray]) -> None:
    """Write what an event does at a factor of one."""
    if event.kind == "depeg":
        row["shock"][:, shape.assets.index(event.asset)] = there_and_back(config, event)
        return
    if event.kind == "price_shock":
        row["shock"][:] = there_and_back(config, event)[:, None] * shock_betas(config, event)
        return
    share = overlap(config, event.at, event.over)
    row["share"][:] = share
    assets = chosen(shape.assets, event.assets)
    if event.kind == "volatility":
        row["volatility"][:] = assets * math.log(event.multiplier)
        return
    markets = assets[:, None] & chosen(shape.venues, event.venues)
    if event.kind == "depth":
        row["depth"][:] = markets * math.log(event.multiplier)
    else:
        row["rate"][:] = markets * event.rate


def quantiles(drawn: Drawn) -> np.ndarray:
    """Factors at tail probabilities, Eq. (7) of docs/methods/overlay.md: [half, mixing_edge]."""
    from scipy.special import ndtri

    tail = mixing_edges()
    if drawn.kind == "normal" or drawn.kind == "lognormal":
        z = np.stack([ndtri(tail), -ndtri(tail)])
        if drawn.kind == "normal":
            found = drawn.mean + drawn.deviation * z
        else:
            found = drawn.median * np.exp(drawn.deviation * z)
        low = -np.inf if drawn.least is None else drawn.least
        return np.clip(found, low, np.inf if drawn.most is None else drawn.most)
    width = drawn.most - drawn.least
    if drawn.kind == "uniform":
        return np.stack([drawn.least + width * tail, drawn.most - width * tail])
    below, above = drawn.likeliest - drawn.least, drawn.most - drawn.likeliest
    chance = np.stack([tail, 1 - tail])
    rising, falling = np.sqrt(chance * width * below), np.sqrt((1 - chance) * width * above)
    return np.where(chance * width <= below, drawn.least + rising, drawn.most - falling)


def possible(config: RunConfig, place: int, row: dict[str, np.ndarray]) -> None:
    """Raise where the largest factor that can be drawn makes an event that cannot be computed."""
    least, most = row["quantile"].min(), row["quantile"].max()
    path, reach = ("overlays", place, "drawn"), f"factors from {least:.3g} to {most:.3g} are drawn"
    move = np.abs(np.cumsum(row["shock"], axis=0)).max() * max(abs(least), abs(most))
    if move > LARGEST_MOVE:
        problem = f"may move a log price by {move:.3g}"
        why = f"{reach}, and at most {LARGEST_MOVE:g} can be computed"
        raise config.error(path, problem, why, "Add `least` or `most`, or draw less widely.")
    depth = math.exp(min(x * y for x in (least, most) for y in (row["depth"].min(), row["depth"].max())))
    if depth < LEAST_DEPTH:
        problem, why = f"may multiply a depth by {depth:.3g}", f"{reach}; it must be at least {LEAST_DEPTH:g}"
        raise config.error(path, problem, why, "Add `least` or `most`, or draw less widely.")
    names = list(config.assets.values())
    levels = [max(x * most, x * least) for x in row["volatility"]]
    highest = max(asset.volatility * math.exp(min(x, 50)) for asset, x in zip(names, levels, strict=True))
    if any(levels) and highest > MOST_VOLATILITY:
        problem, why = (
            f"may make a volatility of {highest:.3g} a year",
            f"{reach}; at most {MOST_VOLATILITY:g} can be",
        )
        raise config.error(path, problem, why, "Add `least` or `most`, or draw less widely.")
