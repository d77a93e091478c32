"""The reference engine: a batch of paths, step by step, in NumPy float64.

This is the specification of what a step does and in which order; the fused engine must agree.
"""

from __future__ import annotations

import numpy as np

from kernels import outcome
from kernels.batch import Batch
from kernels.mechanisms.adl import step_numpy as adl
from kernels.mechanisms.arbitrage import step_numpy as arbitrage
from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book import step_numpy as book
from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.cascade import step_numpy as cascade
from kernels.mechanisms.exogenous import step_numpy as exogenous
from kernels.mechanisms.exogenous.memory_numpy import Memory
from kernels.mechanisms.liquidation import step_numpy as liquidation
from kernels.mechanisms.mark import step_numpy as mark
from kernels.mechanisms.overlay import step_numpy as overlay
from kernels.mechanisms.waterfall import step_numpy as waterfall
from kernels.mechanisms.withdrawal import step_numpy as withdrawal
from kernels.parts.record.record_numpy import Record
from kernels.scenario import Scenario
from kernels.state import PathState, initial


def step(scenario: Scenario, state: PathState, record: Record, counters, n: int, returns, deviation) -> None:
    """One step of all paths, in place; `returns` and `deviation` [path, asset] are exogenous."""
    arrays = scenario.arrays
    record.step = n

    # 1. What would have happened anyway, and the stress laid over it.
    move = returns + overlay.shock(arrays, n)
    state.exogenous += move
    state.fundamental += move
    monitoring = arrays.monitoring * deviation

    # 2. Books: refill, depth in force, arbitrage.
    q = book.refill(state.q, arrays.refill, arrays.alpha)
    depth = withdrawal.depth(arrays, state.memory, overlay.depth(arrays, n))
    displaced = (q != 0).any(axis=-1)
    if displaced.any():
        at = np.nonzero(displaced)
        asset = at[1]
        shapes = arrays.alpha[asset], arrays.band[asset]
        q[at] = arbitrage.step(q[at], depth[at], *shapes, arrays.arbitrage[asset, None])

    # 3. Decisions, frozen for the step: marks of round 0, who is triggered, which ADL is on.
    start = book.displacement(q, arrays.alpha, arrays.band)
    marks = mark.mark(state.fundamental, start, arrays.mark_weight)
    reached = liquidation.distance(marks, monitoring)
    frontier = np.maximum(state.frontier, np.where(arrays.listed[:, None], reached, 0.0))
    available = state.fund.copy()
    deleveraging = adl.is_on(arrays, state.fund, state.fund_peak, state.spent)

    # 4. Auto-deleveraging of what is bankrupt on arrival.
    if deleveraging.any():
        deleverage(scenario, state, record, deleveraging, marks, frontier)

    # 5. and 6. The cascade, its fills and losses.
    price = state.fundamental[..., None] + PERCENT * start
    state.frontier = frontier
    waiting = cascades(scenario, state, record, counters, displaced, q, depth, start, monitoring, price)
    record.backlogs(waiting.sum(axis=(1, 2)))

    # 7. Funds and memory.
    settle(scenario, state, record, n, available)
    state.memory = withdrawal.remember(arrays, state.memory, price - state.price)
    state.price, state.q = price, q
    record.prices(state)


def deleverage(scenario, state, record, on, marks, frontier) -> None:
    """Close bankrupt positions of the venues in `on` [path, venue] against winners, market by market."""
    arrays = scenario.arrays
    behind = (frontier[:, :, :, None, :] > state.executed).any(axis=(2, 3))
    path, asset, venue = np.nonzero(on[:, None, :] & arrays.listed & behind)
    if len(path) == 0:
        return
    side, closed = adl.close(
        arrays, asset, venue, marks[path, asset, venue], state.executed[path, asset, :, :, venue],
        frontier[path, asset, :, venue], state.survival[path, asset, :, venue],
    )  # fmt: skip
    state.executed[path, asset, side, :, venue] = closed.executed
    state.survival[path, asset, 1 - side, venue] = closed.survival
    record.deleveraged(path, asset, side, venue, closed.notional, closed.margin, closed.forgone, closed.taken)


def cascades(scenario, state, record, counters, displaced, q, depth, start, monitoring, price):
    """Run the cascades of a step; `q` and `price` [path, asset, venue] are moved in place.

    returns: notional triggered and not executed, USD [path, asset, side, venue]
    """
    arrays = scenario.arrays
    waiting = np.zeros(state.frontier.shape)
    new = (state.frontier[:, :, :, None, :] > state.executed).any(axis=(2, 3, 4))
    path, asset = np.nonzero(new)
    base = liquidation.executed_total(arrays, asset, state.executed[path, asset], state.survival[path, asset])
    wanted = liquidation.forced_total(arrays, asset, state.frontier[path, asset], state.survival[path, asset])
    some = (wanted > base).any(axis=(1, 2))
    # Frontiers that pass nobody are executed as they stand.
    state.executed[path[~some], asset[~some]] = state.frontier[path[~some], asset[~some]][:, :, None, :]
    path, asset, base = path[some], asset[some], base[some]
    count(counters, displaced, len(path), np.unique(path * q.shape[1] + asset), q.shape)
    if len(path) == 0:
        return waiting

    sells, buys = book.room(q[path, asset], arrays.alpha[asset], arrays.band[asset], arrays.hard_end[asset])
    depths = depth[path, asset]
    with np.errstate(invalid="ignore"):
        room = np.stack([np.where(np.isfinite(x), x * depths, np.inf) for x in (sells, buys)], axis=1)
    limit = np.minimum(room, arrays.throughput[asset][:, None, :])
    survival = state.survival[path, asset]
    end = cascade.run(
        arrays, asset, state.fundamental[path, asset], q[path, asset], depths, state.frontier[path, asset],
        base, limit, survival, monitoring[path, asset],
    )  # fmt: skip
    waiting[path, asset] = np.maximum(end.wanted - end.flow, 0.0)
    exhausted = ((end.wanted > room) & (end.flow >= room)).any(axis=(1, 2))
    np.bitwise_or.at(state.status, path[exhausted], np.uint32(outcome.EXHAUSTED))
    np.bitwise_or.at(state.status, path[~end.converged], np.uint32(outcome.UNCONVERGED))
    counters["mixed"] += np.all((end.flow > DUST).any(axis=2), axis=1).sum()
    counters["rounds"] += end.rounds.sum()
    counters["unconverged"] += (~end.converged).sum()

    moved = book.displacement(end.q, arrays.alpha[asset], arrays.band[asset])
    mean = book.mean_displacement(start[path, asset], moved, arrays.alpha[asset], arrays.band[asset])
    middle = (state.fundamental[path, asset] + end.fundamental) / 2
    fill = np.exp(middle[:, None] + PERCENT * mean)
    q[path, asset] = end.q
    price[path, asset] = end.fundamental[:, None] + PERCENT * moved
    others = np.ones(state.fundamental.shape, bool)
    others[path, asset] = False
    state.fundamental[path, asset] = end.fundamental
    state.frontier[path, asset] = end.frontier
    record.cascades(path, asset, depths, end)
    execute(scenario, state, record, counters, path, asset, end, fill)
    return waiting


def count(counters, displaced, n_active, active, shape) -> None:
    """Count asset-steps: all, displaced but calm, with a cascade."""
    calm = displaced.copy().reshape(-1)
    calm[active] = False
    counters["asset_steps"] += shape[0] * shape[1]
    counters["calm"] += calm.sum()
    counters["active"] += n_active


def execute(scenario, state, record, counters, path, asset, end, fill) -> None:
    """Advance executed frontiers by the flow of the step and settle each slice at its fill."""
    arrays = scenario.arrays
    row, side, venue = np.nonzero(end.flow > 0)
    counters["flushes"] += len(row)
    p, a = path[row], asset[row]
    survival = state.survival[p, a, side, venue]
    before = state.executed[p, a, side, :, venue]
    frontier = end.frontier[row, side, venue]
    after = np.maximum(before, frontier[:, None])
    late = np.nonzero(end.flow[row, side, venue] < end.wanted[row, side, venue])[0]
    if len(late):
        after[late] = liquidation.advance(
            arrays, a[late], side[late], venue[late], before[late], after[late], survival[late],
            end.flow[row, side, venue][late],
        )  # fmt: skip
    settle_slices(scenario, record, p, a, side, venue, before, after, survival, fill[row, venue])
    # Markets of the asset where nobody was in the way: their frontier is executed as it stands.
    idle_row, idle_side, idle_venue = np.nonzero((end.flow == 0) & (end.wanted == 0))
    state.executed[path[idle_row], asset[idle_row], idle_side, :, idle_venue] = np.maximum(
        state.executed[path[idle_row], asset[idle_row], idle_side, :, idle_venue],
        end.frontier[idle_row, idle_side, idle_venue][:, None],
    )
    state.executed[p, a, side, :, venue] = after


def settle_slices(scenario, record, path, asset, side, venue, before, after, survival, price) -> None:
    """Losses and fees of the slices between executed frontiers [n, group], bin by bin."""
    arrays = scenario.arrays
    partial = arrays.group_partial[asset, side, :, venue]
    sums = np.zeros((5, len(path), scenario.shape.n_tier))
    for start, end in liquidation.pieces(before, after):
        notional, lost, deficit, left = liquidation.slice_losses(
            arrays, asset, side, venue, start, end, survival, price
        )
        fee, surplus = waterfall.fees(arrays, venue, notional, left, price, partial)
        sums += [x.sum(axis=1) for x in (notional, lost, deficit, fee, surplus)]
    record.forced(path, asset, side, venue, price, *sums)


def settle(scenario, state, record, n, available) -> None:
    """Draw the insurance funds for the step's deficits; add fees and surplus."""
    deficit = record.pending.sum(axis=2)
    drawn, _ = waterfall.draw(available, deficit)
    state.spent = (deficit > DUST) & (deficit >= available)
    minutes = (n + 1) * scenario.shape.dt_seconds / 60
    record.funds(drawn, minutes, state.spent)
    state.fund = state.fund - drawn + (record.surplus - record.received)
    record.received = record.surplus.copy()
    state.fund_peak = np.maximum(state.fund_peak, state.fund)


def run_paths(scenario: Scenario, seed: int, first: int, count: int) -> Batch:
    """Simulate paths `first` to `first + count - 1`; see `kernels.engines.run_paths`."""
    shape = scenario.shape
    path = np.arange(first, first + count, dtype=np.uint64)
    state, record = initial(scenario, count), Record(scenario, count)
    counters, memory = dict.fromkeys(outcome.COUNTERS, 0), Memory()
    for n in range(shape.n_step):
        volatility = overlay.volatility(scenario.arrays, n)
        returns, deviation = exogenous.step(scenario, seed, path, n, volatility, memory)
        step(scenario, state, record, counters, n, returns, deviation)
    rows = record.rows(state)
    return Batch(rows, state.status, np.array([counters[c] for c in outcome.COUNTERS], np.int64))
