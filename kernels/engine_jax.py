"""The engine in JAX: a differentiable twin of the reference, on the same arrays and the same draws.

One path is written out, in the order of engine_numpy.py; all paths of a batch are one `vmap` of it, and
steps are one `scan`. docs/differentiable.md says what its gradients mean.
"""

from __future__ import annotations

import dataclasses
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from kernels import outcome
from kernels import selling_jax as selling
from kernels import settlement_jax as settlement
from kernels import trading_jax as trades
from kernels.batch import Batch, EngineError
from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book import step_jax as book
from kernels.mechanisms.cascade import MAX_ROUNDS, TOLERANCE
from kernels.mechanisms.exogenous import step_jax as exogenous
from kernels.mechanisms.funding import step_jax as funding
from kernels.mechanisms.liquidation import step_jax as liquidation
from kernels.mechanisms.overlay import step_jax as overlay
from kernels.mechanisms.waterfall import funds_jax
from kernels.mechanisms.withdrawal import step_jax as withdrawal
from kernels.parts.record import record_jax as recording
from kernels.scenario import PARTS, Parts, Scenario, ScenarioArrays
from kernels.state_jax import Drawn, Market, Rules, State, initial, market_of
from kernels.state_jax import drawn as drawn_of
from kernels.timeline_jax import timeline

BLOCK = 128
"""Paths that are run together, from its multiples on: a path has the same bits in any range."""


KNOWN = (
    "adl",
    "bootstrap",
    "correlation",
    "event",
    "feed",
    "funding",
    "halt",
    "margin_raise",
    "marking",
    "outage",
    "regimes",
    "stochastic_volatility",
    "waterfall",
)
"""Parts that this engine has."""


def unsupported(scenario: Scenario) -> str | None:
    """What this engine lacks for a scenario, in a sentence; None if nothing."""
    lacking = [name for name in PARTS if name not in KNOWN and getattr(scenario.parts, name) is not None]
    if not lacking:
        return None
    return (
        f"the engine jax does not have these mechanisms yet: {', '.join(lacking)}. "
        "Leave them out, or take another engine"
    )


def step(shape, rules, market: Market, drawn: Drawn, state: State, now):
    """One step of one path; now: what is in force in it, by name, and the number of the step.

    returns: state, and what the record needs of every step
    """
    arrays, parts, factor = market.arrays, market.parts, drawn.events

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
    offset = charged(market, state, trades.watched(market, rules_of_marks, deviation), now)
    reached = rules_of_marks.reached(liquidation.distance(marks, offset))
    frontier = jnp.maximum(state.frontier, jnp.where(arrays.listed[:, None], reached, 0.0))
    worth, funds = funds_jax.worth(market, state.funds, now["number"], state.price)

    # 4. Auto-deleveraging of what is bankrupt on arrival.
    closed = settlement.deleverage(
        shape, market, drawn, state._replace(funds=funds), trading, worth, marks, frontier, now
    )
    survival, record, pending = closed.survival, closed.record, closed.pending

    # 5. The forced selling.
    rows = selling.cumulative(market, survival)
    sold = selling.run(
        rules, market, trading, rules_of_marks, rows, closed.executed, survival, frontier, fundamental, q,
        depth, offset,
    )  # fmt: skip
    end = sold.end

    # 6. Fills and losses.
    moved = book.displacement(end.q, arrays.alpha, arrays.band)
    mean = book.mean_displacement(start, moved, arrays.alpha, arrays.band)
    fill = jnp.exp(((fundamental + end.fundamental) / 2)[:, None] + PERCENT * mean)
    price = trading.traded(state.price, end.fundamental[:, None] + PERCENT * moved)
    record = recording.cascades(record, end.rounds > 0, end.first, end.flow.sum((1, 2)), depth)
    record = recording.backlogs(record, jnp.maximum(end.wanted - end.flow, 0.0).sum((0, 1)))
    executed, slices = settlement.settle(market, rows, sold.executed, survival, end, fill, state.paid)
    record, booked = recording.forced(record, arrays, fill, *slices[:4])
    pending = pending + market.by_pot(slices[2].sum(1))
    income = market.by_pot((slices[3] + slices[4]).sum((1, 3)))

    # 7. Funds and memory.
    funds, payers = funds_jax.settle(
        market, closed.funds, worth, pending, income, state.price,
        lambda: funds_jax.profits(market, executed, survival, price),
    )  # fmt: skip
    record = recording.funds(record, payers, income, now["minutes"], funds.spent.any(0))
    paid, record = pay(market, drawn, state, record, price, end.fundamental, now)
    record = recording.prices(record, arrays, price, state.exogenous + move)
    after = state._replace(
        exogenous=state.exogenous + move,
        fundamental=end.fundamental,
        price=price,
        q=end.q,
        memory=withdrawal.remember(arrays, state.memory, price - state.price),
        frontier=end.frontier,
        executed=executed,
        survival=survival,
        funds=funds,
        status=state.status | selling.status(sold),
        counters=state.counters + selling.counted(displaced, sold),
        record=record,
        process=process,
        paid=paid,
        **trades.remember(
            market, state, sold.trading, rules_of_marks, end.fundamental, price, moved, end.wanted, end.flow,
            sold.limit, now,
        ),
    )  # fmt: skip
    return after, {
        "flow": closed.flow + booked, "price": price, "coins": closed.coins, "dollars": closed.dollars,
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
        lambda: funds_jax.profits(market, state.executed, state.survival, state.price),
    )  # fmt: skip
    record = recording.add(state.record, loss=recording.losses(**left)) if left else state.record
    found = recording.fields(shape, market.arrays, record, steps)
    broken = recording.check(market, record, state.funds, state.price, steps["flow"])
    return found | {"status": state.status | broken, "counters": state.counters}


def simulate(shape, rules, fixed, floats, seed, path):
    """Every field of the outcome of paths, by name, with `status` and `counters`; all [path, ...].

    fixed : what is no float, and so no number to differentiate by, in NumPy by name, and `thinning`
    floats: the scenario's float arrays by name: the function is differentiable in each of them
    seed  : low and high word, uint32; path: the same, [path] each
    """
    whole = fixed | floats
    arrays = ScenarioArrays(**{name: whole[name] for name in leaves(ScenarioArrays)})
    parts = Parts(
        **{
            part: kind(**{name: whole[f"{part}.{name}"] for name in leaves(kind)})
            for part, kind in PARTS.items()
            if f"{part}.{leaves(kind)[0]}" in whole
        }
    )
    market = market_of(arrays, parts, fixed["thinning"])
    return jax.vmap(lambda path: path_of(shape, rules, market, drawn_of(market, seed, path)))(path)


def leaves(kind) -> list[str]:
    """Names of the arrays of a part, or of the scenario's own."""
    return [f.name for f in dataclasses.fields(kind)]


def named(scenario: Scenario) -> dict[str, np.ndarray]:
    """All arrays of a scenario by name; those of parts are called `part.leaf`."""
    found = {name: getattr(scenario.arrays, name) for name in leaves(ScenarioArrays)}
    for part, kind in PARTS.items():
        held = getattr(scenario.parts, part)
        if held is not None:
            found |= {f"{part}.{name}": getattr(held, name) for name in leaves(kind)}
    return found


@cache
def compiler_options() -> dict[str, bool]:
    """Options of XLA that halve the time it takes to compile and cost nothing later, where it knows them."""
    options = {"xla_cpu_use_fusion_emitters": False}
    try:
        jax.jit(lambda x: x + 1, compiler_options=options)(np.zeros(1, np.float32))
    except Exception:  # an option that this version does not have; XLA has types of its own for that
        return {}
    return options


def halves(number):
    """Low and high word of integers below 2**64."""
    number = np.asarray(number, np.uint64)
    return (number & np.uint64(0xFFFFFFFF)).astype(np.uint32), (number >> np.uint64(32)).astype(np.uint32)


class Engine:
    """The engine bound to one scenario.

    precision: "float64", which agrees with the reference to rounding, or "float32"
    tolerance: of the rounds, as a share of depth; gradients are those of the limit, where it is zero
    """

    def __init__(
        self,
        scenario: Scenario,
        precision: str = "float64",
        tolerance: float = TOLERANCE,
        max_rounds: int = MAX_ROUNDS,
    ):
        if reason := unsupported(scenario):
            raise EngineError(reason)
        self.scenario, self.precision = scenario, precision
        values = named(scenario)
        self.floats = {name: x for name, x in values.items() if x.dtype == np.float64}
        """The arrays that a gradient is taken by, NumPy float64 by name."""
        fixed = {name: x for name, x in values.items() if name not in self.floats}
        fixed["thinning"] = np.asarray((scenario.arrays.alpha > 1).any(axis=-1, keepdims=True))
        rules = Rules(False, float(tolerance), int(max_rounds))
        self._run = jax.jit(
            partial(simulate, scenario.shape, rules, fixed), compiler_options=compiler_options()
        )
        self._smooth = partial(simulate, scenario.shape, rules._replace(gradients=True), fixed)

    def wide(self):
        """A context in which JAX has the precision of this engine; nothing outside it changes."""
        return jax.enable_x64(self.precision == "float64")

    def arrays(self):
        """`floats` in this engine's precision: what `simulate` takes. Within `wide()`."""
        return {name: jnp.asarray(x, self.precision) for name, x in self.floats.items()}

    def simulate(self, arrays, seed: int, first: int, count: int):
        """Fields of the outcome by name, [path, *dims], of a range of paths; within `wide()`.

        Pure, and differentiable in every array of `arrays`; see `kernels.outcome.FIELDS`.
        """
        path = np.arange(first, first + count, dtype=np.uint64)
        return self._smooth(arrays, halves(seed), halves(path))

    def gradient(self, measure, seed: int, first: int, count: int):
        """A number of the outcome and its gradient by every float array, NumPy by name.

        measure: makes a number of the fields of paths, in JAX
        """
        with self.wide():
            of = jax.value_and_grad(lambda arrays: measure(self.simulate(arrays, seed, first, count)))
            of = jax.jit(of, compiler_options=compiler_options())
            value, slope = of(self.arrays())
            return float(value), {name: np.asarray(x, np.float64) for name, x in slope.items()}

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """Rows of paths `first` to `first + count - 1`; see `kernels.engines`. Threads are those of XLA."""
        rows, bits, counters = [], [], np.zeros(len(outcome.COUNTERS), np.int64)
        begin = first - first % BLOCK
        with self.wide():
            arrays = self.arrays()
            for low in range(begin, first + count, BLOCK):
                path = np.arange(low, low + BLOCK, dtype=np.uint64)
                found = self._run(arrays, halves(seed), halves(path))
                found = {name: np.asarray(x) for name, x in found.items()}
                mine = slice(max(first - low, 0), min(first + count - low, BLOCK))
                rows.append(recording.rows(self.scenario.shape, found)[mine])
                bits.append(found["status"][mine].astype(np.uint32))
                counters += found["counters"][mine].sum(axis=0, dtype=np.int64)
        if not rows:
            n_cell = outcome.Layout(self.scenario.shape).n_cell
            rows, bits = [np.empty((0, n_cell), self.precision)], [np.empty(0, np.uint32)]
        return Batch(np.concatenate(rows), np.concatenate(bits), counters)


def prepared(scenario: Scenario) -> Engine:
    """The engine for a scenario; see `kernels.engines.Engine`."""
    return Engine(scenario)
