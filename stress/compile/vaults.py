"""Backstop vaults of the venues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.vault import Vault
from kernels.scenario import ScenarioShape
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
    take, unwind, capital = np.zeros((3, shape.n_venue))
    for v, venue in enumerate(config.places.values()):
        vault = venue.vault
        if vault is None:
            continue
        room[:, v] = vault.capacity * by_market(venue, vault.shares, shape)
        take[v], capital[v] = vault.take, vault.capital
        unwind[v] = 1 - 2 ** (-config.run.step / vault.half_life)
    # Its deficits are of whoever could be forced on its venue.
    whose = forced[..., -1, :].sum(axis=(0, 1, 2))
    whose = np.where(whose.sum(axis=1, keepdims=True) > 0, whose, 1.0)
    return Vault(room, take, unwind, capital, whose / whose.sum(axis=1, keepdims=True))
