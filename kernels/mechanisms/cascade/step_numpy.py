"""The cascade of one step in synchronous rounds: the specification."""

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book.step_numpy import displacement
from kernels.mechanisms.cascade import (
    DUST,
    FIRST_JUMP,
    FIRST_RATIO,
    LONGEST_STRIDE,
    MAX_RATIO,
    MAX_ROUNDS,
    SLACK,
    STRIDE,
    TOLERANCE,
)
from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.liquidation.step_numpy import along_bin, bin_end, distance, forced_total


@dataclass
class Cascade:
    """The end of a cascade on n assets of as many paths."""

    flow: np.ndarray  # executed notional, USD [n, side, venue]
    wanted: np.ndarray  # triggered and not executed before this step, USD [n, side, venue]
    frontier: np.ndarray  # [n, side, venue]
    fundamental: np.ndarray  # [n]
    q: np.ndarray  # [n, venue]
    first: np.ndarray  # flow of the first round, USD [n]
    rounds: np.ndarray  # [n]
    converged: np.ndarray  # bool [n]


class Rounds:
    """What the rounds of n assets start from, and how flow moves their marks, Eqs. (1)-(3)."""

    def __init__(
        self, arrays, asset, marks, fundamental, q, depth, base, survival, offset, extra, crowd, taking
    ):
        self.arrays, self.asset, self.marks = arrays, asset, marks
        self.fundamental, self.q, self.depth = fundamental, q, depth
        self.base, self.survival, self.offset, self.extra = base, survival, offset, extra
        self.crowd, self.taking = crowd, taking
        self.alpha, self.band = arrays.alpha[asset], arrays.band[asset]
        self.permanent = arrays.permanent[asset]
        # A line along the flow says nothing certain where survival or a vault's share of it changes.
        self.crooked = (survival != 1).any(axis=(1, 2, 3))
        if taking is not None:
            self.crooked |= taking.some
        self.per_dollar = np.where(depth > 0, 1 / np.where(depth > 0, depth, 1.0), 0.0)

    def move(self, at, flow):
        """Fundamental [at] and consumption [at, venue] after a flow [at, side, venue]."""
        if self.taking is not None:
            flow = self.taking.at(at).booked(flow)
        net = self.extra[at] + (flow[:, SHORT] - flow[:, LONG])
        return (
            self.fundamental[at] + self.permanent[at] * net.sum(axis=1),
            self.q[at] + net * self.per_dollar[at],
        )

    def reach(self, at, flow):
        """Distances that the marks reach after a flow: [at, side, venue]."""
        fundamental, q = self.move(at, flow)
        moved = displacement(q, self.alpha[at], self.band[at])
        marks = self.marks.at(at)
        return marks.reached(distance(marks.price(fundamental, moved), self.offset[at]))

    def here(self, at, flow):
        """Fundamental [at], prices and marks [at, venue], log, after a flow."""
        fundamental, q = self.move(at, flow)
        moved = displacement(q, self.alpha[at], self.band[at])
        marks = self.marks.at(at).price(fundamental, moved) * self.arrays.listed[self.asset[at]]
        return fundamental, fundamental[:, None] + PERCENT * moved, marks

    def forced(self, at, frontier):
        """Notional that frontiers force beyond what was executed in earlier steps."""
        total = forced_total(self.arrays, self.asset[at], frontier, self.survival[at], self.crowd_at(at))
        return np.maximum(total - self.base[at], 0.0)

    def crowd_at(self, at):
        return None if self.crowd is None else self.crowd.at(at)

    def jump(self, at, flow, frontier, previous, limit):
        """How far along the flow of the next round nothing overtakes what it forces, Eqs. (5)-(7).

        flow, limit: [at, side, venue], where one side is forced; previous: [at], new flow of this round
        frontier   : [at, side, venue], after the marks of `flow`
        returns    : share of the way [at, 1, 1], and where it leads: flow and frontiers
        """
        forced = np.minimum(self.forced(at, frontier), limit)
        side = (flow > DUST).any(axis=2, keepdims=True)
        following = np.where(side, np.maximum(forced - flow, 0.0), 0.0)
        ratio = np.minimum(following.sum(axis=(1, 2)) / previous, MAX_RATIO)
        stride = np.minimum(STRIDE / (1 - ratio), LONGEST_STRIDE)
        ahead = flow + following * stride[:, None, None]

        fundamental, far_q = self.move(at, ahead)
        line, marks = self.least_displacement(at, flow, far_q), self.marks.at(at)
        far_distance = marks.reached(distance(marks.price(fundamental, line), self.offset[at]))
        reached = np.maximum(far_distance, frontier)
        # Marks short of a frontier come up to it only on the way: it is taken to stay.
        far = np.where(self.reach(at, flow) < frontier, frontier, reached)
        far_total = along_bin(self.arrays, self.asset[at], frontier, far, self.crowd_at(at))
        rest = np.minimum(np.maximum(far_total - self.base[at], 0.0), limit) - ahead

        overtakes, end = rest < -SLACK * far_total, bin_end(frontier, self.crowd_at(at))
        within = np.where(overtakes, following / np.where(overtakes, following - rest, 1.0), 1.0)
        leaves = far > end
        inside = np.where(leaves, (end - frontier) / np.where(leaves, far - frontier, 1.0), 1.0)
        share = np.minimum(within, inside).min(axis=(1, 2), keepdims=True)
        # On a line along which no candidates of a median cross, marks are straight as well.
        here, q = self.move(at, flow)
        order = marks.order(here, displacement(q, self.alpha[at], self.band[at]))
        crossing = (order != marks.order(fundamental, line)).any(axis=-1)
        return np.where(crossing[:, None, None], 0.0, share), ahead, far

    def least_displacement(self, at, flow, far):
        """End of a line that displacements on the way to consumption `far` lie beyond, Eq. (6)."""
        _, q = self.move(at, flow)
        alpha, band = self.alpha[at], self.band[at]
        now, chord = displacement(q, alpha, band), displacement(far, alpha, band)
        sign = np.where(far < q, -1.0, 1.0)
        returns = sign * q < 0
        x = np.where(returns & (alpha > 1), 0.0, np.minimum(np.abs(now), band))
        tangent = now + (far - q) / (alpha + 2 * (1 - alpha) * x)
        return np.where(returns | (alpha > 1), sign * np.minimum(sign * tangent, sign * chord), chord)


def run(
    arrays,
    asset,
    marks,
    fundamental,
    q,
    depth,
    frontier,
    base,
    limit,
    survival,
    offset,
    extra,
    flow=None,
    crowd=None,
    taking=None,
    told=None,
):
    """Rounds of forced flow until the flow still to come is negligible, Eqs. (1)-(5).

    asset      : [n], which asset each row is; marks: Marks of these rows
    fundamental: [n]; q, depth: [n, venue], at the start of the rounds
    frontier   : [n, side, venue], from the marks of round 0
    base       : [n, side, venue], notional executed in earlier steps, USD
    limit      : [n, side, venue], most that can execute in this step, USD
    survival   : [n, side, venue, tier]; offset: [n, side, venue], distance added to the marks'
    extra      : [n, venue], net purchases of others in this step, USD
    crowd      : Crowd of these rows; None: all are as in the tables
    flow       : [n, side, venue], executed before `extra` came, where the rounds go on; None: they begin
    taking     : what backstop vaults take of these rows; None: nothing
    told       : takes every round, where a replay asks for it
    """
    n = len(asset)
    rounds = Rounds(arrays, asset, marks, fundamental, q, depth, base, survival, offset, extra, crowd, taking)
    end = Cascade(
        np.zeros_like(base), np.zeros_like(base), frontier.copy(), fundamental.copy(), q.copy(),
        np.zeros(n), np.zeros(n, int), np.zeros(n, bool),
    )  # fmt: skip
    # Flow that the marks at hand stand for: executed, or jumped to.
    assumed = np.zeros_like(base) if flow is None else flow.copy()
    total, ratio, jumped = np.zeros(n), np.full(n, FIRST_RATIO), np.zeros(n, bool)
    at = np.arange(n)
    goes_on = flow is not None
    if goes_on:
        end.frontier = np.maximum(end.frontier, rounds.reach(at, flow))
    for number in range(1, MAX_ROUNDS + 1):
        wanted = rounds.forced(at, end.frontier[at])
        flow = np.minimum(wanted, limit[at])
        new = np.maximum(flow - assumed[at], 0.0)
        end.flow[at], end.wanted[at], end.rounds[at] = flow, wanted, number
        end.fundamental[at], end.q[at] = rounds.move(at, flow)
        if told is not None:
            told.round(asset[at], number, *rounds.here(at, flow), flow, extra[at])
        before, total[at] = total[at], new.sum(axis=(1, 2))
        pushed = new
        if number == 1:
            end.first[at] = total[at]
            if not goes_on:  # what others have bought or sold pushes the marks as well
                total[at] += np.abs(rounds.extra[at]).sum(axis=1)
                pushed = new + np.abs(rounds.extra[at])[:, None, :]
        else:
            # The round after a jump compares with nothing: the last ratio stands.
            seen = np.minimum(total[at] / np.where(before > 0, before, 1.0), MAX_RATIO)
            ratio[at] = np.where(jumped[at], ratio[at], seen)
        # A cap that begins to bind makes flow drop at once; what goes on elsewhere does not.
        binding = (wanted > flow).any(axis=(1, 2))
        expected = np.where(binding, np.maximum(ratio[at], FIRST_RATIO), ratio[at])
        still = pushed * (expected / (1 - expected))[:, None, None]
        # After a jump the new flow is no more than a bound.
        done = (still <= TOLERANCE * depth[at][:, None, :]).all(axis=(1, 2)) & ~jumped[at]
        end.converged[at[done]] = True
        capped = done & binding
        if capped.any():
            # Who waits is measured at the last marks: what cannot execute is no reason to look away.
            some, waits = at[capped], (wanted > flow)[capped]
            last_marks = np.maximum(end.frontier[some], rounds.reach(some, flow[capped]))
            end.frontier[some] = np.where(waits, last_marks, end.frontier[some])
            end.wanted[some] = np.where(waits, rounds.forced(some, end.frontier[some]), wanted[capped])
        # At the cap the frontiers stay where they were last executed: the rest is next step's flow.
        if done.all() or number == MAX_ROUNDS:
            break
        keep = ~done
        at, flow, wanted = at[keep], flow[keep], wanted[keep]
        one_sided = (flow > DUST).any(axis=2).sum(axis=1) == 1
        free = one_sided & (wanted == flow).all(axis=(1, 2)) & ~(jumped | rounds.crooked)[at]
        assumed[at], jumped[at] = flow, False
        end.frontier[at] = np.maximum(end.frontier[at], rounds.reach(at, flow))
        if number >= FIRST_JUMP and free.any():
            some, flow = at[free], flow[free]
            frontier = end.frontier[some]
            share, ahead, far = rounds.jump(some, flow, frontier, total[some], limit[some])
            end.frontier[some] = frontier + share * (far - frontier)
            assumed[some] = flow + share * (ahead - flow)
            jumped[some] = share[:, 0, 0] > 0
    return end
