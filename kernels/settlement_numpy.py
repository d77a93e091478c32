"""Settling what was executed in a step: slices of forced positions, fees, insurance funds."""

from __future__ import annotations

import numpy as np

from kernels.mechanisms.account import deleverage_numpy as bankrupt_accounts
from kernels.mechanisms.account import step_numpy as account
from kernels.mechanisms.adl import step_numpy as adl
from kernels.mechanisms.liquidation import step_numpy as liquidation
from kernels.mechanisms.vault import step_numpy as vault
from kernels.mechanisms.waterfall import funds_numpy as waterfall_funds
from kernels.mechanisms.waterfall import step_numpy as waterfall
from kernels.mechanisms.whale import step_numpy as whale


def deleverage(scenario, state, record, on, halted, marks, frontier, drawn) -> None:
    """Close bankrupt positions where `on` [path, pot, venue] says so against winners, market by market.

    halted: markets that are left out [path, asset, venue]
    """
    arrays, pot = scenario.arrays, state.funds.pot
    behind = (frontier[:, :, :, None, :] > state.executed).any(axis=(2, 3))
    here = on[:, pot, np.arange(pot.shape[1])] & arrays.listed & behind & ~halted
    for asset in np.nonzero(here.any(axis=(0, 2)))[0]:
        path, venue = np.nonzero(here[:, asset])
        close(scenario, state, record, path, np.full(len(path), asset), venue, marks, frontier, drawn)


def close(scenario, state, record, path, asset, venue, marks, frontier, drawn) -> None:
    """The same in the markets of one asset; all [n]."""
    part, marked = scenario.parts.adl, marks[path, asset, venue]
    first = np.zeros(len(path)) if drawn is None else drawn[path, asset]
    side, closed = adl.close(
        scenario.arrays, part, asset, venue, marked, state.executed[path, asset, :, :, venue],
        frontier[path, asset, :, venue], state.survival[path, asset, :, venue], first,
        state.paid[path, asset, venue], state.crowd_at((path, asset, slice(None), venue)),
    )  # fmt: skip
    state.executed[path, asset, side, :, venue] = closed.executed
    state.survival[path, asset, 1 - side, venue] = closed.survival
    claims = state.funds.collect(path, state.funds.pot[asset, venue], venue, closed.profit)
    at_mark, paid = part.at_mark[venue] != 0, state.paid[path, asset, venue]
    record.deleveraged(path, asset, side, venue, np.exp(marked), paid, at_mark, closed, claims)


def deleverage_accounts(scenario, state, record, on, marks, watched, drawn) -> None:
    """Close bankrupt accounts of the venues in `on` [path, venue] against winners, slot by slot."""
    part, price = scenario.parts.account, np.exp(marks)
    reached = account.reached(part, account.prices(part, marks, watched))
    frontier = np.maximum(state.account_frontier, reached)
    start = state.account_executed
    end = np.where(on[:, None], bankrupt_accounts.bankrupt(part, price, start, frontier), start)
    for slot, path, venue in list(bankrupt_accounts.due(part, start, end)):
        closed = bankrupt_accounts.close(
            scenario, slot, path, venue, price, start, end, state.executed, state.survival, drawn,
            state.crowd,
        )  # fmt: skip
        state.account_executed[path, slot, venue] = closed.executed[path, venue]
        for leg in closed.legs:
            state.survival[path, leg.asset, 1 - leg.side, venue] = leg.survival
        record.deleveraged_accounts(scenario.parts.adl.at_mark[venue] != 0, closed)


def execute(scenario, state, record, counters, sold, fill, marks) -> None:
    """Advance executed frontiers by the flow of the step and settle each slice at its fill.

    sold: Selling; fill: price of every book's orders [path, asset, venue]; marks: log, after the step
    """
    arrays = scenario.arrays
    p, a, side, venue = np.nonzero(sold.flow > 0)
    counters["flushes"] += len(p)
    at = p, a, side, venue
    survival, crowd = state.survival[at], state.crowd_at(at)
    if crowd is not None:
        survival = survival * crowd.scale[:, None]
        ends = np.maximum(crowd.executed, state.frontier[at])
    before = state.executed[p, a, side, :, venue]
    after = np.maximum(before, state.frontier[p, a, side, venue][:, None])
    flow, wanted = sold.flow[p, a, side, venue], sold.wanted[p, a, side, venue]
    late = np.nonzero(flow < wanted)[0]
    if len(late):
        after[late], line = liquidation.advance(
            arrays, a[late], side[late], venue[late], before[late], after[late], survival[late], flow[late],
            None if crowd is None else crowd.at(late),
        )  # fmt: skip
        if crowd is not None:
            ends[late] = np.maximum(crowd.executed[late], line)
    price, paid = fill[p, a, venue], state.paid[p, a, venue]
    settle_slices(scenario, record, p, a, side, venue, before, after, survival, price, paid)
    if crowd is not None:
        settle_whales(scenario, record, at, crowd, ends, price, paid)
        state.crowd.executed[at] = ends
    # Markets of an asset with a cascade where nobody was in the way: executed as they stand.
    idle = (sold.flow == 0) & (sold.wanted == 0) & sold.active[:, :, None, None]
    reached = np.maximum(state.executed, state.frontier[:, :, :, None])
    state.executed = np.where(idle[:, :, :, None], reached, state.executed)
    state.executed[p, a, side, :, venue] = after
    if sold.frozen is not None:
        record.sent(vault.channels(scenario.parts), sold.frozen, fill)
    if sold.taking is not None and sold.frozen is not None:
        taken = sold.taking.taken(sold.flow)
        state.vault.trade(taken, sold.frozen[:, -1], fill)
        record.taken_over(taken, fill)
        record.vault(state.vault.held)
    if scenario.parts.account is not None:
        settle_accounts(scenario, state, record, sold.accounts, fill, marks)


def settle_accounts(scenario, state, record, sales, fill, marks) -> None:
    """Losses and fees of what accounts sold in the step, Eqs. (5) and (6) of docs/methods/account.md."""
    part = scenario.parts.account
    after = account.executed_after(part, sales, state.account_executed)
    price = account.fills(part, fill, marks)
    slices = account.slice_losses(part, state.account_executed, after, price)
    record.accounts(part, *slices, account.legs(part, price))
    state.account_frontier, state.account_executed = sales.frontier, after


def settle_slices(scenario, record, path, asset, side, venue, before, after, survival, price, paid) -> None:
    """Losses and fees of the slices between executed frontiers [n, group], bin by bin.

    price, paid: fill, and funding paid by a start dollar of longs [n]
    """
    arrays = scenario.arrays
    partial = arrays.group_partial[asset, side, :, venue]
    sums = np.zeros((5, len(path), scenario.shape.n_tier))
    for start, end in liquidation.pieces(before, after):
        notional, lost, deficit, left = liquidation.slice_losses(
            arrays, asset, side, venue, start, end, survival, price - paid
        )
        fee, surplus = waterfall.fees(arrays, venue, notional, left, price, partial)
        sums += [x.sum(axis=1) for x in (notional, lost, deficit, fee, surplus)]
    record.forced(path, asset, side, venue, price, *sums)


def settle(scenario, state, record, n, price) -> None:
    """Pay for the step's deficits, down the waterfall; `price` [path, asset, venue]: log, after it."""
    funds, deficits = state.funds, record.pending
    paid = funds.settle(
        deficits, record.income, scenario.arrays.index_weight, state.price,
        lambda: waterfall_funds.profits(
            scenario, funds, state.executed, state.survival, price, state.crowd
        ),
    )  # fmt: skip
    record.funds(paid, (n + 1) * scenario.shape.dt_seconds / 60, funds.spent.any(axis=1))


def end(scenario, state, record) -> None:
    """Settle what is still owed when the run ends."""
    funds = state.funds
    socialised, bad_debt = funds.end(
        lambda: waterfall_funds.profits(
            scenario, funds, state.executed, state.survival, state.price, state.crowd
        )
    )
    record.loss["socialised"] += socialised
    record.loss["bad_debt"] += bad_debt


def settle_whales(scenario, record, at, crowd, ends, price, paid) -> None:
    """Losses and fees of what whales sold in the step; at: path, asset, side, venue, crowd and ends: [n]."""
    notional = crowd.lump(ends) - crowd.lump(crowd.executed)
    some = np.nonzero(notional > 0)[0]
    if len(some) == 0:
        return
    path, asset, side, venue = (x[some] for x in at)
    crowd, notional, price, net = crowd.at(some), notional[some], price[some], (price - paid)[some]
    lost, deficit, left = whale.losses(side, crowd.margin, notional, net)
    whole = np.zeros((len(some), 1), bool)
    amounts = notional[:, None, None], left[:, None, None]
    fee, surplus = (x[:, 0, 0] for x in waterfall.fees(scenario.arrays, venue, *amounts, price, whole))
    tier = np.eye(scenario.shape.n_tier)[crowd.tier]
    sums = (x[:, None] * tier for x in (notional, lost, deficit, fee, surplus))
    record.forced(path, asset, side, venue, price, *sums)
    np.add.at(record.whale_deficit, (path, asset, side, venue), deficit)
