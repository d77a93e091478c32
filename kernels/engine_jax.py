"""The engine in JAX: a differentiable twin of the reference, on the same arrays and the same draws.

One path is written out, in the order of engine_numpy.py; all paths of a batch are one `vmap` of it, and
steps are one `scan`. docs/differentiable.md says what its gradients mean.
"""

from __future__ import annotations

import dataclasses
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kernels import outcome
from kernels.batch import Batch, EngineError
from kernels.mechanisms.adl import ADL_NONE
from kernels.mechanisms.arbitrage import step_jax as arbitrage
from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book import step_jax as book
from kernels.mechanisms.cascade import DUST, MAX_ROUNDS, TOLERANCE
from kernels.mechanisms.cascade import step_jax as cascade
from kernels.mechanisms.exogenous import step_jax as exogenous
from kernels.mechanisms.liquidation import step_jax as liquidation
from kernels.mechanisms.mark import step_jax as mark
from kernels.mechanisms.waterfall import step_jax as waterfall
from kernels.mechanisms.withdrawal import step_jax as withdrawal
from kernels.parts.record import record_jax as recording
from kernels.scenario import PARTS, Scenario, ScenarioArrays

BLOCK = 128
"""Paths that are run together, from its multiples on: a path has the same bits in any range."""


class Rules(NamedTuple):
    """What a compiled program is made for, besides its shape."""

    gradients: bool = False
    """Ends of cascades have slopes."""
    tolerance: float = TOLERANCE
    max_rounds: int = MAX_ROUNDS


def unsupported(scenario: Scenario) -> str | None:
    """What this engine lacks for a scenario, in a sentence; None if nothing."""
    # Where winners stand matters to nobody who does not deleverage.
    lacking = [name for name in PARTS if name != "adl" and getattr(scenario.parts, name) is not None]
    if (scenario.arrays.adl_policy != ADL_NONE).any():
        lacking.append("adl")
    if not lacking:
        return None
    return (
        f"the engine jax does not have these mechanisms yet: {', '.join(lacking)}. It knows isolated "
        "positions, books, marks that are weighted means, and funds in cash. Leave the others out, or take "
        "another engine"
    )


class State(NamedTuple):
    """What evolves, of one path; see kernels/state.py."""

    exogenous: jax.Array  # [asset]
    fundamental: jax.Array  # [asset]
    price: jax.Array  # [asset, venue]
    q: jax.Array  # [asset, venue]
    memory: jax.Array  # [asset, venue]
    frontier: jax.Array  # [asset, side, venue]
    executed: jax.Array  # [asset, side, group, venue]; one group where all are executed together
    fund: jax.Array  # [venue]
    spent: jax.Array  # bool [venue]
    status: jax.Array
    counters: jax.Array  # [counter]
    record: dict


class Market(NamedTuple):
    """What does not differ by path and step: arrays and what follows from them."""

    arrays: ScenarioArrays
    tables: liquidation.Tables
    rows: jax.Array  # cumulative notional [asset, side, group, venue, edge]
    thinning: np.ndarray  # assets with a shape above 1, bool [asset, 1]


def initial(shape, arrays) -> State:
    """A path at its start: prices at one, books at rest, calm memory, funds full."""
    dtype = arrays.depth.dtype
    market = (shape.n_asset, shape.n_venue)
    side = (shape.n_asset, 2, shape.n_venue)
    return State(
        exogenous=jnp.zeros(market[0], dtype), fundamental=jnp.zeros(market[0], dtype),
        price=jnp.zeros(market, dtype), q=jnp.zeros(market, dtype), memory=arrays.calm_memory,
        frontier=jnp.zeros(side, dtype), executed=jnp.zeros((*side[:2], 1, side[2]), dtype),
        fund=arrays.fund, spent=jnp.zeros(shape.n_venue, bool), status=jnp.zeros((), jnp.int32),
        counters=jnp.zeros(len(outcome.COUNTERS), jnp.int32), record=recording.begin(shape, dtype),
    )  # fmt: skip


def step(shape, rules, market: Market, state: State, seed, path, now):
    """One step of one path; now: what overlays impose, by name, and the number of the step.

    returns: state, and what the record needs of every step
    """
    arrays, record = market.arrays, state.record

    # 1. What would have happened anyway, and the stress laid over it.
    returns, deviation = exogenous.step(shape, arrays, seed, path, now["number"], now["volatility"])
    move = returns + now["shock"]
    fundamental = state.fundamental + move

    # 2. Books: refill, depth in force, arbitrage.
    q = book.refill(state.q, arrays.refill, arrays.alpha)
    depth = withdrawal.depth(arrays, state.memory, now["depth"])
    displaced = (q != 0).any(axis=-1)
    evened = arbitrage.step(q, depth, arrays.alpha, arrays.band, arrays.arbitrage[:, None], market.thinning)
    q = jnp.where(displaced[:, None], evened, q)

    # 3. Decisions, frozen for the step: marks of round 0 and who is triggered.
    start = book.displacement(q, arrays.alpha, arrays.band)
    marks = mark.mark(fundamental, start, arrays.mark_weight)
    monitoring = jnp.broadcast_to((arrays.monitoring * deviation)[:, None, None], state.frontier.shape)
    reached = jnp.where(arrays.listed[:, None], liquidation.distance(marks, monitoring), 0.0)
    frontier = jnp.maximum(state.frontier, reached)
    worth = state.fund

    # 5. The forced selling.
    sold, executed, room = sell(rules, market, state.executed, frontier, fundamental, q, depth, monitoring)

    # 6. Fills and losses.
    moved = book.displacement(sold.q, arrays.alpha, arrays.band)
    mean = book.mean_displacement(start, moved, arrays.alpha, arrays.band)
    fill = jnp.exp(((fundamental + sold.fundamental) / 2)[:, None] + PERCENT * mean)
    price = sold.fundamental[:, None] + PERCENT * moved
    active = sold.rounds > 0
    record = recording.cascades(record, active, sold.first, sold.flow.sum((1, 2)), depth)
    record = recording.backlogs(record, jnp.maximum(sold.wanted - sold.flow, 0.0).sum((0, 1)))
    executed, slices = settle(market, executed, sold, fill)
    record, dollars = recording.forced(record, arrays, fill, *slices)

    # 7. Funds and memory.
    _, _, deficit, fee, surplus = slices
    pending = deficit.sum((0, 1))
    owed = pending.sum(-1)
    drawn, _ = waterfall.draw(worth, owed)
    share = jnp.where(owed > 0, drawn / jnp.where(owed > 0, owed, 1.0), 0.0)
    paid = share[:, None] * pending
    spent = (owed > DUST) & (owed >= worth)
    record = recording.funds(record, paid, pending - paid, now["minutes"], spent)
    record = recording.prices(record, arrays, price, state.exogenous + move)
    nothing = jnp.zeros_like(price)
    after = State(
        exogenous=state.exogenous + move,
        fundamental=sold.fundamental,
        price=price,
        q=sold.q,
        memory=withdrawal.remember(arrays, state.memory, price - state.price),
        frontier=sold.frontier,
        executed=executed,
        fund=worth - drawn + (fee + surplus).sum((0, 1, 3)),
        spent=spent,
        status=state.status | status(sold, room),
        counters=state.counters + counted(displaced, sold),
        record=record,
    )
    return after, {"flow": dollars, "price": price, "coins": nothing, "dollars": nothing}


def sell(rules, market, executed, frontier, fundamental, q, depth, monitoring):
    """The cascades of all assets: `Cascade` [asset, ...], executed frontiers, room of the books."""
    arrays, rows = market.arrays, market.rows
    room = book.room(q, depth, arrays.alpha, arrays.band, arrays.hard_end)
    limit = jnp.minimum(room, arrays.throughput[:, None, :])
    base = liquidation.forced_total(rows, executed)
    wanted = liquidation.forced_total(rows, frontier[:, :, None])
    new = (frontier[:, :, None] > executed).any(axis=(1, 2, 3))
    active = new & (wanted > base).any(axis=(1, 2))
    # Frontiers that pass nobody are executed as they stand.
    executed = jnp.where((new & ~active)[:, None, None, None], frontier[:, :, None], executed)
    rounds = cascade.Rounds(
        fundamental, q, depth, arrays.alpha, arrays.band, arrays.permanent, arrays.mark_weight, monitoring,
        rows, base, limit, jnp.zeros_like(active),
    )  # fmt: skip
    sold = jax.vmap(partial(cascade.run, rules=rules))(rounds, frontier, active)
    return sold, executed, room


def settle(market, before, sold, fill):
    """Executed frontiers after the step's flow; notional, losses and fees of its slices by tier."""
    arrays, tables = market.arrays, market.tables
    some, reached = sold.flow > 0, sold.frontier[:, :, None]
    late = some & (sold.flow < sold.wanted)
    ahead = liquidation.advance(market.rows, before, reached, sold.flow, late)
    after = jnp.where(some[:, :, None], ahead, before)
    notional, lost, deficit, left = liquidation.slice_losses(tables, arrays, before, after, fill)
    fee, surplus = waterfall.fees(arrays, notional, left, fill)
    slices = [liquidation.by_tier(tables, x) for x in (notional, lost, deficit, fee, surplus)]
    # Markets of an asset with a cascade where nobody was in the way: executed as they stand.
    idle = (sold.flow == 0) & (sold.wanted == 0) & (sold.rounds > 0)[:, None, None]
    return jnp.where(idle[:, :, None], jnp.maximum(before, reached), after), slices


def status(sold, room):
    """Status bits of a step's selling."""
    exhausted = ((sold.wanted > room) & (sold.flow >= room)).any()
    return jnp.where(exhausted, outcome.EXHAUSTED, 0) | jnp.where(
        sold.converged.all(), 0, outcome.UNCONVERGED
    )


def counted(displaced, sold):
    """Work of a step, in the order of `outcome.COUNTERS`."""
    active = sold.rounds > 0
    mixed = (sold.flow > DUST).any(axis=2).all(axis=1)
    found = {
        "asset_steps": displaced.size, "calm": (displaced & ~active).sum(), "active": active.sum(),
        "mixed": mixed.sum(), "rounds": sold.rounds.sum(), "flushes": (sold.flow > 0).sum(),
        "unconverged": (~sold.converged).sum(),
    }  # fmt: skip
    return jnp.stack([jnp.asarray(found[name], jnp.int32) for name in outcome.COUNTERS])


def simulate(shape, rules, fixed, floats, seed, path):
    """Every field of the outcome of paths, by name, with `status` and `counters`; all [path, ...].

    fixed : what is no float, and so no number to differentiate by
    floats: the scenario's float arrays by name: the function is differentiable in each of them
    seed  : low and high word, uint32; path: the same, [path] each
    """
    arrays = ScenarioArrays(**floats, **fixed["arrays"])
    rows = arrays.forced.sum(axis=(2, 5))[:, :, None]
    market = Market(arrays, liquidation.tables(arrays), rows, fixed["thinning"])
    number = np.arange(shape.n_step)
    now = {
        "number": number.astype(np.uint32),
        "minutes": ((number + 1) * shape.dt_seconds / 60).astype(arrays.depth.dtype),
        "shock": arrays.shock,
        "volatility": arrays.volatility_level[arrays.volatility_row],
        "depth": arrays.depth_level[arrays.depth_row],
    }

    def one(path):
        def body(state, now):
            return step(shape, rules, market, state, seed, path, now)

        body = jax.checkpoint(body) if rules.gradients else body
        state, steps = jax.lax.scan(body, initial(shape, arrays), now)
        found = recording.fields(shape, arrays, state.record, steps)
        broken = recording.check(state.record, arrays.fund, state.fund, state.price, steps["flow"])
        return found | {"status": state.status | broken, "counters": state.counters}

    return jax.vmap(one)(path)


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
        values = {f.name: getattr(scenario.arrays, f.name) for f in dataclasses.fields(ScenarioArrays)}
        self.floats = {name: x for name, x in values.items() if x.dtype == np.float64}
        """The arrays that a gradient is taken by, NumPy float64 by name."""
        fixed = {
            "arrays": {name: x for name, x in values.items() if name not in self.floats},
            "thinning": (scenario.arrays.alpha > 1).any(axis=-1, keepdims=True),
        }
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
