"""The cascade of one step in synchronous rounds: the specification."""

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.book.step_numpy import band_or_zero, displacement
from kernels.mechanisms.cascade import (
    DUST,
    FIRST_JUMP,
    FIRST_RATIO,
    JUMP_EVERY,
    MAX_RATIO,
    MAX_ROUNDS,
    SIGNIFICANT,
    SLACK,
    TOLERANCE,
)
from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.liquidation.step_numpy import distance, forced_total
from kernels.mechanisms.mark.step_numpy import mark
from kernels.parts.table.table_numpy import locate


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

    def __init__(self, arrays, asset, fundamental, q, depth, base, survival, offset, extra):
        self.arrays, self.asset = arrays, asset
        self.fundamental, self.q, self.depth = fundamental, q, depth
        self.base, self.survival, self.offset, self.extra = base, survival, offset, extra
        self.alpha, self.band = arrays.alpha[asset], arrays.band[asset]
        self.weight, self.permanent = arrays.mark_weight[asset], arrays.permanent[asset]
        self.thinned = (survival != 1).any(axis=(1, 2, 3))
        self.per_dollar = np.where(depth > 0, 1 / np.where(depth > 0, depth, 1.0), 0.0)

    def move(self, at, flow):
        """Fundamental [at] and consumption [at, venue] after a flow [at, side, venue]."""
        net = self.extra[at] + (flow[:, SHORT] - flow[:, LONG])
        return (
            self.fundamental[at] + self.permanent[at] * net.sum(axis=1),
            self.q[at] + net * self.per_dollar[at],
        )

    def reach(self, at, flow):
        """Distances that the marks reach after a flow: [at, side, venue]."""
        fundamental, q = self.move(at, flow)
        moved = displacement(q, self.alpha[at], self.band[at])
        return distance(mark(fundamental, moved, self.weight[at]), self.offset[at])

    def forced(self, at, frontier):
        """Notional that frontiers force beyond what was executed in earlier steps."""
        total = forced_total(self.arrays, self.asset[at], frontier, self.survival[at])
        return np.maximum(total - self.base[at], 0.0), total

    def jump(self, at, flow, new, previous):
        """A lower bound on all flow still to come along the last two rounds, Eq. (5).

        If every venue's new flow was at least rho times the one before, and slopes only fall by gamma
        on the way, what is still to come is at least new x gamma rho / (1 - gamma rho), venue by venue.
        """
        rho, highest = ratios(new, previous)
        _, q = self.move(at, flow)
        far = self.move(at, flow + new * (highest / (1 - highest))[:, None, None])[1]
        now, later = (np.abs(displacement(x, self.alpha[at], self.band[at])) for x in (q, far))
        edge = np.where(np.isfinite(self.band[at]), band_or_zero(self.band[at]), np.inf)
        slope = [self.alpha[at] + 2 * (1 - self.alpha[at]) * np.minimum(x, edge) for x in (now, later)]
        gamma = np.minimum(slope[0] / slope[1], 1.0).min(axis=1)
        rho = gamma * rho
        return new * (rho / (1 - rho))[:, None, None]


def ratios(new, previous):
    """Smallest and largest ratio of successive flows over the venues that matter: [n] each."""
    matter = previous > SIGNIFICANT * previous.max(axis=(1, 2), keepdims=True)
    ratio = new / np.where(matter, previous, 1.0)
    low = np.where(matter, ratio, np.inf).min(axis=(1, 2))
    high = np.where(matter, ratio, 0.0).max(axis=(1, 2))
    return np.minimum(low, MAX_RATIO), np.minimum(high, MAX_RATIO)


def run(arrays, asset, fundamental, q, depth, frontier, base, limit, survival, offset, extra, flow=None):
    """Rounds of forced flow until the flow still to come is negligible, Eqs. (1)-(5).

    asset      : [n], which asset each row is
    fundamental: [n]; q, depth: [n, venue], at the start of the rounds
    frontier   : [n, side, venue], from the marks of round 0
    base       : [n, side, venue], notional executed in earlier steps, USD
    limit      : [n, side, venue], most that can execute in this step, USD
    survival   : [n, side, venue, tier]; offset: [n, side, venue], distance added to the marks'
    extra      : [n, venue], net purchases of others in this step, USD
    flow       : [n, side, venue], executed before `extra` came, where the rounds go on; None: they begin
    """
    n = len(asset)
    rounds = Rounds(arrays, asset, fundamental, q, depth, base, survival, offset, extra)
    end = Cascade(
        np.zeros_like(base), np.zeros_like(base), frontier.copy(), fundamental.copy(), q.copy(),
        np.zeros(n), np.zeros(n, int), np.zeros(n, bool),
    )  # fmt: skip
    # Flow that the marks at hand stand for: executed, or jumped to.
    assumed = np.zeros_like(base) if flow is None else flow.copy()
    last, total, ratio = np.zeros_like(base), np.zeros(n), np.full(n, FIRST_RATIO)
    jumped, tried = np.zeros(n, bool), np.zeros(n, int)
    at = np.arange(n)
    if flow is not None:
        end.frontier = np.maximum(end.frontier, rounds.reach(at, flow))
    for number in range(1, MAX_ROUNDS + 1):
        wanted, _ = rounds.forced(at, end.frontier[at])
        flow = np.minimum(wanted, limit[at])
        new = np.maximum(flow - assumed[at], 0.0)
        end.flow[at], end.wanted[at], end.rounds[at] = flow, wanted, number
        end.fundamental[at], end.q[at] = rounds.move(at, flow)
        before, total[at] = total[at], new.sum(axis=(1, 2))
        pushed = new
        if number == 1:
            end.first[at] = total[at]
            # What others have bought or sold pushes the marks as well.
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
        done = (still <= TOLERANCE * depth[at][:, None, :]).all(axis=(1, 2))
        end.converged[at[done]] = True
        capped = done & binding
        if capped.any():
            # Who waits is measured at the last marks: what cannot execute is no reason to look away.
            some, waits = at[capped], (wanted > flow)[capped]
            last_marks = np.maximum(end.frontier[some], rounds.reach(some, flow[capped]))
            end.frontier[some] = np.where(waits, last_marks, end.frontier[some])
            end.wanted[some] = np.where(waits, rounds.forced(some, end.frontier[some])[0], wanted[capped])
        # At the cap the frontiers stay where they were last executed: the rest is next step's flow.
        if done.all() or number == MAX_ROUNDS:
            break
        keep = ~done
        at, flow, new, wanted = at[keep], flow[keep], new[keep], wanted[keep]
        one_sided = (flow > DUST).any(axis=2).sum(axis=1) == 1
        free = one_sided & (wanted == flow).all(axis=(1, 2)) & ~(jumped | rounds.thinned)[at]
        trying = free & (number >= FIRST_JUMP) & (number - tried[at] >= JUMP_EVERY)
        previous, last[at] = last[at], new
        assumed[at], jumped[at] = flow, False
        reached = np.empty_like(flow)
        plain = ~trying
        if trying.any():
            some = at[trying]
            tried[some] = number
            ahead = flow[trying] + rounds.jump(some, flow[trying], new[trying], previous[trying])
            far = np.maximum(end.frontier[some], rounds.reach(some, ahead))
            forced, cumulative = rounds.forced(some, far)
            same_bins = (locate(far)[0] == locate(end.frontier[some])[0]).all(axis=(1, 2))
            within = (forced >= ahead - SLACK * cumulative).all(axis=(1, 2))
            fits = (ahead <= limit[some]).all(axis=(1, 2))
            good = same_bins & within & fits
            assumed[some[good]], jumped[some[good]] = ahead[good], True
            reached[trying] = far
            plain[np.nonzero(trying)[0][~good]] = True
        reached[plain] = rounds.reach(at[plain], flow[plain])
        end.frontier[at] = np.maximum(end.frontier[at], reached)
    return end
