"""One path in JAX, step by step: statements of engine_numpy.py, in their order."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from kernels import selling_jax as selling
from kernels import settlement_jax as settlement
from kernels import trading_jax as trades
from kernels.mechanisms.account import step_jax as account
from kernels.mechanisms.adl import step_jax as adl
from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book import step_jax as book
from kernels.mechanisms.exogenous import step_jax as exogenous
from kernels.mechanisms.flow import step_jax as flow
from kernels.mechanisms.funding import step_jax as funding
from kernels.mechanisms.liquidation import step_jax as liquidation
from kernels.mechanisms.overlay import step_jax as overlay
from kernels.mechanisms.vault import step_jax as vault
from kernels.mechanisms.waterfall import funds_jax
from kernels.mechanisms.withdrawal import step_jax as withdrawal
from kernels.parts.record import record_jax as recording
from kernels.state_jax import Drawn, Market, State, initial
from kernels.timeline_jax import timeline


def step(shape, rules, market: Market, drawn: Drawn, state: State, now):
    """One step of one path; now: what is in force in it, by name, and the number of the step.

    returns: state, and what the record needs of every step
    """
    arrays, parts, factor = market.arrays, market.parts, drawn.events

    # Accounts are held to what they have paid and what is asked of them by now.
    holders = market.holders
    if holders is not None:
        holders = account.in_force(holders, state.price, state.paid, now.get("margin_rate"))

    # 1. What would have happened anyway, and the stress laid over it.
    volatility, shock, full = now["volatility"], now["shock"], now["depth"]
    if parts.event is not None:
        volatility = volatility * overlay.multiplier(parts.event.volatility, factor, now)
        full = full * overlay.multiplier(parts.event.depth, factor, now)
        shock = shock + overlay.shock(factor, now)
    returns, deviation, process = exogenous.step(
        shape, arrays, parts, drawn.seed, drawn.path, now, volatility, state.process
    )
    move = returns + shock
    before = state.fundamental, book.displacement(state.q, arrays.alpha, arrays.band)
    fundamental = state.fundamental + move

    # 2. Books: refill, who trades, depth in force, arbitrage.
    q = book.refill(state.q, arrays.refill, arrays.alpha)
    trading = trades.begin(market, drawn, state, fundamental, q, now)
    depth = trading.deep(withdrawal.depth(arrays, state.memory, full))
    displaced = (q != 0).any(axis=-1)
    q = trades.even_out(market, trading, q, depth)

    # 3. Decisions, frozen for the step: marks of round 0 and who is triggered.
    start = book.displacement(q, arrays.alpha, arrays.band)
    price = trading.traded(state.price, fundamental[:, None] + PERCENT * start)
    rules_of_marks = trades.marks(market, trading, state, price, before, now)
    marks = rules_of_marks.price(fundamental, start)
    watched = trades.watched(market, rules_of_marks, deviation)
    offset = charged(market, state, watched, now)
    reached = rules_of_marks.reached(liquidation.distance(marks, offset))
    frontier = jnp.maximum(state.frontier, jnp.where(arrays.listed[:, None], reached, 0.0))
    orders, flows = None, state.flows
    if flows is not None:
        index = (state.price * arrays.index_weight).sum(axis=-1)
        orders, flows = flow.orders(parts, flows, now["orders"], index)
    worth, funds = funds_jax.worth(market, state.funds, now["number"], state.price)

    # 4. Auto-deleveraging of what is bankrupt on arrival.
    on = adl.is_on(market, funds, worth) if market.deleverages else None
    first = adl.starts(drawn.seed, drawn.path, now["number"], shape.n_asset, marks.dtype)
    closed = settlement.deleverage(
        shape, market, drawn, state._replace(funds=funds), trading, on, marks, frontier, first
    )
    if holders is not None and on is not None:
        closed = settlement.deleverage_accounts(
            market, drawn, trading, closed, holders, on, marks, watched, first
        )
    if parts.vault is not None:
        closed = settlement.settle_vaults(market, drawn, trading, closed, marks, first)
    survival, rows, taking = closed.survival, selling.cumulative(market, closed.survival, drawn.crowd), None
    if parts.vault is not None:
        reached = liquidation.distance(marks, charged(market, state, jnp.zeros_like(offset), now))
        reached = rules_of_marks.reached(reached)
        past = selling.past(market, drawn, state, rows, closed.executed, reached)
        taking = vault.taking(parts.vault, closed.vault, past)
        own = vault.orders(parts.vault, closed.vault, trading.trades(q.shape))[None]
        orders = own if orders is None else jnp.concatenate([orders, own])

    # 5. The forced selling: cascades, and accounts that they set off.
    sellers = selling.Sellers(holders, watched, None, orders, taking)
    if holders is not None:
        sellers = sellers._replace(acts=account.acts(holders.part, marks, price))
    sold = selling.run(
        rules, market, drawn, state, trading,
        selling.Start(
            fundamental, q, depth, rules_of_marks, offset, frontier, rows, closed.executed, survival,
            closed.account,
        ), sellers,
    )  # fmt: skip
    end = sold.end

    # 6. Fills and losses.
    moved = book.displacement(end.q, arrays.alpha, arrays.band)
    mean = book.mean_displacement(start, moved, arrays.alpha, arrays.band)
    fill = jnp.exp(((fundamental + end.fundamental) / 2)[:, None] + PERCENT * mean)
    price = trading.traded(state.price, end.fundamental[:, None] + PERCENT * moved)
    record = recording.cascades(closed.record, end.rounds > 0, end.first, selling.gross(sold), depth)
    losing = None if holders is None else holders.part.losing
    record = recording.backlogs(record, selling.waiting(sold, losing))
    closed = closed._replace(record=record)
    done = settlement.execute(market, drawn, state, closed, rows, holders, sold, orders, flows, fill, price)
    record = done.record

    # 7. Funds and memory.
    funds, payers = funds_jax.settle(
        market, closed.funds, worth, done.pending, done.income, state.price,
        lambda: funds_jax.profits(market, done.executed, survival, price, drawn.crowd),
    )  # fmt: skip
    record = recording.funds(record, payers, done.income, now["minutes"], funds.spent.any(0))
    paid, record = pay(market, drawn, state, record, price, end.fundamental, now)
    record = recording.prices(record, arrays, price, state.exogenous + move)
    flows = done.flows
    if parts.response is not None and flows is not None:
        moves = ((price - state.price) * arrays.index_weight).sum(axis=-1)
        flows = flows._replace(memory=flow.remember(parts.response, flows.memory, moves))
    after = state._replace(
        exogenous=state.exogenous + move,
        fundamental=end.fundamental,
        price=price,
        q=end.q,
        memory=withdrawal.remember(arrays, state.memory, price - state.price),
        frontier=end.frontier,
        executed=done.executed,
        survival=survival,
        funds=funds,
        status=state.status | selling.status(sold),
        counters=state.counters + selling.counted(displaced, sold),
        record=record,
        account=done.account,
        flows=flows,
        vault=done.vault,
        whale=done.whale,
        process=process,
        paid=paid,
        **trades.remember(
            market, state, sold.trading, rules_of_marks, end.fundamental, price, moved,
            sold.with_extra(sold.into_books(end.wanted)), sold.with_extra(end.flow), sold.limit, now,
        ),
    )  # fmt: skip
    return after, {
        "flow": closed.flow + done.dollars, "price": price, "coins": closed.coins, "dollars": closed.dollars,
    }  # fmt: skip


def charged(market, state, offset, now):
    """Distances with what funding and raised margins add for isolated positions: [asset, side, venue]."""
    parts = market.parts
    if parts.funding is not None:
        offset = offset + funding.charge(parts.funding, state.paid, state.price)
    return offset if parts.margin_raise is None else offset + now["margin"]


def pay(market, drawn, state, record, price, fundamental, now):
    """Funding of the step, on what is still open at its end: paid since the start, and the record.

    price, fundamental: log, at the end of the step
    """
    parts = market.parts
    if parts.funding is None:
        return None, record
    spike = now["spike"]
    if parts.event is not None:
        spike = spike + overlay.rate(parts.event, drawn.events, now)
    due = funding.accrual(parts.funding, (price - fundamental[:, None]) / PERCENT, price, spike)
    held = funding.open_notional(parts.funding, market.arrays, record["coins"], record["deleveraged_coins"])
    return state.paid + due, recording.funding_paid(record, due * held)


def path_of(shape, rules, market: Market, drawn: Drawn):
    """Every field of the outcome of one path, by name, with `status` and `counters`."""

    def body(state, now):
        return step(shape, rules, market, drawn, state, now)

    body = jax.checkpoint(body) if rules.gradients else body
    now = timeline(shape, market.arrays, market.parts)
    state, steps = jax.lax.scan(body, initial(shape, market, drawn), now)
    left = funds_jax.end(
        market, state.funds,
        lambda: funds_jax.profits(market, state.executed, state.survival, state.price, drawn.crowd),
    )  # fmt: skip
    record = recording.add(state.record, loss=recording.losses(**left)) if left else state.record
    record, last = recording.ended(record, market, state.vault, state.price)
    found = recording.fields(shape, market.arrays, record, steps) | last
    broken = recording.check(market, record, state.funds, state.price, steps["flow"])
    return found | {"status": state.status | broken, "counters": state.counters}
