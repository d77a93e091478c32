"""Merton's jumps: common ones with betas, and those of single assets, by expectation and maximisation.

docs/methods/calibration.md, Eqs. (22) to (24). A bar holds at most `MOST_COMMON` common jumps and one own
jump; with several jumps to a bar they are no jumps but volatility that clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stress.calibrate.intervals import LINEAR, LOG, Estimate, estimate, influences
from stress.units import YEAR_SECONDS

MOST_COMMON = 2
MOST_ROUNDS = 500
TRIAL_ROUNDS = 60
LEAST_GAIN = 2e-4
"""Of log likelihood in a round; when it gains less, rounds end."""

FEWEST = 5.0
"""Expected jumps of one kind in all the data; with fewer there are none to be told."""

SMALLEST = 2.0
"""Root mean square size of a jump over the deviation of a bar without one, at least."""


@dataclass(frozen=True)
class Law:
    """Parameters, per bar."""

    mean: np.ndarray
    covariance: np.ndarray
    chance: float
    size: float
    variance: float
    beta: np.ndarray
    """Of all assets; that of the first is 1."""
    own_chance: np.ndarray
    own_size: np.ndarray
    own_variance: np.ndarray


@dataclass(frozen=True)
class OwnJumps:
    """Jumps a year, their mean and deviation."""

    rate: Estimate
    mean: Estimate
    deviation: Estimate


@dataclass(frozen=True)
class Jumps:
    """What `jump_diffusion` needs; None where too few jumps were found."""

    volatility: list[Estimate]
    """Without the jumps."""
    common: OwnJumps | None
    betas: list[Estimate]
    """Of the assets after the first."""
    own: dict[int, OwnJumps]
    per_bar: float
    """Jumps of all kinds in a bar, on average."""


@dataclass(frozen=True)
class Moments:
    """Expected values of what may have happened in each bar: [time], or [time, asset]."""

    count: np.ndarray
    """K, common jumps."""
    jump: np.ndarray
    """J, their sum."""
    power: np.ndarray
    """J^2."""
    square: np.ndarray
    """(J - K m)^2 / K where there is a jump."""
    moved: np.ndarray
    """r - mean - beta J - own jump: [time, asset]."""
    joint: np.ndarray
    """J (r - mean - own jump): [time, asset]."""
    outer: np.ndarray
    """`moved` times itself, lower triangle: [time, entry]."""
    own: np.ndarray
    own_size: np.ndarray
    own_square: np.ndarray
    """Of own jumps less their mean size."""
    log_likelihood: np.ndarray


def expected(law: Law, returns: np.ndarray, own: tuple[int, ...]) -> Moments:
    """Eq. (23): every combination of jumps, weighed by its chance given the return."""
    n_time, n = returns.shape
    precision = np.linalg.inv(law.covariance)
    gap = returns - law.mean
    pulled = gap @ precision
    toward, strength = pulled @ law.beta, float(law.beta @ precision @ law.beta)
    log_det = float(np.linalg.slogdet(law.covariance)[1])
    base = -0.5 * ((gap * pulled).sum(axis=1) + log_det + n * math.log(2 * math.pi))
    base -= law.chance + law.own_chance.sum()
    kinds = [(k, a) for k in range(MOST_COMMON + 1) for a in (None, *own)]
    logs, sizes, spreads = [], [], []
    for k, a in kinds:
        # The normal law of (J, own jump) given the return, by completing the square.
        info, pull, log = np.zeros((2, 2)), np.zeros((2, n_time)), 0.0
        if k:
            prior = 1 / (k * law.variance)
            info[0, 0] = strength + prior
            pull[0] = toward + law.size / law.variance
            log += k * math.log(max(law.chance, 1e-300)) - math.lgamma(k + 1)
            log += 0.5 * math.log(prior) - 0.5 * k * law.size**2 / law.variance
        if a is not None:
            prior = 1 / law.own_variance[a]
            info[1, 1] = precision[a, a] + prior
            pull[1] = pulled[:, a] + law.own_size[a] * prior
            log += math.log(max(law.own_chance[a], 1e-300))
            log += 0.5 * math.log(prior) - 0.5 * law.own_size[a] ** 2 * prior
        if k and a is not None:
            info[0, 1] = info[1, 0] = float(precision[a] @ law.beta)
        there = np.diag(info) > 0
        spread = np.zeros((2, 2))
        if there.any():
            kept = info[np.ix_(there, there)]
            spread[np.ix_(there, there)] = np.linalg.inv(kept)
            log -= 0.5 * math.log(np.linalg.det(kept))
        mean = spread @ pull
        logs.append(base + log + 0.5 * (pull * mean).sum(axis=0))
        sizes.append(mean)
        spreads.append(spread)
    stacked = np.array(logs)
    top = stacked.max(axis=0)
    weight = np.exp(stacked - top)
    total = weight.sum(axis=0)
    weight /= total
    count, jump, square, power = (np.zeros(n_time) for _ in range(4))
    number, own_jump, own_power, own_square, cross = (np.zeros((n_time, n)) for _ in range(5))
    for (k, a), w, mean, spread in zip(kinds, weight, sizes, spreads, strict=True):
        if k:
            second = mean[0] ** 2 + spread[0, 0]
            count += w * k
            jump += w * mean[0]
            power += w * second
            square += w * (second - 2 * k * law.size * mean[0] + (k * law.size) ** 2) / k
        if a is not None:
            second = mean[1] ** 2 + spread[1, 1]
            number[:, a] += w
            own_jump[:, a] += w * mean[1]
            own_power[:, a] += w * second
            own_square[:, a] += w * (second - 2 * law.own_size[a] * mean[1] + law.own_size[a] ** 2)
            cross[:, a] += w * (mean[0] * mean[1] + spread[0, 1])
    rows, columns = np.tril_indices(n)
    first, second = law.beta[rows], law.beta[columns]
    outer = gap[:, rows] * gap[:, columns] + power[:, None] * (first * second)
    for one, other, beta in ((rows, columns, second), (columns, rows, first)):
        outer -= gap[:, one] * (jump[:, None] * beta + own_jump[:, other])
        outer += cross[:, one] * beta
    outer[:, rows == columns] += own_power
    return Moments(
        count, jump, power, square,
        moved=gap - jump[:, None] * law.beta - own_jump,
        joint=gap * jump[:, None] - cross,
        outer=outer,
        own=number, own_size=own_jump, own_square=own_square,
        log_likelihood=top + np.log(total),
    )  # fmt: skip


def triangle(entries: np.ndarray, n: int) -> np.ndarray:
    """A symmetric matrix from its lower triangle."""
    matrix = np.zeros((n, n))
    rows, columns = np.tril_indices(n)
    matrix[rows, columns] = matrix[columns, rows] = entries
    return matrix


def maximised(law: Law, found: Moments, own: tuple[int, ...]) -> Law:
    """Eq. (24): the parameters that fit the expected jumps best."""
    n = len(law.mean)
    count = max(found.count.sum(), 1e-12)
    # One after the other, each given those before, so that the likelihood cannot fall.
    shift = found.moved.mean(axis=0)
    jump, power = found.jump.mean(), found.power.mean()
    lean = found.joint.mean(axis=0) - power * law.beta
    bend = lean - shift * jump
    turn = np.zeros(n)
    if n > 1 and power > 0:
        precision = np.linalg.inv(law.covariance)
        turn[1:] = np.linalg.solve(precision[1:, 1:], precision[1:] @ bend) / power
    cross = np.outer(turn, bend)
    covariance = triangle(found.outer.mean(axis=0), n) - np.outer(shift, shift)
    covariance += power * np.outer(turn, turn) - cross - cross.T
    own_chance, own_size, own_variance = law.own_chance.copy(), law.own_size.copy(), law.own_variance.copy()
    for a in own:
        number = max(found.own[:, a].sum(), 1e-12)
        own_chance[a] = number / len(found.own)
        own_size[a] = found.own_size[:, a].sum() / number
        own_variance[a] = max(found.own_square[:, a].sum() / number, 1e-3 * law.covariance[a, a])
    return replace(
        law,
        mean=law.mean + shift,
        covariance=covariance,
        chance=count / len(found.count),
        size=float(found.jump.sum() / count),
        variance=max(float(found.square.sum() / count), 1e-3 * law.covariance[0, 0]),
        beta=law.beta + turn,
        own_chance=own_chance,
        own_size=own_size,
        own_variance=own_variance,
    )


def first(returns: np.ndarray, own: tuple[int, ...]) -> Law:
    """Where to begin: what the quiet bars do, and jumps that are several times as large."""
    n = returns.shape[1]
    middle = np.median(returns, axis=0)
    deviation = np.median(np.abs(returns - middle), axis=0) / 0.6745
    correlation = np.corrcoef(returns.T).reshape(n, n)
    held, chance = np.zeros(n), np.zeros(n)
    variance = (5 * deviation) ** 2
    chance[list(own)] = 0.005
    return Law(
        mean=middle,
        covariance=correlation * np.outer(deviation, deviation),
        chance=0.005,
        size=0.0,
        variance=float(variance[0]),
        beta=deviation / deviation[0],
        own_chance=chance,
        own_size=held,
        own_variance=variance,
    )


def fit(
    returns: np.ndarray, own: tuple[int, ...], say: Callable[[str], None], most: int = MOST_ROUNDS
) -> Law:
    """Expectation and maximisation until nothing moves."""
    law, before = first(returns, own), -math.inf
    for rounds in range(most):
        found = expected(law, returns, own)
        law = maximised(law, found, own)
        likelihood = float(found.log_likelihood.sum())
        if abs(likelihood - before) < LEAST_GAIN:
            break
        before = likelihood
        if rounds % 25 == 24:
            say(f"jumps, round {rounds + 1}")
    return law


def packed(law: Law, own: tuple[int, ...]) -> np.ndarray:
    """Free numbers as one vector."""
    index = list(own)
    rows, columns = np.tril_indices(len(law.mean))
    return np.concatenate([
        [law.chance, law.size, law.variance], law.beta[1:],
        law.own_chance[index], law.own_size[index], law.own_variance[index],
        law.mean, law.covariance[rows, columns],
    ])  # fmt: skip


def unpacked(theta: np.ndarray, n: int, own: tuple[int, ...]) -> Law:
    """The inverse of `packed`."""
    sizes = [1, 1, 1, n - 1, len(own), len(own), len(own), n]
    chance, size, variance, beta, *owns, mean, covariance = np.split(theta, np.cumsum(sizes))
    spread = [np.zeros(n), np.zeros(n), np.ones(n)]
    for values, found in zip(spread, owns, strict=True):
        values[list(own)] = found
    return Law(
        mean, triangle(covariance, n), float(chance[0]), float(size[0]), float(variance[0]),
        np.concatenate([[1.0], beta]), *spread,
    )  # fmt: skip


def equations(theta: np.ndarray, returns: np.ndarray, own: tuple[int, ...]) -> np.ndarray:
    """What `maximised` leaves: zero on average where the likelihood is largest."""
    n, index = returns.shape[1], list(own)
    law = unpacked(theta, n, own)
    found = expected(law, returns, own)
    precision = np.linalg.inv(law.covariance)
    rows, columns = np.tril_indices(n)
    bend = (found.joint - found.power[:, None] * law.beta) @ precision
    counts = found.own[:, index]
    return np.hstack([
        (found.count - law.chance)[:, None],
        (found.jump - found.count * law.size)[:, None],
        (found.square - found.count * law.variance)[:, None],
        bend[:, 1:],
        counts - law.own_chance[index],
        found.own_size[:, index] - counts * law.own_size[index],
        found.own_square[:, index] - counts * law.own_variance[index],
        found.moved,
        found.outer - law.covariance[rows, columns],
    ])  # fmt: skip


def steps(law: Law, own: tuple[int, ...], n_time: int) -> np.ndarray:
    """How far parameters are moved for derivatives: a thousandth of what they can be told by."""
    scale = np.sqrt(np.diag(law.covariance))
    rows, columns = np.tril_indices(len(law.mean))
    index = list(own)
    deviation = math.sqrt(law.variance)
    sizes = np.concatenate([
        [law.chance, deviation, law.variance], np.abs(law.beta[1:]) + 0.1,
        law.own_chance[index], np.sqrt(law.own_variance[index]), law.own_variance[index],
        scale, scale[rows] * scale[columns],
    ])  # fmt: skip
    return 1e-3 * np.maximum(sizes, 1e-12)


def told(law: Law, own: tuple[int, ...], n_time: int) -> tuple[int, ...]:
    """Assets whose own jumps are enough, and large enough, to be told from everything else."""
    size = np.sqrt((law.own_size**2 + law.own_variance) / np.diag(law.covariance))
    return tuple(a for a in own if law.own_chance[a] * n_time >= FEWEST and size[a] >= SMALLEST)


def jumps(
    returns: np.ndarray, bar: float, own: bool = True, say: Callable[[str], None] = lambda _: None
) -> Jumps:
    """All of Eqs. (22) to (24). The first asset's common jumps are the unit of the others'.

    returns: [time, asset], none missing
    own    : whether single assets jump alone, too; with one asset all jumps are common ones
    """
    n_time, n = returns.shape
    unit = returns.std(axis=0)
    moved = returns / unit
    who = tuple(range(n)) if own and n > 1 else ()
    who = told(fit(moved, who, say, TRIAL_ROUNDS), who, n_time)
    law = fit(moved, who, say)
    while (kept := told(law, who, n_time)) != who:
        who, law = kept, fit(moved, kept, say)
    say("jumps, standard errors")
    influence = influences(lambda t: equations(t, moved, who), packed(law, who), steps(law, who, n_time))
    per_year = YEAR_SECONDS / bar

    def kind(chance: float, size: float, variance: float, columns: list[int], unit: float) -> OwnJumps:
        part, deviation = influence[:, columns], math.sqrt(variance)
        return OwnJumps(
            rate=estimate(per_year * chance, per_year * part[:, 0], LOG),
            mean=estimate(unit * size, unit * part[:, 1], LINEAR),
            deviation=estimate(unit * deviation, unit * part[:, 2] / (2 * deviation), LOG),
        )

    m, start = len(who), 3 + n - 1
    end = start + 3 * m + n
    rows, columns = np.tril_indices(n)
    diagonal = [end + int(np.flatnonzero((rows == a) & (columns == a))[0]) for a in range(n)]
    found = np.sqrt(np.diag(law.covariance))
    annual = unit * math.sqrt(per_year)
    ratio = unit / unit[0]
    common = kind(law.chance, law.size, law.variance, [0, 1, 2], unit[0])
    most = (law.beta**2 / np.diag(law.covariance)).max()
    large = (law.size**2 + law.variance) * most >= SMALLEST**2
    return Jumps(
        volatility=[
            estimate(annual[a] * found[a], annual[a] * influence[:, diagonal[a]] / (2 * found[a]), LOG)
            for a in range(n)
        ],
        common=common if large and law.chance * n_time >= FEWEST else None,
        betas=[
            estimate(ratio[a] * law.beta[a], ratio[a] * influence[:, 2 + a], LINEAR) for a in range(1, n)
        ],
        own={
            a: kind(
                law.own_chance[a], law.own_size[a], law.own_variance[a],
                [start + i, start + m + i, start + 2 * m + i], unit[a],
            )
            for i, a in enumerate(who)
        },
        per_bar=float(law.chance + law.own_chance.sum()),
    )  # fmt: skip
