"""The cascade of one step in synchronous rounds: the specification."""

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.book.step_numpy import displacement
from kernels.mechanisms.cascade import FIRST_RATIO, MAX_RATIO, MAX_ROUNDS, TOLERANCE
from kernels.mechanisms.liquidation import LONG, SHORT
from kernels.mechanisms.liquidation.step_numpy import distance, forced_total
from kernels.mechanisms.mark.step_numpy import mark


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


def run(arrays, asset, fundamental, q, depth, frontier, base, limit, survival, monitoring):
    """Rounds of forced flow until the flow still to come is negligible, Eqs. (1)-(4).

    asset      : [n], which asset each row is
    fundamental: [n]; q, depth: [n, venue], at the start of the rounds
    frontier   : [n, side, venue], from the marks of round 0
    base       : [n, side, venue], notional executed in earlier steps, USD
    limit      : [n, side, venue], most that can execute in this step, USD
    survival   : [n, side, venue, tier]; monitoring: [n]
    """
    n = len(asset)
    end = Cascade(
        np.zeros_like(base), np.zeros_like(base), frontier.copy(), fundamental.copy(), q.copy(),
        np.zeros(n), np.zeros(n, int), np.zeros(n, bool),
    )  # fmt: skip
    alpha, band, weight = arrays.alpha[asset], arrays.band[asset], arrays.mark_weight[asset]
    permanent, listed = arrays.permanent[asset], depth > 0
    previous = np.zeros(n)
    at = np.arange(n)
    for number in range(1, MAX_ROUNDS + 1):
        wanted = np.maximum(forced_total(arrays, asset[at], end.frontier[at], survival[at]) - base[at], 0.0)
        flow = np.minimum(wanted, limit[at])
        new = np.maximum(flow - end.flow[at], 0.0)
        total = new.sum(axis=(1, 2))
        end.flow[at], end.wanted[at], end.rounds[at] = flow, wanted, number

        net = flow[:, SHORT] - flow[:, LONG]
        end.q[at] = q[at] + np.where(listed[at], net / np.where(listed[at], depth[at], 1.0), 0.0)
        end.fundamental[at] = fundamental[at] + permanent[at] * net.sum(axis=1)

        if number == 1:
            end.first[at] = total
            ratio = np.full(len(at), FIRST_RATIO)
        else:
            ratio = np.minimum(total / np.where(previous[at] > 0, previous[at], 1.0), MAX_RATIO)
        previous[at] = total
        still = new * (ratio / (1 - ratio))[:, None, None]
        done = (still <= TOLERANCE * depth[at][:, None, :]).all(axis=(1, 2))
        end.converged[at[done]] = True
        at = at[~done]
        # At the cap the frontiers stay where they were last executed: the rest is next step's flow.
        if len(at) == 0 or number == MAX_ROUNDS:
            break
        moved = displacement(end.q[at], alpha[at], band[at])
        reached = distance(mark(end.fundamental[at], moved, weight[at]), monitoring[at])
        end.frontier[at] = np.maximum(end.frontier[at], reached)
    return end
