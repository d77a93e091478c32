"""The selling of one step in JAX: frozen flows, cascades of all assets, accounts. See selling_numpy.py."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels import outcome
from kernels import trading_jax as trades
from kernels.mechanisms.account import LATER, MAX_PASS, UNANSWERED_SHARE
from kernels.mechanisms.account import step_jax as account
from kernels.mechanisms.account.step_jax import Sales
from kernels.mechanisms.book import step_jax as book
from kernels.mechanisms.cascade import DUST
from kernels.mechanisms.cascade import step_jax as cascade
from kernels.mechanisms.flow import step_jax as flow
from kernels.mechanisms.liquidation import step_jax as liquidation
from kernels.mechanisms.mark.step_jax import Marks
from kernels.mechanisms.vault.step_jax import Taking
from kernels.parts.table.table_jax import amount, locate


class Sellers(NamedTuple):
    """Who sells in a step besides isolated positions; None where a run has nobody of the kind."""

    holders: account.Holders | None = None  # accounts with what they are held to in the step
    watched: jax.Array | None = None  # distance added to the marks for them [asset, side, venue]
    acts: jax.Array | None = None  # accounts that act at all in the step, bool [slot, venue]
    orders: jax.Array | None = None  # of frozen flows, net purchases, USD [source, asset, venue]
    taking: Taking | None = None  # what backstop vaults take


class Start(NamedTuple):
    """Where the selling of a step starts from."""

    fundamental: jax.Array  # log [asset]
    q: jax.Array  # consumption [asset, venue]
    depth: jax.Array  # USD [asset, venue]
    marks: Marks
    offset: jax.Array  # distance added to the marks' for isolated positions [asset, side, venue]
    frontier: jax.Array  # of round 0 [asset, side, venue]
    rows: jax.Array  # see `cumulative`
    executed: jax.Array  # after deleveraging [asset, side, group, venue]
    survival: jax.Array  # the same [asset, side, venue, tier]
    account: account.Standing | None  # the same


class Selling(NamedTuple):
    """What a step's forced selling has done."""

    end: cascade.Cascade  # [asset, ...]
    executed: jax.Array  # executed frontiers before the flow [asset, side, group, venue]
    room: jax.Array  # what books take, USD [asset, side, venue]
    limit: jax.Array  # what books and engines take
    trading: trades.Trading  # with its bands
    extra: jax.Array | None = None  # net purchases of all others, USD [asset, venue]
    sales: Sales | None = None  # of accounts
    frozen: jax.Array | None = None  # executed frozen flows, net purchases, USD [source, asset, venue]
    overrun: jax.Array | bool = False  # frozen flows ran past the end of a book
    unanswered: jax.Array | bool = False  # accounts still sold much when they were last asked
    taking: Taking | None = None

    def into_books(self, flow):
        """What of a flow goes into the books: USD [asset, side, venue]."""
        return flow if self.taking is None else self.taking.booked(flow)

    def with_extra(self, flow):
        """A flow and what all others have sold and bought: USD [asset, side, venue]."""
        return flow if self.extra is None else flow + book.by_side(self.extra)


def cumulative(market, survival, crowd=None):
    """Cumulative notional [asset, side, group, venue, edge]; one group where all are executed together."""
    forced = market.arrays.forced
    if market.deleverages:
        rows = jnp.einsum("asgvet,asvt->asgve", forced, survival)
    else:
        rows = forced.sum(axis=(2, 5))[:, :, None]
    return rows if crowd is None else crowd.rows(rows)


def past(market, drawn, state, rows, executed, reached):
    """Notional past the thresholds of vaults and not executed, Eq. (10) of vaults: USD [asset, side, venue].

    reached: distances that the marks of round 0 have come, monitoring left out
    """
    gap = market.parts.vault.gap
    far = jnp.maximum(reached - gap, 0.0)
    total = liquidation.forced_total(rows, far[:, :, None]) - liquidation.forced_total(rows, executed)
    if state.whale is not None:
        whale = drawn.crowd.whale
        total = total + whale.lump(far) - whale.lump(state.whale)
    return jnp.maximum(total, 0.0)


def begin(market, drawn, state, start, taking, limit):
    """What cascades start from [asset, ...], assets with one at the marks of round 0, executed frontiers."""
    arrays, whale = market.arrays, None if drawn.crowd is None else drawn.crowd.whale
    rows, executed, frontier = start.rows, start.executed, start.frontier
    whole = rows.sum(axis=2)
    base = liquidation.executed_total(rows, whole, executed)
    wanted = amount(whole, *locate(frontier))
    if whale is not None:
        base, wanted = base + whale.lump(state.whale), wanted + whale.lump(frontier)
    new = (frontier[:, :, None] > executed).any(axis=(1, 2, 3))
    active = new & (wanted > base).any(axis=(1, 2))
    # Frontiers that pass nobody are executed as they stand.
    passed = (new & ~active)[:, None, None]
    executed = jnp.where(passed[..., None], frontier[:, :, None], executed)
    crooked = (start.survival != 1).any(axis=(1, 2, 3))
    crooked = crooked if taking is None else crooked | taking.some
    rounds = cascade.Rounds(
        start.fundamental, start.q, start.depth, arrays.alpha, arrays.band, arrays.permanent, start.marks,
        start.offset, whole, jnp.where(passed, wanted, base), limit, crooked, None, whale,
        taking,
    )  # fmt: skip
    return rounds, active, executed


def run(rules, market, drawn, state, trading, start: Start, sellers: Sellers) -> Selling:
    """Cascades and accounts of one step, from the books and the frontiers of round 0."""
    arrays, q, depth = market.arrays, start.q, start.depth
    room = book.room(q, depth, arrays.alpha, arrays.band, arrays.hard_end)
    limit, trading = trades.limit(market, trading, room, start.fundamental, q, depth)
    rounds, changed, executed = begin(market, drawn, state, start, sellers.taking, limit)
    zero, nothing = jnp.zeros_like(q[:, 0]), jnp.zeros_like(start.frontier)
    end = cascade.Cascade(
        nothing, nothing, start.frontier, start.fundamental, q, zero, zero.astype(jnp.int32), zero == 0
    )
    sold = Selling(end, executed, room, limit, trading, taking=sellers.taking)
    if sellers.orders is not None:
        frozen, overrun = flow.execute(sellers.orders, limit, room)
        changed = changed | (frozen != 0).any(axis=(0, 2))
        sold = sold._replace(frozen=frozen, overrun=overrun, extra=frozen.sum(axis=0))
    if sellers.holders is None:
        return sold._replace(end=cascades(rules, rounds, end, sold.extra, changed, None))
    sold = sold if sold.extra is not None else sold._replace(extra=jnp.zeros_like(q))
    price = account.prices(sellers.holders.part, marked(market, start, end), sellers.watched)
    sold = sold._replace(sales=account.begin(sellers.holders, start.account, price, sellers.acts))
    return answer_each_other(rules, market, rounds, start, sellers, sold, changed)


def marked(market, start, end):
    """Log marks where cascades have ended: [asset, venue]."""
    moved = book.displacement(end.q, market.arrays.alpha, market.arrays.band)
    return start.marks.price(end.fundamental, moved)


def cascades(rules, rounds, end, extra, changed, opening):
    """The ends of cascades of the assets in `changed` [asset], purchases of others given; else as before.

    rounds : [asset, ...]; `limit`: what books and engines take
    extra  : net purchases of others, USD [asset, venue]; None: there are none
    opening: whether they begin, bool; None: they do, and are not gone on with later
    """
    limit = rounds.limit
    if extra is not None:
        limit = jnp.maximum(limit - book.by_side(extra), 0.0)
    if rounds.taking is not None:
        limit = rounds.taking.limit(limit)
    rounds = rounds._replace(limit=limit, extra=extra)
    if opening is None:
        found = jax.vmap(partial(cascade.run, rules=rules))(rounds, end.frontier, changed)
        return found if extra is None else found._replace(first=found.first + pushed(extra, changed))
    going_on = jax.vmap(partial(cascade.run, rules=rules), in_axes=(0, 0, 0, 0, None))
    found = going_on(rounds, end.frontier, changed, end.flow, opening)
    first = jnp.where(opening, found.first + pushed(extra, changed), end.first)
    found = found._replace(first=first, rounds=end.rounds + found.rounds)
    return jax.tree.map(
        lambda new, old: jnp.where(changed.reshape(-1, *(1,) * (new.ndim - 1)), new, old), found, end
    )


def pushed(extra, changed):
    """What others have bought or sold in the assets that have a cascade: USD [asset]."""
    return jnp.where(changed, jnp.abs(extra).sum(axis=1), 0.0)


class Going(NamedTuple):
    """Accounts and cascades between two looks of the accounts."""

    number: jax.Array
    acting: jax.Array  # accounts look again, bool
    finished: jax.Array
    sold: Selling
    unseen: jax.Array  # orders that the cascades of their asset have not seen yet [asset, venue]


def answer_each_other(rules, market, rounds, start, sellers, sold, changed) -> Selling:
    """Accounts sell, the cascades that they touch run to their end, accounts look again, Eq. (9).

    The last time round cascades see the orders that were too small to matter before.
    """
    depth = start.depth

    def look(going):
        number, last = going.number, ~going.acting | (going.number == MAX_PASS)
        looking, opening = ~last & ~going.finished, number == 0
        new, sales = answer(market, start, sellers, going.sold, looking, opening)
        extra, unseen = going.sold.extra + new, going.unseen + new
        # A cascade goes on once they are enough to matter to it.
        least = jnp.where(opening | last, 0.0, LATER * depth)
        touched = (jnp.abs(unseen) > least).any(axis=1) & ~going.finished
        unseen = jnp.where(touched[:, None], 0.0, unseen)
        again = touched | (opening & changed)
        end = cascades(rules, rounds, going.sold.end, extra, again, opening)
        much = (jnp.abs(new) > UNANSWERED_SHARE * depth).any() & (number == MAX_PASS - 1)
        sold = going.sold._replace(end=end, extra=extra, sales=sales, unanswered=going.sold.unanswered | much)
        acting = again.any() & ~last
        return Going(number + 1, acting, last | (~acting & (unseen == 0).all()), sold, unseen)

    going = Going(
        jnp.zeros((), jnp.int32), jnp.ones((), bool), jnp.zeros((), bool),
        sold._replace(overrun=jnp.asarray(sold.overrun), unanswered=jnp.zeros((), bool)),
        jnp.zeros_like(sold.extra),
    )  # fmt: skip
    if not rules.gradients:
        return jax.lax.while_loop(lambda going: ~going.finished, look, going).sold

    def kept(going, _):
        return jax.tree.map(lambda old, new: jnp.where(going.finished, old, new), going, look(going)), None

    # No gradient goes backwards through a loop of unknown length.
    return jax.lax.scan(kept, going, None, length=MAX_PASS + 1)[0].sold


def answer(market, start, sellers, sold, looking, opening):
    """What accounts sell at the marks at hand: new net purchases [asset, venue], Sales."""
    part, end, sales = sellers.holders.part, sold.end, sold.sales
    price = account.prices(part, marked(market, start, end), sellers.watched)
    reached = jnp.maximum(sales.frontier, account.reached(part, price))
    sales = sales._replace(frontier=jnp.where(looking, reached, sales.frontier))
    due, fresh = account.wanted(sellers.holders, sales)
    sales = sales._replace(due=jnp.where(looking, due, sales.due))
    taken = sold.with_extra(sold.into_books(end.flow))
    room, limit = (jnp.maximum(x - taken, 0.0) for x in (sold.room, sold.limit))
    # Too little to matter is left to the next step.
    least = jnp.where(opening, 0.0, LATER * start.depth)
    sales, new = account.sell(part, sales, jnp.where(looking, fresh, 0.0), limit, room, least)
    return new, sales


def status(sold: Selling):
    """Status bits of a step's selling."""
    end = sold.end
    room = sold.room if sold.taking is None else sold.taking.limit(sold.room)
    exhausted = ((end.wanted > room) & (end.flow >= room)).any() | sold.overrun
    if sold.sales is not None:
        exhausted |= sold.sales.exhausted
    bits = jnp.where(exhausted, outcome.EXHAUSTED, 0)
    bits |= jnp.where(end.converged.all(), 0, outcome.UNCONVERGED)
    return bits | jnp.where(sold.unanswered, outcome.UNANSWERED, 0)


def gross(sold: Selling):
    """All that was sold and bought in the step: USD [asset]."""
    total = sold.end.flow.sum(axis=(1, 2))
    return total if sold.extra is None else total + jnp.abs(sold.extra).sum(axis=1)


def waiting(sold: Selling, losing):
    """Notional triggered and not executed at the end of the step: USD [venue].

    losing: accounts of which that is a liquidation [slot, venue]; None without accounts
    """
    total = jnp.maximum(sold.end.wanted - sold.end.flow, 0.0).sum(axis=(0, 1))
    if sold.sales is None:
        return total
    return total + (losing * jnp.maximum(sold.sales.due - sold.sales.flow, 0.0)).sum(axis=0)


def counted(displaced, sold: Selling):
    """Work of a step, in the order of `outcome.COUNTERS`."""
    end = sold.end
    active = end.rounds > 0
    mixed = (end.flow > DUST).any(axis=2).all(axis=1)
    found = {
        "asset_steps": displaced.size, "calm": (displaced & ~active).sum(), "active": active.sum(),
        "mixed": mixed.sum(), "rounds": end.rounds.sum(), "flushes": (end.flow > 0).sum(),
        "unconverged": (~end.converged).sum(),
    }  # fmt: skip
    return jnp.stack([jnp.asarray(found[name], jnp.int32) for name in outcome.COUNTERS])
