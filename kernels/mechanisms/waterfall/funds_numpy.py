"""Insurance funds and what lies beyond them: the specification. Equations of docs/methods/waterfall.md.

A venue has one fund, or one for each of its markets; a `pot` is one of them. Pots are counted along the
assets: that of a market with a fund of its own is its asset's, all others are the first.
"""

import numpy as np

from kernels.mechanisms.adl.step_numpy import still_held
from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.clearing import step_numpy as clearing
from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.waterfall import PARTS_OF_WINDOW, SOCIALISE_RUN, SOCIALISE_STEP
from kernels.mechanisms.waterfall.step_numpy import draw


class Funds:
    """Funds of n paths, USD [path, pot, venue] where nothing else is said.

    cash, coins: balances; coins in dollars at the start price
    worth      : of both at the start of the step; what the step may draw
    peaks      : largest worth in each part of the window [path, pot, venue, part]
    spent      : the last step's deficits took all, prefunded layers of central clearing included, bool
    layers     : what is left of central clearing [path, layer, venue]
    owed       : deficits that nobody has paid yet [path, pot, venue, tier]
    shared     : taken from winners' profits so far
    """

    def __init__(self, scenario, n_path):
        shape, arrays, part = scenario.shape, scenario.arrays, scenario.parts.waterfall
        self.part = part
        split = np.zeros(shape.n_venue, bool) if part is None else part.split != 0
        n_pot = shape.n_asset if split.any() else 1
        self.pot = np.arange(shape.n_asset)[:, None] * split
        share = np.ones((1, shape.n_venue)) if part is None else part.share[:n_pot]
        in_coins = np.zeros(shape.n_venue) if part is None else part.coin_share
        size = (n_path, n_pot, shape.n_venue)
        self.start = share * arrays.fund
        self.start_cash = self.start * (1 - in_coins)
        self.below = share * arrays.adl_below
        self.spread = share
        self.cash = np.broadcast_to(self.start * (1 - in_coins), size).copy()
        self.coins = np.broadcast_to(self.start * in_coins, size).copy()
        self.worth = self.cash + self.coins
        self.peaks = np.zeros((*size, PARTS_OF_WINDOW))
        self.spent = np.zeros(size, bool)
        self.owed = np.zeros((*size, shape.n_tier))
        self.shared = np.zeros(size)
        self.layers = clearing.begin(scenario.parts.clearing, n_path, shape.n_venue)
        self.sold = np.zeros(size)  # dollars that coins were sold for

    def coin_price(self, index_weight, price):
        """Index price of the coin that each venue holds, relative to the start: [path, 1, venue]."""
        if self.part is None:
            return 1.0
        index = (price * index_weight).sum(axis=-1)
        return np.exp(index[:, self.part.coin])[:, None]

    def begin(self, n, index_weight, price):
        """What the funds are worth when step n begins, and the running peak, Eqs. (4) and (5)."""
        self.worth = self.cash + self.coins * self.coin_price(index_weight, price)
        venue = np.arange(self.cash.shape[2])
        window = np.zeros(len(venue), int) if self.part is None else self.part.window
        here = np.where(window > 0, n // np.maximum(window, 1) % PARTS_OF_WINDOW, 0)
        begins = (window > 0) & (n % np.maximum(window, 1) == 0)
        before = np.where(begins, 0.0, self.peaks[:, :, venue, here])
        self.peaks[:, :, venue, here] = np.maximum(before, self.worth)

    @property
    def peak(self):
        """The running peak."""
        return self.peaks.max(axis=-1)

    def together(self, on):
        """Venues where any fund that has a share is `on` [path, pot, venue]: for who belongs to no market."""
        return (on & (self.spread > 0)).any(axis=1)

    def claims(self):
        """What later deleveraging is to pay: [path, pot, venue]."""
        return (
            np.zeros_like(self.cash) if self.part is None else self.owed.sum(axis=3) * (self.part.claim != 0)
        )

    def collect(self, path, pot, venue, most):
        """Claims paid by deleveraged winners, at most their profit: USD [n, tier], Eq. (8).

        path, pot, venue: [n], each of them once; most: [n]
        """
        if self.part is None:
            return np.zeros((len(path), self.owed.shape[3]))
        owed = self.owed[path, pot, venue] * (self.part.claim[venue] != 0)[:, None]
        total = owed.sum(axis=1)
        share = np.minimum(total, most) / np.where(total > 0, total, 1.0)
        paid = share[:, None] * owed
        self.owed[path, pot, venue] -= paid
        return paid

    def settle(self, pending, income, index_weight, begun, profits):
        """Pay a step's deficits, Eqs. (2), (3), (6) and (7), and those of central clearing.

        returns: who paid, USD [path, venue, tier], by component
        pending: deficits [path, pot, venue, tier]; income: fees and surplus [path, pot, venue]
        begun  : log prices when the step began; profits: makes those of the winners now, by pot
        """
        deficit = pending.sum(axis=3)
        drawn, _ = draw(self.worth, deficit)
        share = np.where(deficit > 0, drawn / np.where(deficit > 0, deficit, 1.0), 0.0)[..., None]
        paid = share * pending
        # Cash first, then coins at the price that the step began with.
        from_cash = np.minimum(drawn, self.cash)
        from_coins = drawn - from_cash
        self.coins = np.maximum(self.coins - from_coins / self.coin_price(index_weight, begun), 0.0)
        self.sold += from_coins
        self.cash = self.cash - from_cash + income
        cleared, rest = clearing.clear(self.layers, pending - paid)
        nothing = clearing.prefunded(self.layers)[:, None] <= 0
        self.spent = (deficit > DUST) & (deficit >= self.worth) & nothing
        payers = {"fund_draw": paid.sum(axis=1), **cleared}
        if self.part is None:
            return payers | {"bad_debt": rest.sum(axis=1)}
        given = self.take_profits(rest, SOCIALISE_STEP, profits)
        rest = rest - given
        kept = ((self.part.claim != 0) | (self.part.socialise == SOCIALISE_RUN))[:, None]
        self.owed += np.where(kept, rest, 0.0)
        bad_debt = np.where(kept, 0.0, rest).sum(axis=1)
        return payers | {"socialised": given.sum(axis=1), "bad_debt": bad_debt}

    def end(self, profits):
        """What is still owed at the end of the run: socialised, bad debt [path, venue, tier]."""
        if self.part is None:
            return 0.0, 0.0
        given = self.take_profits(self.owed, SOCIALISE_RUN, profits)
        rest = self.owed - given
        self.owed = np.zeros_like(rest)
        return given.sum(axis=1), rest.sum(axis=1)

    def take_profits(self, owed, when, profits):
        """What winners give of their profits, all the same share, Eq. (7): [path, pot, venue, tier]."""
        willing = (self.part.socialise == when) & (owed.sum(axis=3) > 0)
        if not willing.any():
            return np.zeros_like(owed)
        total = owed.sum(axis=3)
        given = np.where(willing, np.minimum(total, np.maximum(profits() - self.shared, 0.0)), 0.0)
        self.shared += given
        return (given / np.where(total > 0, total, 1.0))[..., None] * owed


def profits(scenario, funds, executed, survival, price, crowd=None):
    """Profits of all who are in profit at the traded log prices: USD [path, pot, venue], Eq. (7)."""
    arrays, part = scenario.arrays, scenario.parts.adl
    path, asset, venue = np.nonzero(np.broadcast_to(arrays.listed, price.shape))
    traded = np.exp(price[path, asset, venue])[:, None]
    total = np.zeros_like(funds.cash)
    for side, sign in ((LONG, 1.0), (SHORT, -1.0)):
        sides = np.full(len(asset), side)
        others = None if crowd is None else crowd.at((path, asset, side, venue))
        held = still_held(arrays, asset, sides, venue, executed[path, asset, side, :, venue], others)
        entry = 1.0 if part is None else part.entry[asset, side, venue]
        gain = np.maximum(sign * (traded - entry), 0.0)
        earned = (survival[path, asset, side, venue] * held * gain).sum(axis=1)
        np.add.at(total, (path, funds.pot[asset, venue], venue), earned)
    return total
