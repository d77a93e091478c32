"""Funding: rules by venue, the index that premiums are over, spikes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.mechanisms.funding import Funding
from kernels.scenario import ScenarioShape
from stress.compile.books import markets
from stress.compile.maintenance import classes
from stress.compile.marks import index_of, rules
from stress.compile.overlays import chosen, overlap

if TYPE_CHECKING:
    from stress.config import RunConfig

INTERVAL = 8 * 3600.0
"""Seconds that rates are stated for."""


def parts(config: RunConfig, shape: ScenarioShape) -> dict[str, Any]:
    """The part of funding; none where no venue has it."""
    terms = [venue.funding for venue in config.places.values()]
    if not any(terms):
        return {}

    def each(name):
        return np.array([getattr(term, name) if term else 0.0 for term in terms])

    spike = np.zeros((shape.n_step, shape.n_asset, shape.n_venue))
    for overlay in config.overlays:
        if overlay.kind == "funding" and overlay.drawn is None:
            touched = chosen(shape.assets, overlay.assets)[:, None] & chosen(shape.venues, overlay.venues)
            share = overlap(config, overlay.at, overlay.over)
            spike += np.where(touched, overlay.rate * share[:, None, None], 0.0)
    level, row = np.unique(spike.reshape(shape.n_step, -1), axis=0, return_inverse=True)
    paying = np.array([term is not None for term in terms])
    part = Funding(
        premium=premium(config, shape),
        interest=each("interest"),
        clamp=each("clamp"),
        cap=each("cap"),
        share=paying * config.run.step / INTERVAL,
        weight=weight(config, shape),
        open_interest=open_interest(config, shape),
        row=row.reshape(-1).astype(np.int32),
        spike=level.reshape(-1, shape.n_asset, shape.n_venue),
    )
    return {"funding": part}


def open_interest(config: RunConfig, shape: ScenarioShape) -> np.ndarray:
    """Of every market, on either side, accounts and who exits early included: USD [asset, venue]."""
    found = np.zeros((shape.n_asset, shape.n_venue))
    for a, v, _, _, market in markets(config):
        found[a, v] = market.open_interest
    return found


def premium(config: RunConfig, shape: ScenarioShape) -> np.ndarray:
    """Weights of displacements in each venue's premium over its index: [asset, source, venue]."""
    weights = np.zeros((shape.n_asset, shape.n_venue, shape.n_venue))
    for a, v, asset, *_ in markets(config):
        weights[a, :, v] = -index_of(config, rules(config, asset)[v].index)[a]
        weights[a, v, v] += 1
    return weights


def weight(config: RunConfig, shape: ScenarioShape) -> np.ndarray:
    """1 / (1 -+ maintenance rate), rates averaged over a market's classes: [asset, side, venue]."""
    found = np.ones((shape.n_asset, 2, shape.n_venue))
    for a, v, _, venue, market in markets(config):
        ladder = bool(config.venues[venue].liquidation.ladder)
        rate = sum(share * rate for share, rate, _ in classes(market, ladder))
        found[a, :, v] = 1 / max(1 - rate, 1e-3), 1 / (1 + rate)
    return found
