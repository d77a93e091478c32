"""The cascade of one step in JAX: statements of step_numpy.py, for one asset of one path.

The rounds are those of the reference, in a loop that ends when theirs does. No gradient goes through it.
Where a cascade ends is a fixed point, and its slopes follow from the round that leads from there to itself.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels.mechanisms.book.step_jax import displacement, sign
from kernels.mechanisms.cascade import (
    DUST,
    FIRST_JUMP,
    FIRST_RATIO,
    LONGEST_STRIDE,
    MAX_RATIO,
    SLACK,
    STRIDE,
)
from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.liquidation.step_jax import along_bin, bin_end, distance
from kernels.mechanisms.mark.step_jax import Marks
from kernels.mechanisms.vault.step_jax import Taking
from kernels.mechanisms.whale.step_jax import Whale
from kernels.parts.table.table_jax import amount, locate


class Rounds(NamedTuple):
    """What the rounds start from."""

    fundamental: jax.Array  # log price []
    q: jax.Array  # consumption [venue]
    depth: jax.Array  # USD [venue]
    alpha: jax.Array  # [venue]
    band: jax.Array  # [venue]
    permanent: jax.Array  # []
    marks: Marks  # of the asset
    offset: jax.Array  # distance added to the marks' [side, venue]
    rows: jax.Array  # cumulative notional of all groups [side, venue, edge]
    base: jax.Array  # executed in earlier steps, USD [side, venue]
    limit: jax.Array  # most that can execute in this step, USD [side, venue]
    crooked: jax.Array  # no line along the flow is certain, bool []
    extra: jax.Array | None = None  # net purchases of others in this step, USD [venue]
    whale: Whale | None = None  # [side, venue]
    taking: Taking | None = None  # what backstop vaults take

    def move(self, flow):
        """Fundamental and consumption [venue] after a flow [side, venue], Eqs. (1) and (2)."""
        if self.taking is not None:
            flow = self.taking.booked(flow)
        net = flow[SHORT] - flow[LONG]
        if self.extra is not None:
            net = self.extra + net
        per_dollar = jnp.where(self.depth > 0, 1 / jnp.where(self.depth > 0, self.depth, 1.0), 0.0)
        return self.fundamental + self.permanent * net.sum(), self.q + net * per_dollar

    def reach(self, flow):
        """Distances that the marks reach after a flow: [side, venue]."""
        fundamental, q = self.move(flow)
        price = self.marks.price(fundamental, displacement(q, self.alpha, self.band))
        return self.marks.reached(distance(price, self.offset))

    def forced(self, frontier):
        """Notional that frontiers force beyond what was executed in earlier steps."""
        total = amount(self.rows, *locate(frontier))
        if self.whale is not None:
            total = total + self.whale.lump(frontier)
        return jnp.maximum(total - self.base, 0.0)

    def pushed(self):
        """What others have bought or sold [venue]."""
        return 0.0 if self.extra is None else jnp.abs(self.extra)

    def again(self, begun, frontier):
        """Frontiers after one more round from `frontier`; `begun`: those of round 0."""
        return jnp.maximum(begun, self.reach(jnp.minimum(self.forced(frontier), self.limit)))

    def jump(self, flow, frontier, previous):
        """How far along the flow of the next round nothing overtakes what it forces, Eqs. (5)-(7).

        returns: share of the way, and where it leads: flow and frontiers
        """
        forced = jnp.minimum(self.forced(frontier), self.limit)
        side = (flow > DUST).any(axis=1, keepdims=True)
        following = jnp.where(side, jnp.maximum(forced - flow, 0.0), 0.0)
        ratio = jnp.minimum(following.sum() / jnp.where(previous > 0, previous, 1.0), MAX_RATIO)
        stride = jnp.minimum(STRIDE / (1 - ratio), LONGEST_STRIDE)
        ahead = flow + following * stride

        fundamental, far_q = self.move(ahead)
        line = self.least_displacement(flow, far_q)
        far_distance = self.marks.reached(distance(self.marks.price(fundamental, line), self.offset))
        reached = jnp.maximum(far_distance, frontier)
        far = jnp.where(self.reach(flow) < frontier, frontier, reached)
        far_total, end = along_bin(self.rows, frontier, far), bin_end(frontier)
        if self.whale is not None:
            far_total = far_total + self.whale.lump(frontier)
            end = jnp.minimum(end, self.whale.bin_end(frontier))
        rest = jnp.minimum(jnp.maximum(far_total - self.base, 0.0), self.limit) - ahead

        overtakes = rest < -SLACK * far_total
        within = jnp.where(overtakes, following / jnp.where(overtakes, following - rest, 1.0), 1.0)
        leaves = far > end
        inside = jnp.where(leaves, (end - frontier) / jnp.where(leaves, far - frontier, 1.0), 1.0)
        share = jnp.minimum(within, inside).min()
        # On a line along which no candidates of a median cross, marks are straight as well.
        here, q = self.move(flow)
        order = self.marks.order(here, displacement(q, self.alpha, self.band))
        if order is not None:
            share = jnp.where((order != self.marks.order(fundamental, line)).any(), 0.0, share)
        return share, ahead, far

    def least_displacement(self, flow, far):
        """End of a line that displacements on the way to consumption `far` lie beyond, Eq. (6)."""
        _, q = self.move(flow)
        now, chord = displacement(q, self.alpha, self.band), displacement(far, self.alpha, self.band)
        way = sign(far - q)
        returns = way * q < 0
        thinning = self.alpha > 1
        x = jnp.where(returns & thinning, 0.0, jnp.minimum(jnp.abs(now), self.band))
        tangent = now + (far - q) / (self.alpha + 2 * (1 - self.alpha) * x)
        return jnp.where(returns | thinning, way * jnp.minimum(way * tangent, way * chord), chord)


class Going(NamedTuple):
    """A cascade between two rounds."""

    number: jax.Array
    frontier: jax.Array  # [side, venue]
    assumed: jax.Array  # flow that the marks at hand stand for, USD [side, venue]
    total: jax.Array  # new flow of the last round, USD
    ratio: jax.Array
    jumped: jax.Array
    converged: jax.Array


class Cascade(NamedTuple):
    """The end of a cascade; see `step_numpy.Cascade`."""

    flow: jax.Array
    wanted: jax.Array
    frontier: jax.Array
    fundamental: jax.Array
    q: jax.Array
    first: jax.Array
    rounds: jax.Array
    converged: jax.Array


def one_more(rounds, opening, going, rules) -> Going:
    """One round, Eqs. (3) and (4), and a jump ahead where nothing stands against it.

    opening: whether the first one has not seen what others have bought or sold, bool
    """
    number, frontier = going.number + 1, going.frontier
    wanted = rounds.forced(frontier)
    flow = jnp.minimum(wanted, rounds.limit)
    new = jnp.maximum(flow - going.assumed, 0.0)
    # What others have bought or sold pushes the marks as well.
    pushed = new + jnp.where((number == 1) & opening, rounds.pushed(), 0.0)
    total = new.sum() + jnp.where((number == 1) & opening, jnp.sum(rounds.pushed()), 0.0)
    seen = jnp.minimum(total / jnp.where(going.total > 0, going.total, 1.0), MAX_RATIO)
    # The round after a jump compares with nothing: the last ratio stands.
    ratio = jnp.where((number == 1) | going.jumped, going.ratio, seen)
    waits = wanted > flow
    expected = jnp.where(waits.any(), jnp.maximum(ratio, FIRST_RATIO), ratio)
    still = pushed * (expected / (1 - expected))
    done = (still <= rules.tolerance * rounds.depth).all() & ~going.jumped
    reached = jnp.maximum(frontier, rounds.reach(flow))

    one_sided = (flow > DUST).any(axis=1).sum() == 1
    free = one_sided & ~waits.any() & ~(going.jumped | rounds.crooked) & (number >= FIRST_JUMP)
    share, ahead, far = rounds.jump(flow, reached, total)
    share = jnp.where(free, share, 0.0)
    ahead = jnp.where(free, flow + share * (ahead - flow), flow)
    beyond = jnp.where(free, reached + share * (far - reached), reached)
    # Who waits is measured at the last marks; at the cap the frontiers stay where they were executed.
    last = jnp.where(done, jnp.where(waits, reached, frontier), frontier)
    stops = done | (number >= rules.max_rounds)
    return Going(number, jnp.where(stops, last, beyond), ahead, total, ratio, share > 0, done)


def sloped(rounds, begun, end, active):
    """The frontiers `end` with the slopes of a fixed point: dX = (1 - G_X)^-1 dG."""
    fixed, start = jax.lax.stop_gradient((rounds, begun))
    slope = jax.jacfwd(lambda frontier: fixed.again(start, frontier))(end)
    size = end.size
    slope = jnp.where(active, slope.reshape(size, size), 0.0)
    miss = rounds.again(begun, end)
    miss = jnp.where(active, miss - jax.lax.stop_gradient(miss), 0.0)
    moved = jnp.linalg.solve(jnp.eye(size, dtype=end.dtype) - slope, miss.ravel())
    return jnp.where(active, end + moved.reshape(end.shape), begun)


def run(rounds, begun, active, before=None, opening=True, *, rules) -> Cascade:
    """Rounds of forced flow until the flow still to come is negligible, Eqs. (1)-(5).

    begun  : frontiers from the marks of round 0 [side, venue]
    active : whether there is a cascade, bool
    before : flow executed before `extra` came, where the rounds go on [side, venue]; None: they begin
    opening: whether they begin, bool
    """
    if before is None:
        before = jnp.zeros_like(begun)
    else:
        begun = jnp.where(opening, begun, jnp.maximum(begun, rounds.reach(before)))
    fixed, start = jax.lax.stop_gradient((rounds, begun))
    zero = jnp.zeros((), begun.dtype)
    going = Going(
        jnp.zeros((), jnp.int32), start, jax.lax.stop_gradient(before), zero, zero + FIRST_RATIO,
        jnp.zeros((), bool), ~active,
    )  # fmt: skip
    going = jax.lax.while_loop(
        lambda going: ~going.converged & (going.number < rules.max_rounds),
        lambda going: one_more(fixed, opening, going, rules),
        going,
    )
    end = sloped(rounds, begun, going.frontier, active) if rules.gradients else going.frontier
    wanted = jnp.where(active, rounds.forced(end), 0.0)
    flow = jnp.minimum(wanted, rounds.limit)
    first = jnp.where(active, jnp.minimum(rounds.forced(begun), rounds.limit), 0.0).sum()
    fundamental, q = rounds.move(flow)
    return Cascade(flow, wanted, end, fundamental, q, first, going.number, going.converged)
