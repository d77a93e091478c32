"""The selling of one step: frozen flows, the cascades of all assets, and the accounts that they set off.

Cascades couple the venues of one asset, accounts couple assets. They answer each other: accounts sell,
the cascades of the assets that they touch run to their end, accounts look at the new marks, until
what is still to come is negligible. Equation (9) of docs/methods/account.md. Frozen flows go first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.account import LATER, MAX_PASS, UNANSWERED_SHARE
from kernels.mechanisms.account import step_numpy as account
from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book import step_numpy as book
from kernels.mechanisms.cascade import step_numpy as cascade
from kernels.mechanisms.flow import step_numpy as flow
from kernels.mechanisms.halt import step_numpy as halt
from kernels.mechanisms.liquidation import step_numpy as liquidation
from kernels.mechanisms.vault.step_numpy import Taking


@dataclass
class Selling:
    """What a step's forced selling has done so far, over all paths."""

    q: np.ndarray  # consumption before, then after [path, asset, venue]
    fundamental: np.ndarray  # [path, asset]
    flow: np.ndarray  # of isolated positions, executed, USD [path, asset, side, venue]
    wanted: np.ndarray  # triggered and not executed before this step, USD [path, asset, side, venue]
    room: np.ndarray  # what books take, USD [path, asset, side, venue]
    limit: np.ndarray  # what books and engines take, USD [path, asset, side, venue]
    active: np.ndarray  # assets with a cascade, bool [path, asset]
    first: np.ndarray  # flow of the first round, USD [path, asset]
    rounds: np.ndarray  # [path, asset]
    converged: np.ndarray  # bool [path, asset]
    extra: np.ndarray  # net purchases of all others than isolated positions, USD [path, asset, venue]
    accounts: account.Sales | None
    frozen: np.ndarray | None  # executed frozen flows, net purchases, USD [path, source, asset, venue]
    overrun: np.ndarray  # frozen flows ran past the end of a book, bool [path]
    unanswered: np.ndarray  # accounts still sold much when they were last asked, bool [path]
    taking: Taking | None = None  # of backstop vaults

    def executable(self, limit):
        """Most flow that executes where books take `limit`: USD [path, asset, side, venue]."""
        return limit if self.taking is None else self.taking.limit(limit)

    def into_books(self, flow):
        """What of a flow goes into the books: USD [path, asset, side, venue]."""
        return flow if self.taking is None else self.taking.booked(flow)


def limits(scenario, state, trading, q, depth):
    """What every book can still take, and every engine with it: USD [path, asset, side, venue] each."""
    arrays = scenario.arrays
    sells, buys = book.room(q, arrays.alpha, arrays.band, arrays.hard_end)
    with np.errstate(invalid="ignore"):
        room = np.stack([np.where(np.isfinite(x), x * depth, np.inf) for x in (sells, buys)], axis=2)
    left = trading.throughput[:, :, None]
    limit = np.minimum(room, np.where(left > 0, arrays.throughput[:, None, :] * np.maximum(left, 1e-30), 0.0))
    if scenario.parts.halt is not None:
        trading.band = halt.bands(scenario.parts.halt, state.breakers, arrays, state.fundamental, q, depth)
        limit = np.minimum(limit, trading.band)
    return room, np.where(trading.halted[:, :, None], 0.0, limit)


def run(
    scenario, state, q, depth, offset, watched, marks, trading, orders=None, taking=None, told=None
) -> Selling:
    """Cascades and accounts of one step, from the books `q` and the frontiers of round 0 in `state`.

    Frontiers in `state` go on to where they end.

    offset : distance added for isolated positions; watched: for accounts [path, asset, side, venue]
    marks  : Marks; trading: Trading
    orders : of frozen flows, net purchases, USD [path, source, asset, venue]
    taking : what backstop vaults take
    told   : takes every round, where a replay asks for it
    """
    arrays, part = scenario.arrays, scenario.parts.account
    room, limit = limits(scenario, state, trading, q, depth)
    shape = state.frontier.shape
    sold = Selling(
        q.copy(), state.fundamental.copy(), np.zeros(shape), np.zeros(shape), room, limit,
        np.zeros(q.shape[:2], bool), np.zeros(q.shape[:2]), np.zeros(q.shape[:2], int),
        np.ones(q.shape[:2], bool), np.zeros(q.shape), None, None, np.zeros(len(q), bool),
        np.zeros(len(q), bool), taking,
    )  # fmt: skip
    base = triggered(arrays, state, sold)
    changed = sold.active.copy()
    acting = np.ones(len(q), bool)
    if orders is not None:
        executed, overrun = flow.execute(orders, limit, room)
        sold.frozen, sold.overrun = executed, np.asarray(overrun)
        state.flow_waiting = (orders - executed)[:, : state.flow_waiting.shape[1]]
        sold.extra = executed.sum(axis=1)
        changed |= (executed != 0).any(axis=(1, 3))
    unseen = np.zeros(q.shape)  # orders that the cascades of their asset have not seen yet
    for number in range(MAX_PASS):
        if part is not None:
            new = answer(scenario, state, sold, acting, depth, watched, marks, trading, number)
            sold.extra, unseen = sold.extra + new, unseen + new
            # A cascade goes on once they are enough to matter to it.
            least = LATER * depth if number > 0 else 0.0
            touched = (np.abs(unseen) > least).any(axis=2)
            unseen[touched] = 0.0
            changed = touched | (changed if number == 0 else False)
            acting = changed.any(axis=1)
        if changed.any():
            at = np.nonzero(changed)
            rounds(arrays, state, sold, at, base, q, depth, offset, marks.at(at), number == 0, told)
        if part is None or not acting.any():
            break
    else:
        sold.unanswered = (np.abs(new) > UNANSWERED_SHARE * depth).any(axis=(1, 2))
    at = np.nonzero((unseen != 0).any(axis=2))
    if len(at[0]):
        rounds(arrays, state, sold, at, base, q, depth, offset, marks.at(at), False, told)
    return sold


def triggered(arrays, state, sold):
    """Find the assets with a cascade; returns notional executed before [path, asset, side, venue]."""
    new = (state.frontier[:, :, :, None, :] > state.executed).any(axis=(2, 3, 4))
    path, asset = np.nonzero(new)
    base = np.zeros(state.frontier.shape)
    base[path, asset] = liquidation.executed_total(
        arrays, asset, state.executed[path, asset], state.survival[path, asset],
        state.crowd_at((path, asset)),
    )  # fmt: skip
    wanted = liquidation.forced_total(
        arrays, asset, state.frontier[path, asset], state.survival[path, asset], state.crowd_at((path, asset))
    )
    some = (wanted > base[path, asset]).any(axis=(1, 2))
    # Frontiers that pass nobody are executed as they stand.
    state.executed[path[~some], asset[~some]] = state.frontier[path[~some], asset[~some]][:, :, None, :]
    sold.active[path[some], asset[some]] = True
    return base


def answer(scenario, state, sold, acting, depth, watched, marks, trading, number):
    """What accounts sell at the marks at hand; returns new net purchases [path, asset, venue]."""
    arrays, part = scenario.arrays, scenario.parts.account
    moved = book.displacement(sold.q, arrays.alpha, arrays.band)
    marked = marks.price(sold.fundamental, moved)
    price = account.prices(part, marked, watched)
    if number == 0:
        traded = trading.traded(state.price, sold.fundamental[..., None] + PERCENT * moved)
        sold.accounts = account.begin(part, state, price, account.acts(part, marked, traded))
    sales = sold.accounts
    looking = acting[:, None, None]
    reached = np.maximum(sales.frontier, account.reached(part, price))
    sales.frontier = np.where(looking, reached, sales.frontier)
    due, fresh = account.wanted(part, sales)
    sales.due = np.where(looking, due, sales.due)
    taken = sold.into_books(sold.flow) + book.by_side(sold.extra, 2)
    room, limit = (np.maximum(x - taken, 0.0) for x in (sold.room, sold.limit))
    # Too little to matter is left to the next step.
    least = LATER * depth if number > 0 else np.zeros_like(depth)
    return account.sell(part, sales, np.where(looking, fresh, 0.0), limit, room, least)


def rounds(arrays, state, sold, at, base, q, depth, offset, marks, opening, told=None) -> None:
    """Run the cascades of the assets `at` to their end, the purchases of others given."""
    path, asset = at
    extra = sold.extra[at]
    late = ~sold.active[at]
    woken = path[late], asset[late]
    base[woken] = liquidation.executed_total(
        arrays, woken[1], state.executed[woken], state.survival[woken], state.crowd_at(woken)
    )
    taking = None if sold.taking is None else sold.taking.at(at)
    limit = np.maximum(sold.limit[at] - book.by_side(extra, 1), 0.0)
    limit = limit if taking is None else taking.limit(limit)
    end = cascade.run(
        arrays, asset, marks, state.fundamental[at], q[at], depth[at], state.frontier[at], base[at],
        limit, state.survival[at], offset[at], extra, None if opening else sold.flow[at],
        state.crowd_at(at), taking, told,
    )  # fmt: skip
    if told is not None:
        told.answer += 1
    sold.active[at] = True
    sold.q[at], sold.fundamental[at] = end.q, end.fundamental
    sold.flow[at], sold.wanted[at] = end.flow, end.wanted
    sold.rounds[at] += end.rounds
    sold.converged[at] = end.converged
    if opening:
        sold.first[at] = end.first + np.abs(extra).sum(axis=1)
    state.frontier[at] = end.frontier


def fills(arrays, sold, fundamental, start, moved):
    """Price at which each book's orders of the step filled: [path, asset, venue].

    fundamental: before the step's selling [path, asset]; start, moved: displacements before and after it
    """
    mean = book.mean_displacement(start, moved, arrays.alpha, arrays.band)
    return np.exp(((fundamental + sold.fundamental) / 2)[..., None] + PERCENT * mean)


def gross(sold):
    """All that was sold and bought in the step: USD [path, asset]."""
    return sold.flow.sum(axis=(2, 3)) + np.abs(sold.extra).sum(axis=2)
