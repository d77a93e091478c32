"""Recording paths in NumPy: the specification of every field in `kernels.outcome`."""

import numpy as np

from kernels.mechanisms.adl.report_numpy import Closings
from kernels.mechanisms.cascade import MATERIAL
from kernels.mechanisms.cover.step_numpy import largest_accounts
from kernels.mechanisms.waterfall.funds_numpy import Funds
from kernels.mechanisms.whale.step_numpy import cover
from kernels.outcome import CHANNELS, COMPONENTS, IDENTITY_BROKEN, NOT_FINITE, PAYERS, Layout

STRESSED = -0.01
"""Exogenous log trough below which a path counts for amplification."""


def with_total(values, axes):
    """`values` with one more entry, the sum, at the end of each of the axes."""
    for axis in axes:
        values = np.concatenate([values, values.sum(axis=axis, keepdims=True)], axis=axis)
    return values


class Record:
    """Running totals of n paths; `rows` turns them into outcome rows."""

    def __init__(self, scenario, n_path):
        shape = scenario.shape
        n, a, v, t = n_path, shape.n_asset, shape.n_venue, shape.n_tier
        self.scenario = scenario
        self.loss = {name: np.zeros((n, v, t)) for name in COMPONENTS}
        self.liquidated = np.zeros((n, v, a, 2))
        self.coins = np.zeros((n, v, a))
        self.deleveraged_coins = np.zeros((n, v, a))
        self.exited = np.zeros((n, v, a))
        self.funding = np.zeros((n, v, 2))
        self.whale_deficit = np.zeros((n, a, 2, v))
        self.liquidated_tier = np.zeros((n, v, t))
        self.forced_tier = None  # the same by [path, asset, side, venue, tier], where a replay asks for it
        self.adl_notional = np.zeros((n, v, t))
        self.closed = np.zeros((n, v))
        self.trough = np.zeros((n, a, v))
        self.peak = np.zeros((n, a, v))
        self.index_trough = np.zeros((n, a))
        self.exogenous_trough = np.zeros((n, a))
        self.branching = np.zeros((n, a))
        self.exhaustion = np.zeros((n, v))
        self.backlog = np.zeros((n, v))
        self.backlog_total = np.zeros(n)
        self.sold_by = np.zeros((n, len(CHANNELS)))
        self.vault_inventory = np.zeros((n, v + 1))
        self.flow = np.zeros((n, shape.n_step))
        self.closings = Closings(shape, n)
        self.step = 0
        empty = Funds(scenario, n)
        self.pot, self.spread = empty.pot, empty.spread
        self.pending = np.zeros_like(empty.owed)  # deficits of the step, before the fund
        self.income = np.zeros_like(empty.cash)  # fees and surplus of the step, for the fund
        self.received = np.zeros_like(empty.cash)  # the same, up to the step before

    def forced(self, path, asset, side, venue, price, notional, lost, deficit, fee, surplus):
        """Slices executed in a book: all arguments [n] or [n, tier]."""
        dollars = notional * price[:, None]
        np.add.at(self.sold_by[:, 0], path, dollars.sum(axis=1))
        np.add.at(self.loss["margin_lost"], (path, venue), lost)
        np.add.at(self.loss["deficit"], (path, venue), deficit)
        np.add.at(self.loss["fees"], (path, venue), fee)
        pot = self.pot[asset, venue]
        np.add.at(self.pending, (path, pot, venue), deficit)
        np.add.at(self.income, (path, pot, venue), (fee + surplus).sum(axis=1))
        self.liquidation(path, asset, side, venue, notional, dollars)
        psi = self.scenario.arrays.closing_share[venue]
        np.add.at(self.closed, (path, venue), psi * notional.sum(axis=1))

    def deleveraged(self, path, asset, side, venue, price, paid, at_mark, closed, claims):
        """Bankrupt positions closed against winners; path to at_mark: [n], closed: [n] or [n, tier].

        price : the mark, relative to the start; at_mark: winners are closed there, and the fund pays
        paid  : funding, by a start dollar of longs
        claims: deficits of earlier steps that the winners pay besides [n, tier]
        """
        notional, margin, deficit = closed.notional, closed.margin, closed.deficit
        at_mark, sign = at_mark[:, None], np.where(side == 0, 1, -1)
        bankruptcy = notional * (1 + paid)[:, None] - sign[:, None] * margin
        dollars = np.where(at_mark, notional * price[:, None], bankruptcy)
        paid = np.where(at_mark, 0.0, deficit)
        np.add.at(self.loss["margin_lost"], (path, venue), margin)
        np.add.at(self.loss["deficit"], (path, venue), deficit)
        np.add.at(self.loss["adl"], (path, venue), paid + claims)
        np.add.at(self.pending, (path, self.pot[asset, venue], venue), deficit - paid)
        np.add.at(self.adl_notional, (path, venue), closed.taken)
        self.liquidation(path, asset, side, venue, notional, dollars)
        coins, extra = notional.sum(axis=1), claims.sum(axis=1)
        forgone = paid.sum(axis=1) + extra
        received = dollars.sum(axis=1) + sign * extra
        np.add.at(self.closed, (path, venue), coins)
        np.add.at(self.deleveraged_coins, (path, venue, asset), coins)
        self.closings.add(
            self.step, path, asset, venue, sign, coins, received, forgone, forgone, closed.hedged
        )

    def deleveraged_accounts(self, at_mark, closed):
        """Bankrupt accounts closed against winners in the market of every leg; at_mark: [n]."""
        path, venue, notional, deficit = closed.path, closed.venue, closed.notional, closed.deficit
        paid = np.where(at_mark[:, None], 0.0, deficit)
        np.add.at(self.loss["margin_lost"], (path, venue), closed.lost)
        np.add.at(self.loss["deficit"], (path, venue), deficit)
        np.add.at(self.loss["adl"], (path, venue), paid)
        for pot, share in enumerate(self.spread[:, venue]):
            np.add.at(self.pending, (path, pot, venue), share[:, None] * (deficit - paid))
        for leg in closed.legs:
            size, sign = leg.size[:, None], np.where(leg.side == 0, 1, -1)
            coins, forgone = size * notional, size * paid
            # A long is sold above the mark by what its winners forgo, a short is bought below it.
            dollars = coins * closed.price[:, leg.asset, None] + sign[:, None] * forgone
            asset = np.full(len(path), leg.asset)
            self.liquidation(path, asset, leg.side, venue, coins, dollars)
            np.add.at(self.adl_notional, (path, venue), leg.taken)
            np.add.at(self.closed, (path, venue), coins.sum(axis=1))
            np.add.at(self.deleveraged_coins, (path, venue, asset), coins.sum(axis=1))
            sums = (coins.sum(axis=1), dollars.sum(axis=1), forgone.sum(axis=1))
            self.closings.add(self.step, path, asset, venue, sign, *sums[:2], sums[2], sums[2], leg.hedged)

    def liquidation(self, path, asset, side, venue, notional, dollars):
        np.add.at(self.liquidated, (path, venue, asset, side), dollars.sum(axis=1))
        np.add.at(self.coins, (path, venue, asset), notional.sum(axis=1))
        np.add.at(self.liquidated_tier, (path, venue), dollars)
        if self.forced_tier is not None:
            np.add.at(self.forced_tier, (path, asset, side, venue), dollars)
        np.add.at(self.flow[:, self.step], path, dollars.sum(axis=1))

    def funds(self, paid, minutes, spent):
        """Who paid the step's deficits, by component [path, venue, tier]; note the first exhaustion."""
        for name, amount in paid.items():
            self.loss[name] += amount
        self.exhaustion = np.where((self.exhaustion == 0) & spent, minutes, self.exhaustion)
        self.received += self.income
        self.pending[:] = 0.0
        self.income[:] = 0.0

    def prices(self, state):
        """Troughs and peaks after a step; what winners closed earlier would have made."""
        self.closings.look_back(self.step, state.price)
        np.minimum(self.trough, state.price, out=self.trough)
        np.maximum(self.peak, state.price, out=self.peak)
        index = (state.price * self.scenario.arrays.index_weight).sum(axis=-1)
        np.minimum(self.index_trough, index, out=self.index_trough)
        np.minimum(self.exogenous_trough, state.exogenous, out=self.exogenous_trough)

    def cascades(self, active, first, total, depth):
        """Branching ratio of the step's cascades; all [path, asset], depth [path, asset, venue]."""
        material = active & (total > MATERIAL * depth.sum(axis=2)) & (first > 0)
        ratio = np.where(material, 1 - first / np.where(total > 0, total, 1.0), 0.0)
        self.branching = np.maximum(self.branching, ratio)

    def accounts(self, part, notional, lost, deficit, left, legs):
        """What accounts sold in the step.

        notional, lost, deficit, left: USD [path, slot, venue, tier]
        legs: dollars at the fill per dollar of notional [path, slot, asset, side, venue]
        """
        arrays = self.scenario.arrays
        dollars = legs.sum(axis=(2, 3))[..., None] * notional
        self.sold_by += np.einsum("psvt,sc->pc", dollars, np.eye(len(CHANNELS))[part.channel])
        exits = np.where(
            part.channel == CHANNELS.index("retail_exit"), notional.sum(axis=3).transpose(0, 2, 1), 0.0
        )
        exited = np.einsum("svat,pvs->pva", np.abs(part.sold), exits)
        self.exited += exited
        self.closed += arrays.closing_share * exited.sum(axis=2)
        # Sales that are no liquidations lose nothing here: their holders stay with what they have got.
        notional, lost, deficit, left, dollars = (
            part.losing[..., None] * x for x in (notional, lost, deficit, left, dollars)
        )
        available = np.maximum(left, 0.0)
        fee = np.minimum(arrays.fee_rate[:, None] * dollars, available)
        surplus = arrays.surplus_share[:, None] * (available - fee)
        for name, amount in (("margin_lost", lost), ("deficit", deficit), ("fees", fee)):
            self.loss[name] += amount.sum(axis=1)
        # What belongs to no single market is spread over a venue's funds.
        self.pending += self.spread[..., None] * deficit.sum(axis=1)[:, None]
        self.income += self.spread * (fee + surplus).sum(axis=(1, 3))[:, None]
        sides = np.einsum("psaiv,psv->pvai", legs, notional.sum(axis=3))
        coins = np.einsum("svat,psv->pva", np.abs(part.sold), notional.sum(axis=3))
        self.liquidated += sides
        self.coins += coins
        self.liquidated_tier += dollars.sum(axis=1)
        if self.forced_tier is not None:
            self.forced_tier += np.einsum("psaiv,psvt->paivt", legs, notional)
        self.closed += arrays.closing_share * coins.sum(axis=2)
        self.flow[:, self.step] += dollars.sum(axis=(1, 2, 3))

    def sent(self, channel, orders, fill):
        """Frozen flows that were executed: [path, source, asset, venue]; fill: [path, asset, venue]."""
        dollars = np.einsum("psav,pav->ps", np.abs(orders), fill)
        self.sold_by += dollars @ np.eye(len(CHANNELS))[channel]

    def taken_over(self, taken, fill):
        """Forced flow that vaults took: USD [path, asset, side, venue]; fill: [path, asset, venue]."""
        self.sold_by[:, 0] -= (taken.sum(axis=2) * fill).sum(axis=(1, 2))

    def vault(self, held):
        """Inventories of vaults at the end of a step [path, asset, venue]."""
        self.vault_inventory = np.maximum(self.vault_inventory, with_total(np.abs(held).sum(axis=1), (1,)))

    def vault_closed(self, path, asset, venue, sign, coins, price, forgone, taken, hedged):
        """Inventories closed against winners; all [n], taken [n, tier]."""
        psi = self.scenario.arrays.closing_share[venue]
        np.add.at(self.adl_notional, (path, venue), taken)
        # A share of it counts already, as forced.
        np.add.at(self.closed, (path, venue), (1 - psi) * coins)
        np.add.at(self.deleveraged_coins, (path, venue, asset), coins)
        dollars = coins * price + sign * forgone
        self.closings.add(self.step, path, asset, venue, sign, coins, dollars, forgone, forgone, hedged)

    def vault_deficit(self, whose, deficit, paid):
        """Deficits of vaults, and what winners paid of them [path, venue]; whose: [venue, tier]."""
        self.loss["deficit"] += deficit[..., None] * whose
        self.loss["adl"] += paid[..., None] * whose
        rest = (deficit - paid)[..., None] * whose
        self.pending += self.spread[..., None] * rest[:, None]

    def vault_end(self, inventory, price):
        """Losses of vaults when the run ends; what they hold has not closed. price: log [path, asset, venue].

        returns: [path, venue]
        """
        if inventory is None:
            return np.zeros_like(self.closed)
        self.closed -= self.scenario.arrays.closing_share * np.abs(inventory.held).sum(axis=1)
        return np.maximum(-inventory.gain(np.exp(price)), 0.0)

    def funding_paid(self, by_longs):
        """Funding of a step: USD that longs pay to shorts, negative where shorts pay [path, asset, venue]."""
        self.funding[..., 0] += np.maximum(by_longs, 0.0).sum(axis=1)
        self.funding[..., 1] += np.maximum(-by_longs, 0.0).sum(axis=1)

    def backlogs(self, waiting):
        """Notional triggered and not executed at the end of the step [path, venue]."""
        np.maximum(self.backlog, waiting, out=self.backlog)
        np.maximum(self.backlog_total, waiting.sum(axis=1), out=self.backlog_total)

    def check(self, state):
        """Money in must be money out, per venue and path; what was forced must have been settled.

        Every test is written so that a number that is not one fails it.
        """
        loss, status = self.loss, state.status
        funds = state.funds
        had = funds.start + self.received
        held = funds.cash + funds.coins
        coins = np.where(funds.sold > 0, 0.0, funds.start - funds.start_cash - funds.coins)
        drawn = loss["fund_draw"].sum(axis=2)[:, None] - funds.sold.sum(axis=1, keepdims=True)
        cash = (funds.start_cash + self.received - funds.cash).sum(axis=1, keepdims=True)
        sound = np.abs(cash - drawn) <= 1e-9 * (had.sum(axis=1, keepdims=True) + 1)
        sound = (sound & (np.abs(coins) <= 1e-9 * (had + 1)) & (held >= 0)).all(axis=1)
        paid = sum(loss[name] for name in PAYERS)
        sound = sound[..., None] & (np.abs(loss["deficit"] - paid) <= 1e-9 * (loss["deficit"] + 1))
        sound &= np.min([loss[name] for name in PAYERS], axis=0) >= -1e-6
        flows, slices = self.flow.sum(axis=1), self.liquidated_tier.sum(axis=(1, 2))
        settled = np.abs(flows - slices) <= 1e-6 * flows + 1
        status[~(sound.all(axis=(1, 2)) & settled)] |= IDENTITY_BROKEN
        status[~np.isfinite(state.price).all(axis=(1, 2))] |= NOT_FINITE

    def rows(self, state):
        """Outcome rows: float64 [path, cell]."""
        self.check(state)
        self.closings.end(self.scenario.shape.n_step, state.price)
        shape = self.scenario.shape
        layout = Layout(shape)
        rows = np.zeros((len(state.status), layout.n_cell))
        self.loss["total"] = self.loss["margin_lost"] + self.loss["deficit"]
        loss = np.stack([self.loss[name] for name in COMPONENTS], axis=1)
        stressed = self.exogenous_trough < STRESSED
        index, exogenous = -self.index_trough * stressed, -self.exogenous_trough * stressed
        cumulative = np.concatenate([np.zeros((len(rows), 1)), self.flow.cumsum(axis=1)], axis=1)
        window = min(shape.window_steps, shape.n_step)
        forgone = self.closings.forgone
        vault_loss = self.vault_end(state.vault, state.price)
        listed, shortfall = largest_accounts(self.scenario.parts.cover, self.trough, self.peak)
        fields = {
            "loss": with_total(loss, (2, 3)),
            "liquidated": with_total(self.liquidated, (1, 2, 3)),
            "liquidated_coins": with_total(self.coins, (1, 2)),
            "liquidated_tier": with_total(self.liquidated_tier, (1, 2)),
            "adl_notional": with_total(self.adl_notional, (1, 2)),
            "adl_hedged": with_total(self.closings.hedged, (1,)),
            "adl_forgone": with_total(np.maximum(forgone, 0.0), (2,)),
            "adl_spared": with_total(np.maximum(-forgone, 0.0), (2,)),
            "adl_overshoot": with_total(np.maximum(forgone - self.closings.needed[:, None], 0.0), (2,)),
            "open_interest_closed": with_total(self.closed, (1,)),
            "fall": (1 - np.exp(self.trough)) * self.scenario.arrays.listed,
            "index_fall": 1 - np.exp(self.index_trough),
            "exogenous_fall": 1 - np.exp(self.exogenous_trough),
            "stressed_index_trough": index,
            "stressed_exogenous_trough": exogenous,
            "amplification": np.where(stressed, index / np.where(stressed, exogenous, 1.0), 0.0),
            "amplification_points": np.maximum(self.exogenous_trough - self.index_trough, 0.0),
            "branching_ratio": np.append(self.branching, self.branching.max(axis=1, keepdims=True), axis=1),
            "exhaustion_time": self.exhaustion,
            "venues_exhausted": (self.exhaustion > 0).sum(axis=1),
            "backlog": np.append(self.backlog, self.backlog_total[:, None], axis=1),
            "sold_by": self.sold_by,
            "funding": with_total(self.funding, (1,)),
            "cover": cover(self.whale_deficit),
            "cover_listed": listed,
            "cover_shortfall": shortfall,
            "vault_inventory": self.vault_inventory,
            "vault_loss": with_total(vault_loss, (1,)),
            "worst_window": (cumulative[:, window:] - cumulative[:, :-window]).max(axis=1),
        }
        for name, values in fields.items():
            rows[:, layout.slices[name]] = np.maximum(values, 0.0).reshape(len(rows), -1)
        state.status[~np.isfinite(rows).all(axis=1)] |= NOT_FINITE
        return rows
