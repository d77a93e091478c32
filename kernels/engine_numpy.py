"""The reference engine: a batch of paths, step by step, in NumPy float64.

This is the specification of what a step does and in which order; the fused engine must agree.
"""

from __future__ import annotations

import numpy as np

from kernels import crowd_numpy, outcome
from kernels import selling_numpy as selling
from kernels import settlement_numpy as settlement
from kernels import trading_numpy as trading
from kernels.batch import Batch
from kernels.mechanisms.account import step_numpy as account
from kernels.mechanisms.adl import step_numpy as adl
from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book import step_numpy as book
from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.exogenous import step_numpy as exogenous
from kernels.mechanisms.exogenous.memory_numpy import Memory
from kernels.mechanisms.flow import step_numpy as flow
from kernels.mechanisms.funding import step_numpy as funding
from kernels.mechanisms.liquidation import step_numpy as liquidation
from kernels.mechanisms.mark import step_numpy as mark
from kernels.mechanisms.outage import step_numpy as outage
from kernels.mechanisms.overlay import step_numpy as overlay
from kernels.mechanisms.vault import default_numpy as vault_default
from kernels.mechanisms.vault import step_numpy as vault
from kernels.mechanisms.withdrawal import step_numpy as withdrawal
from kernels.parts.record.record_numpy import Record
from kernels.parts.trace import Rounds
from kernels.parts.trace.replay_numpy import ReplayTrace
from kernels.parts.trace.trace_numpy import Trace
from kernels.scenario import Scenario
from kernels.state import PathState, initial


def step(
    scenario: Scenario,
    state: PathState,
    record: Record,
    counters,
    n: int,
    returns,
    deviation,
    drawn=None,
    chance=None,
    told=None,
) -> None:
    """One step of all paths, in place; `returns` and `deviation` [path, asset] are exogenous.

    drawn : where in the list of winners a random start of deleveraging begins [path, asset]
    chance: uniform numbers of outages [path, venue]
    told  : takes what happens, where a replay asks for it
    """
    arrays = scenario.arrays
    record.step = n

    # Accounts are held to what they have paid and what is asked of them by now.
    scenario = account.in_force(scenario, state, n)

    # 1. What would have happened anyway, and the stress laid over it.
    events = state.drawn
    move = returns + overlay.shock(arrays, n) + (0 if events is None else events.shock(n))
    before = state.fundamental.copy(), book.displacement(state.q, arrays.alpha, arrays.band)
    state.exogenous += move
    state.fundamental += move

    # 2. Books: refill, who trades, depth in force, arbitrage.
    q = book.refill(state.q, arrays.refill, arrays.alpha)
    market = trading.begin(scenario, state, q, n, chance)
    full = overlay.depth(arrays, n) * (1 if events is None else events.depth(n))
    depth = withdrawal.depth(arrays, state.memory, full) * market.depth
    displaced = (q != 0).any(axis=-1)
    q = trading.even_out(arrays, market, q, depth)

    # 3. Decisions, frozen for the step: marks of round 0, who is triggered, which ADL is on.
    start = book.displacement(q, arrays.alpha, arrays.band)
    price = market.traded(state.price, state.fundamental[..., None] + PERCENT * start)
    rules = trading.marks(scenario, state, market, price, before, n)
    marks = rules.price(state.fundamental, start)
    # Marks that stand still do not move between checks either.
    monitoring = np.where(state.frozen, 0.0, (arrays.monitoring * deviation)[..., None])
    watched = np.stack([monitoring, monitoring], axis=2)
    charged = charges(scenario, state, n)
    offset = watched + charged
    reached = rules.reached(liquidation.distance(marks, offset))
    frontier = np.maximum(state.frontier, np.where(arrays.listed[:, None], reached, 0.0))
    orders = None
    if scenario.parts.flow is not None:
        orders = flow.orders(scenario.parts.flow, state.flow_waiting, n)
        if scenario.parts.response is not None:
            orders = orders + flow.responses(scenario.parts.response, state.flow_memory)
        if scenario.parts.premium is not None:
            index = (state.price * arrays.index_weight).sum(axis=-1)
            orders, state.company_left = flow.by_premium(
                scenario.parts.premium, orders, state.company_left, index
            )
    state.funds.begin(n, arrays.index_weight, state.price)
    deleveraging = adl.is_on(arrays, state.funds)

    # 4. Auto-deleveraging of what is bankrupt on arrival.
    if deleveraging.any():
        settlement.deleverage(scenario, state, record, deleveraging, market.halted, marks, frontier, drawn)
        if scenario.parts.account is not None:
            together = state.funds.together(deleveraging) & ~market.halted.any(axis=1)
            settlement.deleverage_accounts(scenario, state, record, together, marks, watched, drawn)

    taking = None
    if state.vault is not None:
        vault_default.settle(scenario, state, record, market.halted, np.exp(marks), drawn)
        most = vault.past_threshold(scenario, state, rules.reached(liquidation.distance(marks, charged)))
        taking, orders = state.vault.taking(most), vault.join(state.vault, orders, market)

    # 5. The forced selling: cascades, and accounts that they set off.
    state.frontier = frontier
    sold = selling.run(scenario, state, q, depth, offset, watched, rules, market, orders, taking, told)
    count(counters, displaced, sold)

    # 6. Fills and losses.
    moved = book.displacement(sold.q, arrays.alpha, arrays.band)
    fill = selling.fills(arrays, sold, state.fundamental, start, moved)
    price = market.traded(state.price, sold.fundamental[..., None] + PERCENT * moved)
    if told is not None:
        told.end(sold, fill, rules, market, full, deleveraging)
    state.fundamental = sold.fundamental
    note(scenario, state, record, sold, depth)
    settlement.execute(scenario, state, record, counters, sold, fill, price)

    # 7. Funds and memory.
    settlement.settle(scenario, state, record, n, price)
    state.memory = withdrawal.remember(arrays, state.memory, price - state.price)
    if rules.special is not None and scenario.parts.marking is not None:
        state.basis = mark.remember(scenario.parts.marking, state.basis, rules, state.fundamental, price)
    if scenario.parts.response is not None:
        move = ((price - state.price) * arrays.index_weight).sum(axis=-1)
        state.flow_memory = flow.remember(scenario.parts.response, state.flow_memory, move)
    state.price, state.q = price, sold.q
    if scenario.parts.funding is not None:
        pay(scenario, state, record, n)
    trading.end(scenario, state, market, sold, rules, moved, n)
    record.prices(state)


def charges(scenario, state, n):
    """Distance added for isolated positions by funding and raised margins: [path, asset, side, venue]."""
    parts = scenario.parts
    total = np.zeros(state.frontier.shape)
    if parts.funding is not None:
        total += funding.charge(parts.funding, state.paid, state.price)
    if parts.margin_raise is not None:
        total += overlay.margin(parts.margin_raise, n)
    return total


def pay(scenario, state, record, n) -> None:
    """Funding of the step, on what is still open at its end."""
    displacement = (state.price - state.fundamental[..., None]) / PERCENT
    spike = 0.0 if state.drawn is None else state.drawn.rate(n)
    due = funding.accrual(scenario.parts.funding, displacement, state.price, n, spike)
    held = funding.open_notional(
        scenario.parts.funding, scenario.arrays, record.coins, record.deleveraged_coins
    )
    state.paid = state.paid + due
    record.funding_paid(due * held)


def note(scenario, state, record, sold, depth) -> None:
    """Status bits, branching ratio and backlog of a step's selling."""
    waiting = np.maximum(sold.wanted - sold.flow, 0.0).sum(axis=(1, 2))
    room = sold.executable(sold.room)
    exhausted = ((sold.wanted > room) & (sold.flow >= room)).any(axis=(1, 2, 3))
    exhausted |= sold.overrun
    sales = sold.accounts
    if sales is not None:
        late = scenario.parts.account.losing * np.maximum(sales.due - sales.flow, 0.0)
        waiting = waiting + late.sum(axis=1)
        exhausted |= sales.exhausted
    state.status[exhausted] |= outcome.EXHAUSTED
    state.status[~sold.converged.all(axis=1)] |= outcome.UNCONVERGED
    state.status[sold.unanswered] |= outcome.UNANSWERED
    record.cascades(sold.active, sold.first, selling.gross(sold), depth)
    record.backlogs(waiting)


def count(counters, displaced, sold) -> None:
    """Count asset-steps: all, displaced but calm, with a cascade; of these with both sides."""
    counters["asset_steps"] += displaced.size
    counters["calm"] += (displaced & ~sold.active).sum()
    counters["active"] += sold.active.sum()
    counters["mixed"] += (sold.flow > DUST).any(axis=3).all(axis=2).sum()
    counters["rounds"] += sold.rounds.sum()
    counters["unconverged"] += (~sold.converged).sum()


def run_paths(scenario: Scenario, seed: int, first: int, count: int) -> Batch:
    """Simulate paths `first` to `first + count - 1`; see `kernels.engines.run_paths`."""
    return run(scenario, seed, first, Record(scenario, count))


def trace_paths(scenario: Scenario, seed: int, first: int, count: int) -> tuple[Batch, np.ndarray]:
    """The same, and cells [path, step, cell]; see `kernels.engines.Engine.trace_paths`."""
    trace = Trace(scenario, count)
    return run(scenario, seed, first, Record(scenario, count), trace), trace.cells


def replay(scenario: Scenario, seed: int, path: int) -> tuple[Batch, np.ndarray, Rounds]:
    """One path, cells [step, cell] and rounds; see `kernels.engines.Engine.replay`."""
    record = Record(scenario, 1)
    trace = ReplayTrace(scenario, record)
    return run(scenario, seed, path, record, trace), trace.cells[0], trace.rounds()


def run(scenario: Scenario, seed: int, first: int, record: Record, trace: Trace | None = None) -> Batch:
    """As many paths as `record` has room for."""
    shape, count = scenario.shape, len(record.sold_by)
    path = np.arange(first, first + count, dtype=np.uint64)
    events = overlay.drawn(scenario, seed, path)
    state = initial(scenario, count, crowd_numpy.drawn(scenario, seed, path), events)
    counters, memory = dict.fromkeys(outcome.COUNTERS, 0), Memory()
    for n in range(shape.n_step):
        volatility = overlay.volatility(scenario.arrays, n) * (1 if events is None else events.volatility(n))
        returns, deviation = exogenous.step(scenario, seed, path, n, volatility, memory)
        drawn = adl.starts(scenario, seed, path, n)
        chance = outage.draw(scenario, seed, path, n) if scenario.parts.outage is not None else None
        told = None if trace is None else trace.told
        step(scenario, state, record, counters, n, returns, deviation, drawn, chance, told)
        if trace is not None:
            trace.take(n, state, record)
    settlement.end(scenario, state, record)
    rows = record.rows(state)
    return Batch(rows, state.status, np.array([counters[c] for c in outcome.COUNTERS], np.int64))
