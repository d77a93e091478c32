"""Settling in JAX what was executed in a step: slices of forced positions, fees, and deleveraging."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.account import deleverage_jax as bankrupt_accounts
from kernels.mechanisms.account import step_jax as account
from kernels.mechanisms.adl import step_jax as adl
from kernels.mechanisms.flow.step_jax import Flows
from kernels.mechanisms.liquidation import step_jax as liquidation
from kernels.mechanisms.vault import default_jax as vault_default
from kernels.mechanisms.vault import step_jax as vault
from kernels.mechanisms.vault.step_jax import Inventory
from kernels.mechanisms.vault.step_numpy import channels
from kernels.mechanisms.waterfall import funds_jax
from kernels.mechanisms.waterfall import step_jax as waterfall
from kernels.mechanisms.whale import step_jax as whales
from kernels.parts.record import record_jax as recording


class Deleveraged(NamedTuple):
    """Where deleveraging leaves a path within its step."""

    executed: jax.Array  # [asset, side, group, venue]
    survival: jax.Array  # [asset, side, venue, tier]
    funds: funds_jax.Funds
    record: dict
    pending: jax.Array  # deficits that funds are to pay, USD [pot, venue, tier]
    flow: jax.Array  # dollars closed
    coins: jax.Array  # start dollars closed, longs positive [asset, venue]
    dollars: jax.Array  # and what they were closed for
    account: account.Standing | None
    vault: Inventory | None

    def with_closings(self, flow, coins, dollars) -> Deleveraged:
        """The same, with more closed."""
        return self._replace(flow=self.flow + flow, coins=self.coins + coins, dollars=self.dollars + dollars)


def deleverage(shape, market, drawn, state, trading, on, marks, frontier, first) -> Deleveraged:
    """Close what is bankrupt at the marks against winners, where deleveraging is on and markets are open.

    on   : bool [pot, venue], None where nobody ever does; marks: log [asset, venue]
    first: a random start's place among winners [asset]; frontier: [asset, side, venue]
    """
    arrays, record, funds = market.arrays, state.record, state.funds
    dtype = marks.dtype
    pending = jnp.zeros((*market.spread.shape, shape.n_tier), dtype)
    if on is None:
        none = jnp.zeros_like(marks)
        return Deleveraged(
            state.executed, state.survival, funds, record, pending, jnp.zeros((), dtype), none, none,
            state.account, state.vault,
        )  # fmt: skip
    on = market.of_pot(on)
    behind = (frontier[:, :, None] > state.executed).any(axis=(1, 2))
    here = on & arrays.listed & behind
    here = here if trading.halted is None else here & ~trading.halted
    closed = adl.close(
        market, here, marks, state.executed, frontier, state.survival, first, state.paid, drawn.crowd
    )
    claims = None
    if funds_jax.claims(market, funds) is not None:
        claims, funds = funds_jax.collect(market, funds, closed.profit)
    at_mark = market.parts.adl.at_mark != 0
    record, flow, coins, dollars = recording.deleveraged(
        record, closed, jnp.exp(marks), state.paid, at_mark, claims
    )
    owed = jnp.where(at_mark[:, None], closed.deficit.sum(1), 0.0)
    return Deleveraged(
        closed.executed, closed.survival, funds, record, pending + market.by_pot(owed), flow, coins, dollars,
        state.account, state.vault,
    )  # fmt: skip


def deleverage_accounts(market, drawn, trading, so_far: Deleveraged, holders, on, marks, watched, first):
    """Close bankrupt accounts of the venues in `on` [pot, venue] against winners; `Deleveraged` after that.

    holders: accounts in force; watched: distance added to the marks for them [asset, side, venue]
    """
    part, price, standing = holders.part, jnp.exp(marks), so_far.account
    assert standing is not None
    reached = account.reached(part, account.prices(part, marks, watched))
    begun = standing.frontier
    standing = standing._replace(frontier=jnp.maximum(begun, reached))
    together = (on & (market.spread > 0)).any(axis=0)
    together = together if trading.halted is None else together & ~trading.halted.any(axis=0)
    held = adl.other(funds_jax.still_held(market, so_far.executed, drawn.crowd))
    closed = bankrupt_accounts.close(market, holders, together, price, standing, held, so_far.survival, first)
    at_mark = market.parts.adl.at_mark != 0
    record, *closings = recording.deleveraged_accounts(so_far.record, closed, price, at_mark)
    owed = jnp.where(at_mark[:, None], closed.deficit.sum(0), 0.0)
    return so_far.with_closings(*closings)._replace(
        survival=closed.survival,
        record=record,
        pending=so_far.pending + market.spread[..., None] * owed,
        account=standing._replace(frontier=begun, executed=closed.executed),
    )


def settle_vaults(market, drawn, trading, so_far: Deleveraged, marks, first):
    """Close inventories of vaults in deficit against winners, and leave the rest to funds; as above."""
    price, held = jnp.exp(marks), None
    if market.deleverages:
        held = adl.other(funds_jax.still_held(market, so_far.executed, drawn.crowd))
    settled = vault_default.settle(market, so_far.vault, price, trading.halted, held, so_far.survival, first)
    record, owed, coins, dollars = recording.vault_settled(so_far.record, market, settled, price)
    return so_far.with_closings(0.0, coins, dollars)._replace(
        survival=settled.survival,
        record=record,
        pending=so_far.pending + market.spread[..., None] * owed,
        vault=settled.inventory,
    )


class Executed(NamedTuple):
    """What a path is once a step's selling has been settled."""

    executed: jax.Array  # executed frontiers [asset, side, group, venue]
    whale: jax.Array | None  # of whales [asset, side, venue]
    account: account.Standing | None
    vault: Inventory | None
    flows: Flows | None
    record: dict
    pending: jax.Array  # deficits of the step, before the fund [pot, venue, tier]
    income: jax.Array  # fees and surplus of the step, for the fund [pot, venue]
    dollars: jax.Array  # of what was forced


def execute(market, drawn, state, closed, rows, holders, sold, orders, flows, fill, marks) -> Executed:
    """Settle all that was executed in a step at its fill.

    closed: Deleveraged; sold: Selling; orders: of frozen flows, or None
    fill  : price of every book's orders [asset, venue]; marks: log, after the step
    """
    settled = settle(
        market, drawn, rows, sold.executed, closed.survival, sold.end, fill, state.whale, state.paid
    )
    slices = settled.slices
    record, dollars = recording.forced(closed.record, market.arrays, fill, *slices[:4])
    pending = closed.pending + market.by_pot(slices[2].sum(1))
    income = market.by_pot((slices[3] + slices[4]).sum((1, 3)))
    if state.whale is not None:
        record = recording.whales(record, settled.whale_deficit)
    if sold.frozen is not None:
        record = recording.sent(record, channels(market.parts), sold.frozen, fill)
    if flows is not None:
        flows = flows._replace(waiting=(orders - sold.frozen)[: len(flows.waiting)])
    inventory, standing = closed.vault, closed.account
    if inventory is not None and sold.taking is not None and sold.frozen is not None:
        taken = sold.taking.taken(sold.end.flow)
        inventory = vault.trade(inventory, taken, sold.frozen[-1], fill)
        record = recording.vaults(record, taken, fill, inventory.held)
    if holders is not None:
        own = settle_accounts(market, holders, record, sold.sales, standing, fill, marks)
        standing, record, dollars = own.standing, own.record, dollars + own.dollars
        # What belongs to no single market is spread over a venue's funds.
        pending = pending + market.spread[..., None] * own.deficit
        income = income + market.spread * own.income
    return Executed(
        settled.executed, settled.whale, standing, inventory, flows, record, pending, income, dollars
    )


class Settled(NamedTuple):
    """What isolated positions sold in a step."""

    executed: jax.Array  # executed frontiers afterwards [asset, side, group, venue]
    whale: jax.Array | None  # of whales [asset, side, venue]
    slices: list  # notional, margin lost, deficit, fee, surplus: USD [asset, side, venue, tier]
    whale_deficit: jax.Array | None  # USD [asset, side, venue]


def settle(market, drawn, rows, executed, survival, end, fill, whale, paid=None) -> Settled:
    """Advance executed frontiers by the flow of the step and settle each slice at its fill.

    end  : Cascade [asset, ...]; fill: price of every book's orders [asset, venue]
    whale: executed distances of whales [asset, side, venue], None without any
    paid : funding paid by a start dollar of longs [asset, venue]; None: nothing
    """
    crowd = drawn.crowd
    arrays, tables = market.arrays, market.tables
    some, reached = end.flow > 0, end.frontier[:, :, None]
    late = some & (end.flow < end.wanted)
    single = None if whale is None else crowd.whale
    line = None if whale is None else (single, whale)
    ahead, far = liquidation.advance(rows, executed, reached, end.flow, late, line)
    after = jnp.where(some[:, :, None], ahead, executed)
    net = fill if paid is None else fill - paid
    notional, lost, deficit, left = liquidation.slice_losses(tables, arrays, executed, after, net)
    fee, surplus = waterfall.fees(arrays, notional, left, fill)
    alive = survival if crowd is None else crowd.by_tier(survival)
    slices = [alive * liquidation.by_tier(tables, x) for x in (notional, lost, deficit, fee, surplus)]
    # Markets of an asset with a cascade where nobody was in the way: executed as they stand.
    idle = (end.flow == 0) & (end.wanted == 0) & (end.rounds > 0)[:, None, None]
    after = jnp.where(idle[:, :, None], jnp.maximum(executed, reached), after)
    if whale is None:
        return Settled(after, None, slices, None)
    ends = jnp.maximum(whale, jnp.where(late, far, end.frontier))
    ends = jnp.where(some, ends, whale)
    own, deficit = settle_whales(market, single, whale, ends, fill, net)
    return Settled(after, ends, [x + y for x, y in zip(slices, own, strict=True)], deficit)


def settle_whales(market, single, before, after, fill, net):
    """Slices of whales between executed distances, and their deficits; see `Settled`.

    net: fill less funding paid [asset, venue]
    """
    arrays, n_tier = market.arrays, market.arrays.tier_notional.shape[-1]
    notional = single.lump(after) - single.lump(before)
    lost, deficit, left = whales.losses(single.margin, notional, net)
    available = jnp.maximum(left, 0.0)
    fee = jnp.minimum(arrays.fee_rate * notional * fill[:, None], available)
    surplus = arrays.surplus_share * (available - fee)
    tier = jax.nn.one_hot(single.tier, n_tier, dtype=fill.dtype)
    return [x[..., None] * tier for x in (notional, lost, deficit, fee, surplus)], deficit


class Sold(NamedTuple):
    """What accounts sold in a step."""

    standing: account.Standing
    record: dict
    deficit: jax.Array  # for funds, USD [venue, tier]
    income: jax.Array  # for funds, USD [venue]
    dollars: jax.Array


def settle_accounts(market, holders, record, sales, standing, fill, marks) -> Sold:
    """Losses and fees of what accounts sold in the step, Eqs. (5) and (6).

    fill: price of every book's orders [asset, venue]; marks: log, after the step
    """
    after = account.executed_after(holders, sales, standing.executed)
    price = account.fills(holders.part, fill, marks)
    slices = account.slice_losses(holders, standing.executed, after, price)
    found = recording.accounts(record, market, holders, slices, account.legs(holders.part, price))
    return Sold(account.Standing(sales.frontier, after), *found)
