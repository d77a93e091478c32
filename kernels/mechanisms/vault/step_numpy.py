"""Backstop vaults in a step: the specification. Equations of docs/methods/vault.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.liquidation import step_numpy as liquidation
from kernels.outcome import CHANNELS

LEAST_BOOKED = 0.01
"""Smallest share of flow for the books that limits are divided by: rounding of limits must not matter."""


@dataclass
class Taking:
    """What vaults take in the step, decided before it."""

    take: np.ndarray  # share of the flow [venue]
    space: np.ndarray  # most in this step, USD [..., side, venue]

    def at(self, rows):
        """The same for some rows."""
        return Taking(self.take, self.space[rows])

    def taken(self, flow):
        """What the vaults take of a flow, Eq. (2): USD [..., side, venue]."""
        return np.minimum(self.take * flow, self.space)

    def booked(self, flow):
        """What of a flow goes into the books, Eq. (2): USD [..., side, venue]."""
        return flow - self.taken(flow)

    def limit(self, limit):
        """Most that executes where books and engines take `limit`, Eq. (3): USD [..., side, venue]."""
        return np.minimum(limit / np.maximum(1 - self.take, LEAST_BOOKED), limit + self.space)

    @property
    def some(self):
        """Whether any vault takes anything: bool [...]."""
        return (self.take * self.space > 0).any(axis=(-2, -1))


class Inventory:
    """What the vaults of n paths hold.

    held    : coins x start price, negative where short [path, asset, venue]
    cash    : what they were paid for it less what they paid, USD [path, asset, venue]
    received: what others have paid for their deficits, USD [path, venue]
    """

    def __init__(self, part, n_path):
        self.part = part
        self.held = np.zeros((n_path, *part.room.shape))
        self.cash = np.zeros_like(self.held)
        self.received = np.zeros((n_path, part.room.shape[1]))

    def taking(self, most=None):
        """What may be taken in the step, Eq. (1), of it at most `most` [path, asset, side, venue]."""
        sides = [np.maximum(self.part.room - np.maximum(sign * self.held, 0.0), 0.0) for sign in (1, -1)]
        space = np.stack(sides, axis=2)
        return Taking(self.part.take, space if most is None else np.minimum(space, most))

    def orders(self):
        """Net purchases that unwind the inventory, Eq. (4): USD [path, asset, venue]."""
        return np.where(np.abs(self.held) > DUST, -self.part.unwind * self.held, -self.held)

    def trade(self, taken, unwound, fill):
        """Book what was taken over and unwound at the fills, Eq. (5).

        taken: [path, asset, side, venue]; unwound: net purchases; fill: [path, asset, venue]
        """
        bought = taken[:, :, LONG] - taken[:, :, SHORT] + unwound
        self.held = self.held + bought
        self.cash = self.cash - bought * fill

    def gain(self, price):
        """Profit since the start at prices [path, asset, venue], what others paid included: [path, venue]."""
        return self.received + (self.cash + self.held * price).sum(axis=1)

    def equity(self, price):
        """Capital and profit, Eq. (6): USD [path, venue]."""
        return self.part.capital + self.gain(price)


def past_threshold(scenario, state, reached):
    """Most that vaults take over of who is past their thresholds, Eq. (10): [path, asset, side, venue].

    reached: distances that the marks of round 0 have come, monitoring left out; returns: None without any
    """
    arrays, part, gap = scenario.arrays, scenario.parts.vault, scenario.parts.vault.gap
    if (gap < 0).all():
        return None
    at = np.nonzero(np.ones(reached.shape[:2], bool))
    terms = state.survival[at], state.crowd_at(at)
    far = liquidation.forced_total(arrays, at[1], np.maximum(reached - gap, 0.0)[at], *terms)
    gone = liquidation.executed_total(arrays, at[1], state.executed[at], *terms)
    notional = np.maximum(far - gone, 0.0).reshape(reached.shape)
    return np.where(gap < 0, np.inf, part.take * notional)


def join(inventory, orders, trading):
    """Frozen flows with the vaults' unwinding as one more source, the last; none where nothing trades."""
    trades = ~trading.halted & (trading.throughput > 0)
    own = np.where(trades, inventory.orders(), 0.0)[:, None]
    return own if orders is None else np.concatenate([orders, own], axis=1)


def channels(parts):
    """Channels of all sources of frozen flows: [source]."""
    scheduled = [] if parts.flow is None else list(parts.flow.channel)
    return np.array(scheduled + [CHANNELS.index("vault")] * (parts.vault is not None), int)
