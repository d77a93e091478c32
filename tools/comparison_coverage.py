"""How often do the intervals of `stress compare` hold the truth? Pairs of losses whose answers are known.

    python tools/comparison_coverage.py             10,000 paths, 400 samples of each law; minutes
    python tools/comparison_coverage.py -n 2000     more samples
    python tools/comparison_coverage.py --paths 2500

Prints for each law and number of sections the share of 95% intervals that hold the true difference, and
their width over that of a normal interval with the true error; then the same for `stress compare` itself,
with the sections that it takes and its widening for rare events, and for unpaired intervals. Values go
through the histograms that runs keep.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from kernels.parts import histogram
from kernels.parts.histogram import histogram_numpy
from stress.comparison.estimator import (
    Sections,
    above,
    groups,
    mean,
    paired,
    paired_share,
    quantile_at,
    shortfall_at,
    spread_over,
    unpaired,
)
from stress.measures import moments, probability
from stress.measures.expected_shortfall import expected_shortfall
from stress.measures.quantile import quantile
from stress.tally import words_to_int

CONFIDENCE, LEVEL, EXPONENT = 0.95, 0.99, 10
SCALE = 1e8
"""Dollars."""
RHO, LESS = 0.98, 0.9
"""Correlation of the two losses of a path, and the second one's size."""
SIGMA = 1.5
FUND = 2 * SCALE
STATISTICS = ("mean", "median", "VaR 99%", "ES 99%", "P > VaR 99.9%")
SECTIONS = (5, 10, 20, 50)

Pair = tuple[np.ndarray, np.ndarray]


def correlated(rng: np.random.Generator, n: int) -> Pair:
    first = rng.standard_normal(n)
    return first, RHO * first + np.sqrt(1 - RHO**2) * rng.standard_normal(n)


def log_normal(rng: np.random.Generator, n: int) -> Pair:
    """The second is a tenth smaller, and its own in part."""
    first, second = correlated(rng, n)
    return SCALE * np.exp(SIGMA * first), LESS * SCALE * np.exp(SIGMA * second)


def log_normal_truth() -> np.ndarray:
    tail = norm.ppf(LEVEL)
    average = np.exp(SIGMA**2 / 2)
    shortfall = average * norm.cdf(SIGMA - tail) / (1 - LEVEL)
    levels = SCALE * np.array([average, 1.0, np.exp(SIGMA * tail), shortfall])
    rare = norm.sf(norm.ppf(0.999) - np.log(LESS) / SIGMA)
    return np.append((LESS - 1) * levels, rare - 1e-3)


def pareto(rng: np.random.Generator, n: int) -> Pair:
    """The same with a tail index of 3."""
    first, second = correlated(rng, n)
    return SCALE * norm.sf(first) ** (-1 / 3), LESS * SCALE * norm.sf(second) ** (-1 / 3)


def pareto_truth() -> np.ndarray:
    tail = (1 - LEVEL) ** (-1 / 3)
    levels = SCALE * np.array([1.5, 0.5 ** (-1 / 3), tail, 1.5 * tail])
    return np.append((LESS - 1) * levels, 1e-3 * (LESS**3 - 1))


def fund(rng: np.random.Generator, n: int) -> Pair:
    """Pareto losses; a fund pays the first $200M of the second."""
    loss = SCALE * rng.random(n) ** (-1 / 3)
    return loss, np.maximum(loss - FUND, 0.0)


def fund_truth() -> np.ndarray:
    x = FUND / SCALE
    rare = (10 + x) ** -3
    return np.append(SCALE * np.array([x**-2 / 2 - 1.5, -(0.5 ** (-1 / 3)), -x, -x]), rare - 1e-3)


Law = tuple[Callable[[np.random.Generator, int], Pair], Callable[[], np.ndarray], float]
LAWS: dict[str, Law] = {
    "log-normal, sigma 1.5": (log_normal, log_normal_truth, SCALE * float(np.exp(SIGMA * norm.ppf(0.999)))),
    "Pareto, tail 3": (pareto, pareto_truth, 10 * SCALE),
    "a fund of $200M": (fund, fund_truth, 10 * SCALE),
}
"""Draws, true differences by statistic, and the threshold of a rare loss."""


def sections_of(values: np.ndarray, k: int) -> Sections:
    """Values counted as a run counts them, in k sections."""
    counts, remainders = np.zeros((2, k, 1, histogram.N_BIN), np.int64)
    sums, squares = np.zeros((2, k, 1, 2), np.uint64)
    for i, part in enumerate(np.array_split(np.asarray(values, np.float32), k)):
        tables = (counts[i], remainders[i], sums[i], squares[i])
        histogram_numpy.add(part[:, None], np.array([EXPONENT], np.int32), *tables)
    bins = np.flatnonzero(counts.sum(axis=(0, 1)))
    words = (tuple(words_to_int(table[:, 0])) for table in (sums, squares))
    return Sections(EXPONENT, bins, counts[:, 0, bins], remainders[:, 0, bins], *words)


def measures(threshold: float):
    """Of every statistic: how it is measured in a section."""
    return (mean, quantile_at(0.5), quantile_at(LEVEL), shortfall_at(LEVEL), above(threshold))


def by_itself(base: Sections, other: Sections, threshold: float) -> list:
    """The intervals that `stress compare` gives; None where it does not pair."""
    kinds = zip(measures(threshold), (None, 0.5, 1 - LEVEL, 1 - LEVEL), strict=False)
    found = [paired(base, other, measure, CONFIDENCE, share) for measure, share in kinds]
    return [*found, paired_share(base, other, threshold, CONFIDENCE)]


def independent(base: Sections, other: Sections, threshold: float) -> list:
    """The intervals of runs without common draws."""

    def estimates(values):
        yield moments.mean(values, CONFIDENCE)
        yield quantile(values, [0.5], CONFIDENCE)
        yield quantile(values, [LEVEL], CONFIDENCE)
        yield expected_shortfall(values, [LEVEL], CONFIDENCE)
        yield probability.exceedance(values, [threshold], CONFIDENCE)

    return [unpaired(*pair) for pair in zip(estimates(base.whole()), estimates(other.whole()), strict=True)]


def coverage(name: str, n_path: int, n_sample: int, k: int | None, seed: int = 5, pairing: bool = True):
    """Shares of intervals that hold the true difference, and their mean width over that of 1.96 true errors.

    k: sections; None for those that are taken by themselves, of twenty
    """
    law, truth, threshold = LAWS[name]
    rng, expected = np.random.default_rng(seed), truth()
    hits, widths, values = [], [], []
    for _ in range(n_sample):
        base, other = (sections_of(side, k or 20) for side in law(rng, n_path))
        if not pairing:
            found = independent(base, other, threshold)
        elif k is None:
            found = by_itself(base, other, threshold)
        else:
            merged = groups(base.n, k)
            kinds = measures(threshold)
            found = [spread_over(merged, base, other, measure, CONFIDENCE) for measure in kinds]
        # Bins of rows keep a share of 2^-23: two that differ by the fund alone may differ by that much more.
        slack = 1e-6 * np.abs(expected)
        hits.append([f.lower - s <= t <= f.upper + s for f, t, s in zip(found, expected, slack, strict=True)])
        widths.append([(f.upper - f.lower) / 2 for f in found])
        values.append([f.value for f in found])
    errors = np.std(values, axis=0)
    width = np.mean(widths, axis=0) / np.where(errors > 1e-6 * np.abs(expected), 1.96 * errors, np.nan)
    return np.mean(hits, axis=0), width


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=400, help="samples")
    parser.add_argument("--paths", type=int, default=10_000)
    asked = parser.parse_args()
    print(f"{asked.paths:,} paths, {asked.n} samples: coverage (width)")
    print(f"{'':40}" + "".join(f"{name:>18}" for name in STATISTICS))
    for name in LAWS:
        for k, pairing in (*((k, True) for k in SECTIONS), (None, True), (None, False)):
            shares, widths = coverage(name, asked.paths, asked.n, k, pairing=pairing)
            how = f"{k} sections" if k else "as compare does" if pairing else "unpaired"
            cells = "".join(f"{s:>10.3f} ({w:5.2f})" for s, w in zip(shares, widths, strict=True))
            print(f"{name:23} {how:16}{cells}", flush=True)


if __name__ == "__main__":
    main()
