"""The difference of a statistic between two runs, with its interval: docs/methods/comparison.md.

Paired where both runs have tallies of the same ranges of paths, the sections; else from the two intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stress.measures import Estimate
from stress.measures.distribution import Distribution, filled
from stress.measures.expected_shortfall import n_beyond, student_score
from stress.measures.probability import proportion
from stress.measures.quantile import exact, order_bounds
from stress.stored import Counts
from stress.tally import words_to_int

FEWEST, MOST = 5, 20
"""Sections below which differences are not taken as paired, and above which more would not narrow them."""

BEYOND = 5
"""Paths that a section must have beyond a level, or on the rarer side of it."""

Measure = Callable[[Distribution], tuple[float, float]]
"""A statistic, and how far off it may be for what the histogram's bins hide."""

ERRORS = 2.0
"""Standard errors that this is taken at."""


@dataclass(frozen=True)
class Difference:
    """Other less base, and its interval.

    sections: that it is paired by; 0 where it comes from the two intervals
    same    : whether the runs have the same counts in every section: then it is zero without doubt
    """

    value: float
    lower: float
    upper: float
    sections: int
    same: bool = False


@dataclass(frozen=True)
class Sections:
    """The histogram of a cell, section by section.

    bins            : numbers of the bins that are filled in any section [bin]
    count, remainder: int64 [section, bin]
    sums, squares   : Python integers [section]
    over            : paths that count in each, where others are zero and not of interest [section], or None
    witness         : of counts, which are often equal where the paths are not: dollars of the same paths
    """

    exponent: int
    bins: np.ndarray
    count: np.ndarray
    remainder: np.ndarray
    sums: tuple[int, ...]
    squares: tuple[int, ...]
    over: np.ndarray | None = None
    witness: Sections | None = None

    @classmethod
    def of(
        cls, parts: Sequence[Counts], cell: int, over: int | None = None, witness: Sections | None = None
    ) -> Sections:
        """Of the counts of every section.

        over: the cell whose paths above zero are those that count; None: all paths
        """
        where = [part.entries(cell) for part in parts]
        bins = np.unique(np.concatenate([part.bin[at] for part, at in zip(parts, where, strict=True)]))
        count, remainder = np.zeros((2, len(parts), len(bins)), np.int64)
        for i, (part, at) in enumerate(zip(parts, where, strict=True)):
            place = np.searchsorted(bins, part.bin[at])
            count[i, place], remainder[i, place] = part.count[at], part.remainder[at]
        sums, squares = (
            tuple(words_to_int(getattr(part, name)[[cell]])[0] for part in parts)
            for name in ("sums", "squares")
        )
        n_over = None if over is None else np.array([part.above_zero(over) for part in parts])
        return cls(int(parts[0].exponent[cell]), bins, count, remainder, sums, squares, n_over, witness)

    @property
    def n(self) -> np.ndarray:
        """Paths that count [section]."""
        return self.count.sum(axis=1) if self.over is None else self.over

    def whole(self) -> Distribution:
        """All sections together."""
        return self.together(slice(None))

    def together(self, which: slice) -> Distribution:
        """Some neighbouring sections together."""
        count, remainder = self.count[which].sum(axis=0), self.remainder[which].sum(axis=0)
        some = count > 0
        n = None if self.over is None else int(self.over[which].sum())
        sums = sum(self.sums[which]), sum(self.squares[which])
        return filled(self.exponent, self.bins[some], count[some], remainder[some], *sums, n)

    def same(self, other: Sections) -> bool:
        """Whether every section holds the same counts, and so every path the same value.

        Dollars of so many paths agree only where the paths do. That three paths spend their fund agrees also
        where they are three others; then the witness says.
        """
        names = ("bins", "count", "remainder", "n")
        if not all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names):
            return False
        if self.witness is None or other.witness is None or len(self.bins) < 2:
            return True
        return self.witness.same(other.witness)


def mean(values: Distribution) -> tuple[float, float]:
    """Mean over paths, from exact sums."""
    return values.integer_sum / values.n * values.unit, 0.0


def quantile_at(level: float) -> Measure:
    """The quantile, finer than its bin: Eq. (5).

    Paths of a bin are spread evenly around its mean, within what its count and its mean leave possible.
    """

    def measure(values: Distribution) -> tuple[float, float]:
        rank = np.array([max(int(-((-exact(level) * values.n) // 1)), 1)])
        lowest, highest = (float(bound[0]) for bound in order_bounds(values, rank))
        place = int(np.searchsorted(values.below, rank[0] - 1, side="right")) - 1
        lower, upper, count, middle = _bin(values, place)
        if lower == 0 or np.isinf(upper):
            return middle, 0.0
        share = (float(rank[0] - values.below[place]) - 0.5) / count
        found = min(max(middle + (share - 0.5) * (upper - lower), lowest), highest)
        return found, min(_hidden(upper - lower, count), max(highest - found, found - lowest))

    return measure


def shortfall_at(level: float) -> Measure:
    """Expected shortfall; of the bin on the boundary the upper part is in the tail, spread as in Eq. (5)."""

    def measure(values: Distribution) -> tuple[float, float]:
        beyond = n_beyond(values.n, level)
        place = int(np.searchsorted(values.below - values.n, -beyond, side="right")) - 1
        lower, upper, count, middle = _bin(values, place)
        above_it = float(values.total[place + 1 :].sum())
        weight = beyond - float(values.n - values.below[place] - values.count[place])
        if lower == 0 or np.isinf(upper) or weight == count:
            return (above_it + weight * middle) / beyond, 0.0
        taken = max(weight, 1.0)
        highest = min(upper, (count * middle - (count - taken) * lower) / taken)
        cut = min(middle + (1 - taken / count) * (upper - lower) / 2, highest)
        off = min(_hidden(upper - lower, count), max(highest - cut, cut - middle))
        return (above_it + weight * cut) / beyond, weight * off / beyond

    return measure


def _bin(values: Distribution, place: int) -> tuple[float, float, float, float]:
    """Lower and upper end of a bin, its paths and their mean."""
    ends = float(values.lower[place]), float(values.upper[place])
    return *ends, float(values.count[place]), float(values.total[place] / values.count[place])


def _hidden(width: float, count: float) -> float:
    """Two errors, at most, of a value's place among so many in a bin whose mean is known."""
    return ERRORS * width / np.sqrt(12 * count)


def above(threshold: float) -> Measure:
    """Share of paths above a threshold; the bin that holds it counts in part."""

    def measure(values: Distribution) -> tuple[float, float]:
        least, about, most = values.above(threshold)
        return about / values.n, min((most - least) / 2, ERRORS * np.sqrt(most - least) / 2) / values.n

    return measure


def groups(n: Sequence[int] | np.ndarray, most: int) -> list[slice]:
    """Neighbouring sections taken together, so that there are at most so many, of about equal size."""
    k = min(len(n), max(most, 1))
    ends = np.linspace(0, len(n), k + 1).round().astype(int)
    return [slice(first, last) for first, last in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


def paired(
    base: Sections, other: Sections, measure: Measure, confidence: float, share: float | None = None
) -> Difference | None:
    """The difference with an interval from its spread over sections, Eqs. (2) to (4).

    share: of paths on the rarer side of a level; None for statistics that do not single paths out
    None where there are too few sections, or too few paths in them.
    """
    n = np.minimum(base.n, other.n)
    if base.same(other):
        return Difference(0.0, 0.0, 0.0, len(n), same=True) if n.sum() else None
    most = MOST if share is None else min(MOST, int(n.sum() * share / BEYOND + 1e-9))
    merged = groups(n, most)
    return spread_over(merged, base, other, measure, confidence) if len(merged) >= FEWEST else None


def spread_over(
    merged: Sequence[slice], base: Sections, other: Sections, measure: Measure, confidence: float
) -> Difference | None:
    """The difference over given groups of sections; None where one of them is without paths."""
    n = np.minimum(base.n, other.n)
    weight = np.array([n[which].sum() for which in merged], np.float64)
    if not weight.all():
        return None
    found = np.array([measure(other.together(at))[0] - measure(base.together(at))[0] for at in merged])
    (first, hidden), (second, hidden_too) = measure(base.whole()), measure(other.whole())
    value = second - first
    spread = (weight / weight.sum() * (found - value) ** 2).sum() / (len(merged) - 1)
    width = float(np.hypot(student_score(confidence, len(merged) - 1) * np.sqrt(spread), hidden + hidden_too))
    return Difference(value, value - width, value + width, len(merged))


def paired_share(base: Sections, other: Sections, threshold: float, confidence: float) -> Difference | None:
    """The difference of two probabilities: as `paired`, and no narrower than Eq. (6) for rare events."""
    found = paired(base, other, above(threshold), confidence)
    if found is None or found.same:
        return found
    hits = np.array(
        [
            [side.together(slice(i, i + 1)).above(threshold)[1] for i in range(len(side.n))]
            for side in (other, base)
        ]
    )
    more = hits[0] - hits[1]
    n = int(np.minimum(base.n, other.n).sum())
    gained, lost = (proportion(np.maximum(sign * more, 0).sum(), n, confidence) for sign in (1, -1))
    counted = unpaired(lost, gained)
    return Difference(
        found.value, min(found.lower, counted.lower), max(found.upper, counted.upper), found.sections
    )


def unpaired(base: Estimate, other: Estimate) -> Difference:
    """The difference with an interval from those of the two, as if they were independent: Eq. (7)."""
    (a, a_lower, a_upper), (b, b_lower, b_upper) = (
        (float(np.squeeze(end)) for end in (side.value, side.lower, side.upper)) for side in (base, other)
    )
    below, beyond = np.hypot(b - b_lower, a_upper - a), np.hypot(b_upper - b, a - a_lower)
    return Difference(b - a, b - a - float(below), b - a + float(beyond), 0)
