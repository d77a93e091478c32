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
from kernels.mechanisms.adl import step_jax as adl
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


WINNERS = "winners_"
"""Before the names of arrays that say where winners stand."""


class Rules(NamedTuple):
    """What a compiled program is made for, besides its shape."""

    gradients: bool = False
    """Ends of cascades have slopes."""
    tolerance: float = TOLERANCE
    max_rounds: int = MAX_ROUNDS


def unsupported(scenario: Scenario) -> str | None:
    """What this engine lacks for a scenario, in a sentence; None if nothing."""
    lacking = [name for name in PARTS if name != "adl" and getattr(scenario.parts, name) is not None]
    if not lacking:
        return None
    return (
        f"the engine jax does not have these mechanisms yet: {', '.join(lacking)}. It knows isolated "
        "positions, books, marks that are weighted means, funds in cash and deleveraging. Leave the others "
        "out, or take another engine"
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
    survival: jax.Array  # [asset, side, venue, tier]
    fund: jax.Array  # [venue]
    peak: jax.Array  # largest fund so far [venue]
    spent: jax.Array  # bool [venue]
    status: jax.Array
    counters: jax.Array  # [counter]
    record: dict


class Market(NamedTuple):
    """What does not differ by path and step: arrays and what follows from them."""

    arrays: ScenarioArrays
    tables: liquidation.Tables
    winners: dict | None  # where winners stand, by name; None where nobody deleverages
    thinning: np.ndarray  # assets with a shape above 1, bool [asset, 1]


def initial(shape, market: Market) -> State:
    """A path at its start: prices at one, books at rest, calm memory, funds full."""
    arrays, n_group = market.arrays, 1 if market.winners is None else shape.n_group
    dtype = arrays.depth.dtype
    size = (shape.n_asset, shape.n_venue)
    side = (shape.n_asset, 2, shape.n_venue)
    return State(
        exogenous=jnp.zeros(size[0], dtype), fundamental=jnp.zeros(size[0], dtype),
        price=jnp.zeros(size, dtype), q=jnp.zeros(size, dtype), memory=jnp.asarray(arrays.calm_memory),
        frontier=jnp.zeros(side, dtype), executed=jnp.zeros((*side[:2], n_group, side[2]), dtype),
        survival=jnp.ones((*side, shape.n_tier), dtype), peak=jnp.zeros_like(arrays.fund),
        fund=jnp.asarray(arrays.fund), spent=jnp.zeros(shape.n_venue, bool), status=jnp.zeros((), jnp.int32),
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
    worth, peak = state.fund, jnp.maximum(state.peak, state.fund)

    # 4. Auto-deleveraging of what is bankrupt on arrival.
    executed, survival, pending, flow = state.executed, state.survival, 0.0, 0.0
    coins = dollars = jnp.zeros_like(start)
    if market.winners is not None:
        on = adl.is_on(arrays, worth, peak, state.spent)
        first = adl.starts(seed, path, now["number"], shape.n_asset, start.dtype)
        behind = (frontier[:, :, None] > executed).any(axis=(1, 2))
        closed = adl.close(
            arrays, market.winners, market.tables, on & arrays.listed & behind, marks, executed, frontier,
            survival, first,
        )  # fmt: skip
        executed, survival, at_mark = closed.executed, closed.survival, market.winners["at_mark"]
        record, flow, coins, dollars = recording.deleveraged(record, closed, jnp.exp(marks), at_mark)
        pending = jnp.where(at_mark[:, None], closed.deficit.sum((0, 1)), 0.0)

    # 5. The forced selling.
    rows = cumulative(market, survival)
    sold, executed, room = sell(
        rules, arrays, rows, executed, survival, frontier, fundamental, q, depth, monitoring
    )

    # 6. Fills and losses.
    moved = book.displacement(sold.q, arrays.alpha, arrays.band)
    mean = book.mean_displacement(start, moved, arrays.alpha, arrays.band)
    fill = jnp.exp(((fundamental + sold.fundamental) / 2)[:, None] + PERCENT * mean)
    price = sold.fundamental[:, None] + PERCENT * moved
    active = sold.rounds > 0
    record = recording.cascades(record, active, sold.first, sold.flow.sum((1, 2)), depth)
    record = recording.backlogs(record, jnp.maximum(sold.wanted - sold.flow, 0.0).sum((0, 1)))
    executed, slices = settle(market, rows, executed, survival, sold, fill)
    record, booked = recording.forced(record, arrays, fill, *slices)

    # 7. Funds and memory.
    _, _, deficit, fee, surplus = slices
    pending = pending + deficit.sum((0, 1))
    owed = pending.sum(-1)
    drawn, _ = waterfall.draw(worth, owed)
    share = jnp.where(owed > 0, drawn / jnp.where(owed > 0, owed, 1.0), 0.0)
    paid = share[:, None] * pending
    spent = (owed > DUST) & (owed >= worth)
    record = recording.funds(record, paid, pending - paid, now["minutes"], spent)
    record = recording.prices(record, arrays, price, state.exogenous + move)
    after = State(
        exogenous=state.exogenous + move,
        fundamental=sold.fundamental,
        price=price,
        q=sold.q,
        memory=withdrawal.remember(arrays, state.memory, price - state.price),
        frontier=sold.frontier,
        executed=executed,
        survival=survival,
        peak=peak,
        fund=worth - drawn + (fee + surplus).sum((0, 1, 3)),
        spent=spent,
        status=state.status | status(sold, room),
        counters=state.counters + counted(displaced, sold),
        record=record,
    )
    return after, {"flow": flow + booked, "price": price, "coins": coins, "dollars": dollars}


def cumulative(market, survival):
    """Cumulative notional [asset, side, group, venue, edge]; one group where all are executed together."""
    forced = market.arrays.forced
    if market.winners is None:
        return forced.sum(axis=(2, 5))[:, :, None]
    return jnp.einsum("asgvet,asvt->asgve", forced, survival)


def sell(rules, arrays, rows, executed, survival, frontier, fundamental, q, depth, monitoring):
    """The cascades of all assets: `Cascade` [asset, ...], executed frontiers, room of the books."""
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
        rows, base, limit, (survival != 1).any(axis=(1, 2, 3)),
    )  # fmt: skip
    sold = jax.vmap(partial(cascade.run, rules=rules))(rounds, frontier, active)
    return sold, executed, room


def settle(market, rows, before, survival, sold, fill):
    """Executed frontiers after the step's flow; notional, losses and fees of its slices by tier."""
    arrays, tables = market.arrays, market.tables
    some, reached = sold.flow > 0, sold.frontier[:, :, None]
    late = some & (sold.flow < sold.wanted)
    ahead = liquidation.advance(rows, before, reached, sold.flow, late)
    after = jnp.where(some[:, :, None], ahead, before)
    notional, lost, deficit, left = liquidation.slice_losses(tables, arrays, before, after, fill)
    fee, surplus = waterfall.fees(arrays, notional, left, fill)
    slices = [survival * liquidation.by_tier(tables, x) for x in (notional, lost, deficit, fee, surplus)]
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
    numbers = {name: x for name, x in floats.items() if not name.startswith(WINNERS)}
    arrays = ScenarioArrays(**numbers, **fixed["arrays"])
    winners = {name.removeprefix(WINNERS): x for name, x in floats.items() if name.startswith(WINNERS)}
    winners = winners | {"at_mark": fixed["at_mark"]} if winners else None
    market = Market(arrays, liquidation.tables(arrays), winners, fixed["thinning"])
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
        state, steps = jax.lax.scan(body, initial(shape, market), now)
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
        """The arrays that a gradient is taken by, NumPy float64 by name; those of winners with a prefix."""
        part = scenario.parts.adl if (scenario.arrays.adl_policy != ADL_NONE).any() else None
        if part is not None:
            self.floats |= {WINNERS + name: getattr(part, name) for name in ("equity", "entry", "hedged")}
        fixed = {
            "at_mark": None if part is None else part.at_mark != 0,
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
