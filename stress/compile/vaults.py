"""Backstop vaults of the venues."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.vault import Vault
from kernels.scenario import ScenarioShape
from stress.compile.books import markets
from stress.compile.maintenance import classes
from stress.compile.rules import by_market

if TYPE_CHECKING:
    from stress.config import RunConfig


def part(config: RunConfig, shape: ScenarioShape, forced: np.ndarray) -> Vault | None:
    """The part of vaults; None where no venue has one.

    forced: cumulative notional of isolated positions [asset, side, group, venue, edge, tier]
    """
    if all(venue.vault is None for venue in config.places.values()):
        return None
    room = np.zeros((shape.n_asset, shape.n_venue))
    gap = np.full((shape.n_asset, 2, shape.n_venue), -1.0)
    take, unwind, capital = np.zeros((3, shape.n_venue))
    for v, venue in enumerate(config.places.values()):
        vault = venue.vault
        if vault is None:
            continue
        room[:, v] = vault.capacity * by_market(venue, vault.shares, shape)
        take[v], capital[v] = vault.take, vault.capital
        unwind[v] = 1 - 2 ** (-config.run.step / vault.half_life)
    for a, v, _, venue, market in markets(config):
        vault = config.venues[venue].vault
        if vault is not None and vault.threshold is not None:
            terms = classes(market, bool(config.venues[venue].liquidation.ladder))
            gap[a, :, v] = past(terms, vault.threshold)
    # Its deficits are of whoever could be forced on its venue.
    whose = forced[..., -1, :].sum(axis=(0, 1, 2))
    whose = np.where(whose.sum(axis=1, keepdims=True) > 0, whose, 1.0)
    return Vault(room, take, gap, unwind, capital, whose / whose.sum(axis=1, keepdims=True))


def past(terms: list[tuple[float, float, float]], threshold: float) -> list[float]:
    """Distance past a trigger at which equity is a share of the maintenance margin, Eq. (9): [side].

    terms: (share, rate, deduction) of the classes of a market
    """
    found = [0.0, 0.0]
    for share, rate, deduction in terms:
        relief = deduction * (1 - threshold)
        found[LONG] += share * math.log((1 - threshold * rate - relief) / (1 - rate))
        found[SHORT] += share * math.log((1 + rate) / (1 + threshold * rate + relief))
    return found
