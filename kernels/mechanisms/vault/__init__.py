"""Backstop vaults: they take a part of what is forced, and sell it later. docs/methods/vault.md.

How much a vault takes is decided before a step's cascade; what it holds it unwinds as a frozen flow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf


@dataclass(frozen=True)
class Vault:
    """The vault of every venue; zeros where a venue has none."""

    room: np.ndarray = leaf("asset venue", "USD", "most that it may hold of a market, start dollars")
    take: np.ndarray = leaf("venue", "1", "share of forced flow that it takes while it has room")
    gap: np.ndarray = leaf(
        "asset side venue",
        "1",
        "distance past a trigger from which it takes over; negative: any",
    )
    unwind: np.ndarray = leaf("venue", "1", "share of its inventory that it orders to sell in a step")
    capital: np.ndarray = leaf("venue", "USD", "its own capital at the start")
    whose: np.ndarray = leaf("venue tier", "1", "tiers that its deficits are booked under, sum 1")
