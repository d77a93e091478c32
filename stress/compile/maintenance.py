"""Maintenance of a market: classes by hand, or a venue's brackets for sizes of positions.

Equations of docs/methods/positions.md. A scenario has room for few classes, so the brackets are grouped;
a holder keeps its own rate, deduction and trigger, and only its bankruptcy is that of its class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from stress.config.market import MOST_CLASSES

if TYPE_CHECKING:
    from stress.config.market import Market
    from stress.config.positions import Brackets

SAMPLES = 4096
"""Positions that stand for the continuum of sizes."""


@dataclass(frozen=True)
class Terms:
    """What a venue asks of positions of the same class, or of one position after the other."""

    share: float
    """Share of the notional that is under these terms."""
    rate: np.ndarray
    """Maintenance per dollar of present notional [position]."""
    deduction: np.ndarray
    """Relief per dollar of start notional [position]."""
    maximum_leverage: np.ndarray
    """Highest leverage when a position is opened [position]."""
    group: np.ndarray
    """Class in the scenario, int64 [position]."""


def most_classes(has_ladder: bool) -> int:
    """Classes that a market has room for; the rungs of a ladder are one of their own."""
    return MOST_CLASSES - has_ladder


def n_class(market: Market, has_ladder: bool) -> int:
    """Classes of a market."""
    if market.brackets is None:
        return len(market.maintenance)
    return min(len(market.brackets.table), most_classes(has_ladder))


def sizes(brackets: Brackets, share: np.ndarray) -> np.ndarray:
    """Size of the position up to which `share` of all notional is held, Eq. (2): USD, like `share`."""
    assert brackets.sizes is not None
    sigma = brackets.sizes.sigma
    middle = np.log(brackets.sizes.median) + sigma**2
    largest = brackets.table[-1].up_to
    beyond = ndtr((np.log(largest) - middle) / sigma)
    return np.minimum(np.exp(middle + sigma * ndtri(share * beyond)), largest)


def evenly(n: int = SAMPLES) -> np.ndarray:
    """Shares in the middle of `n` equal parts."""
    return (np.arange(n) + 0.5) / n


def terms(market: Market, has_ladder: bool, size: np.ndarray, weight: np.ndarray) -> list[Terms]:
    """The terms of positions of these sizes [position], USD; classes by hand know no sizes.

    weight: [position], notional by which brackets are grouped
    """
    if market.brackets is None:
        return [
            Terms(
                rule.share,
                np.full(size.shape, rule.rate),
                np.full(size.shape, rule.deduction),
                np.full(size.shape, np.inf),
                np.full(size.shape, place),
            )
            for place, rule in enumerate(market.maintenance)
        ]
    table = market.brackets.table
    bracket = np.searchsorted([row.up_to for row in table[:-1]], size, side="left")
    rate = np.array([row.rate for row in table])[bracket]
    deduction = np.array(market.brackets.deductions)[bracket] / size
    cap = np.array([row.maximum_leverage or np.inf for row in table])[bracket]
    notional = np.bincount(bracket, weight, len(table))
    needed = np.bincount(bracket, weight * (rate - deduction), len(table))
    need = np.divide(needed, notional, out=np.zeros(len(table)), where=notional > 0)
    return [Terms(1.0, rate, deduction, cap, grouped(notional, need, n_class(market, has_ladder))[bracket])]


def classes(market: Market, has_ladder: bool) -> list[tuple[float, float, float]]:
    """(share, rate, deduction) of the classes of a market, brackets grouped by their sizes."""
    if market.brackets is None:
        return [(rule.share, rule.rate, rule.deduction) for rule in market.maintenance]
    size = sizes(market.brackets, evenly())
    (found,) = terms(market, has_ladder, size, np.ones(len(size)))
    held = np.bincount(found.group, minlength=n_class(market, has_ladder))
    mean = [np.bincount(found.group, each) / np.maximum(held, 1) for each in (found.rate, found.deduction)]
    return [
        (count / len(size), float(rate), float(deduction))
        for count, rate, deduction in zip(held, *mean, strict=True)
        if count
    ]


def grouped(weight: np.ndarray, value: np.ndarray, most: int) -> np.ndarray:
    """Neighbours put together in at most `most` groups, so that values differ least within them.

    weight, value: [member]; returns: group of each member, int64, from 0 up

    The sum of weight x (value - mean of the group)^2 is as small as it can be, Eq. (4): by dynamic
    programming over where the last group begins.
    """
    n = len(weight)
    sums = [np.concatenate([[0.0], np.cumsum(weight * value**power)]) for power in range(3)]

    def spread(first: int, end: int) -> float:
        held, once, twice = (s[end] - s[first] for s in sums)
        return max(twice - once**2 / held, 0.0) if held > 0 else 0.0

    best = [[0.0 if end == 0 else np.inf for end in range(n + 1)]]
    begins: list[list[int]] = []
    for _ in range(min(most, n)):
        costs = [[best[-1][first] + spread(first, end) for first in range(end)] for end in range(n + 1)]
        begins.append([int(np.argmin(cost)) if cost else 0 for cost in costs])
        best.append([min(cost, default=np.inf) for cost in costs])
    group, end = np.zeros(n, np.int64), n
    for place in reversed(range(len(begins))):
        first = begins[place][end]
        group[first:end] = place
        end = first
    return group
