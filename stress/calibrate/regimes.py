"""Regimes: a hidden Markov chain over Gaussian laws, by expectation and maximisation.

docs/methods/calibration.md, Eqs. (18) to (21); Hamilton (1989), Baum et al. (1970).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from stress.calibrate.intervals import FISHER, LOG, LOGIT, Estimate, estimate, influences
from stress.units import YEAR_SECONDS

MOST_ROUNDS = 300


@dataclass(frozen=True)
class Regime:
    """One state of the chain."""

    duration: Estimate
    """Mean, in seconds."""
    share: Estimate
    """Of time, in the long run."""
    next: dict[int, Estimate]
    """Shares of the regimes that follow."""
    volatility: list[Estimate]
    correlation: np.ndarray
    pairs: dict[tuple[int, int], Estimate]


def prefix_products(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products M_1 ... M_t of every t, each over its sum, and the logarithms of these sums.

    matrices: [time, k, k], not negative. In blocks, so that no loop is over time.
    """
    n, k, _ = matrices.shape
    width = max(int(math.sqrt(n)), 1)
    count = -(-n // width)
    padded = np.concatenate([matrices, np.broadcast_to(np.eye(k), (count * width - n, k, k))])
    blocks = padded.reshape(count, width, k, k)
    products, logs = np.empty_like(blocks), np.empty((count, width))
    run, log = np.broadcast_to(np.eye(k), (count, k, k)), np.zeros(count)
    for t in range(width):
        run = run @ blocks[:, t]
        total = run.sum(axis=(1, 2))
        run, log = run / total[:, None, None], log + np.log(total)
        products[:, t], logs[:, t] = run, log
    carry, log_carry = np.eye(k), 0.0
    for b in range(count):
        products[b] = carry @ products[b]
        logs[b] += log_carry
        total = products[b].sum(axis=(1, 2))
        products[b] /= total[:, None, None]
        logs[b] += np.log(total)
        carry, log_carry = products[b, -1], logs[b, -1]
    return products.reshape(-1, k, k)[:n], logs.reshape(-1)[:n]


def log_densities(returns: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Logarithm of the normal density of every return vector in every regime: [time, regime]."""
    columns = []
    for covariance in covariances:
        cholesky = np.linalg.cholesky(covariance)
        white = linalg.solve_triangular(cholesky, returns.T, lower=True)
        constant = np.log(np.diag(cholesky)).sum() + 0.5 * len(covariance) * math.log(2 * math.pi)
        columns.append(-0.5 * (white**2).sum(axis=0) - constant)
    return np.stack(columns, axis=1)


def stationary(transition: np.ndarray) -> np.ndarray:
    """Shares of time in the long run."""
    k = len(transition)
    system = np.vstack([transition.T - np.eye(k), np.ones(k)])
    return np.linalg.lstsq(system, np.append(np.zeros(k), 1.0), rcond=None)[0]


def expected(
    returns: np.ndarray, transition: np.ndarray, covariances: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Eq. (19): given all returns, chances of regimes [time, k] and changes [time - 1, k, k]; likelihood."""
    logs = log_densities(returns, covariances)
    top = logs.max(axis=1)
    density = np.exp(logs - top[:, None])
    start = np.maximum(stationary(transition), 1e-12) * density[0]
    steps = transition * density[1:, None, :]
    forward, log_forward = prefix_products(steps)
    alpha = np.concatenate([start[None], start @ forward])
    backward, _ = prefix_products(steps[::-1].transpose(0, 2, 1))
    beta = np.concatenate([np.ones((1, len(start))), backward.sum(axis=1)])[::-1]
    beta = beta / beta.sum(axis=1, keepdims=True)
    here = alpha * beta
    here /= here.sum(axis=1, keepdims=True)
    change = (alpha[:-1] / alpha[:-1].sum(axis=1, keepdims=True))[:, :, None] * steps * beta[1:, None, :]
    change /= change.sum(axis=(1, 2), keepdims=True)
    total = math.log(alpha[-1].sum()) + log_forward[-1] + top.sum()
    return here, change, float(total)


def guess(returns: np.ndarray, k: int, window: int) -> np.ndarray:
    """Covariances of stretches of time, sorted by how wild they are: [k, asset, asset]."""
    lengths = ((returns / returns.std(axis=0)) ** 2).mean(axis=1)
    smooth = np.convolve(lengths, np.ones(window) / window, mode="same")
    edges = np.quantile(smooth, np.linspace(0, 1, k + 1) ** 0.7)
    found = np.clip(np.searchsorted(edges, smooth, side="right") - 1, 0, k - 1)
    whole = np.cov(returns.T).reshape(returns.shape[1], -1)
    return np.array(
        [0.9 * np.cov(returns[found == i].T).reshape(whole.shape) + 0.1 * whole for i in range(k)]
    )


def maximised(returns: np.ndarray, here: np.ndarray, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eq. (20): the parameters that fit expected regimes best."""
    moves = change.sum(axis=0)
    covariances = np.einsum("tk,ta,tb->kab", here, returns, returns, optimize=True)
    return moves / moves.sum(axis=1, keepdims=True), covariances / here.sum(axis=0)[:, None, None]


def fit(returns: np.ndarray, k: int, say: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """Transition matrix and covariances, the calmest regime first; the best of two starts."""
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for window in (5, max(len(returns) // 200, 25)):
        transition = np.full((k, k), 0.05 / max(k - 1, 1)) + (0.95 - 0.05 / max(k - 1, 1)) * np.eye(k)
        covariances, before = guess(returns, k, window), -math.inf
        for rounds in range(MOST_ROUNDS):
            here, change, likelihood = expected(returns, transition, covariances)
            transition, covariances = maximised(returns, here, change)
            if likelihood - before < 1e-7 * len(returns):
                break
            before = likelihood
            if rounds % 25 == 24:
                say(f"regimes, round {rounds + 1}")
        if best is None or likelihood > best[0]:
            best = likelihood, transition, covariances
    assert best is not None
    order = np.argsort([np.log(np.diag(c)).mean() for c in best[2]])
    return best[1][np.ix_(order, order)], best[2][order]


def equations(theta: np.ndarray, returns: np.ndarray, k: int) -> np.ndarray:
    """What expectation and maximisation leave: zero on average where the likelihood is largest."""
    n = returns.shape[1]
    rows, columns = np.tril_indices(n)
    transition, covariances = unpacked(theta, k, n)
    here, change, _ = expected(returns, transition, covariances)
    products = returns[:, rows] * returns[:, columns]
    found = []
    for i in range(k):
        excess = change[:, i] - transition[i] * change[:, i].sum(axis=1, keepdims=True)
        found.append(np.vstack([np.zeros((1, k - 1)), np.delete(excess, i, axis=1)]))
    for i in range(k):
        found.append(here[:, [i]] * (products - covariances[i][rows, columns]))
    return np.hstack(found)


def packed(transition: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Free numbers: chances of leaving, then the lower triangles of covariances."""
    k, n = len(transition), covariances.shape[1]
    rows, columns = np.tril_indices(n)
    away = [np.delete(transition[i], i) for i in range(k)]
    return np.concatenate([*away, *(c[rows, columns] for c in covariances)])


def unpacked(theta: np.ndarray, k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `packed`."""
    rows, columns = np.tril_indices(n)
    transition = np.zeros((k, k))
    for i in range(k):
        away = theta[i * (k - 1) : (i + 1) * (k - 1)]
        transition[i, [j for j in range(k) if j != i]] = away
        transition[i, i] = 1 - away.sum()
    covariances = np.zeros((k, n, n))
    rest = theta[k * (k - 1) :].reshape(k, -1)
    covariances[:, rows, columns] = rest
    covariances[:, columns, rows] = rest
    return transition, covariances


def generator(transition: np.ndarray, bar: float) -> np.ndarray:
    """Eq. (21): rates of a chain in continuous time whose bars these are, 1/second; none below zero."""
    if len(transition) == 2:
        away = transition[0, 1] + transition[1, 0]
        rates = (transition - np.eye(2)) * (-math.log1p(-min(away, 0.999)) / away / bar)
    else:
        rates = np.real(linalg.logm(transition)) / bar
    rates = np.where(np.eye(len(rates), dtype=bool), 0.0, np.maximum(rates, 0.0))
    return rates - np.diag(rates.sum(axis=1))


def summary(transition: np.ndarray, bar: float) -> np.ndarray:
    """Mean durations, shares of time, and shares of the next: [3 + k, k], as `regimes` reports them."""
    rates = generator(transition, bar)
    leaving = np.maximum(-np.diag(rates), 1e-300)
    follow = rates / leaving[:, None]
    return np.vstack([1 / leaving, stationary(transition), follow.T])


def regimes(
    returns: np.ndarray, k: int, bar: float, say: Callable[[str], None] = lambda _: None
) -> list[Regime]:
    """All of Eqs. (18) to (21); returns [time, asset], none missing."""
    moved = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    transition, covariances = fit(moved, k, say)
    theta, n = packed(transition, covariances), returns.shape[1]
    size = np.concatenate([np.minimum(theta[: k * (k - 1)], 0.5), np.abs(theta[k * (k - 1) :]) + 0.01])
    say("regimes, standard errors")
    influence = influences(lambda t: equations(t, moved, k), theta, 1e-4 * np.maximum(size, 1e-8))
    found = summary(transition, bar)
    chain = influence[:, : k * (k - 1)] @ chain_slopes(theta, k, n, bar).reshape(k * (k - 1), -1)
    chain = chain.reshape(len(moved), *found.shape)
    annual = returns.std(axis=0) * math.sqrt(YEAR_SECONDS / bar)
    rest = influence[:, k * (k - 1) :].reshape(len(moved), k, -1)
    made = []
    for i in range(k):
        volatility, correlation, pairs = law(covariances[i], rest[:, i], annual)
        made.append(
            Regime(
                duration=estimate(found[0, i], chain[:, 0, i], LOG),
                share=estimate(found[1, i], chain[:, 1, i], LOGIT),
                next={
                    j: estimate(found[2 + j, i], chain[:, 2 + j, i], LOGIT)
                    for j in range(k)
                    if j != i and k > 2
                },
                volatility=volatility,
                correlation=correlation,
                pairs=pairs,
            )
        )
    return made


def chain_slopes(theta: np.ndarray, k: int, n: int, bar: float) -> np.ndarray:
    """Derivatives of `summary` by the chances of leaving: [parameter, ...]."""
    slopes = []
    for p in range(k * (k - 1)):
        step, up, down = 1e-4 * max(theta[p], 1e-8), theta.copy(), theta.copy()
        up[p] += step
        down[p] -= step
        ends = (summary(unpacked(t, k, n)[0], bar) for t in (up, down))
        slopes.append(np.subtract(*ends) / (2 * step))
    return np.array(slopes)


def law(
    covariance: np.ndarray, influence: np.ndarray, annual: np.ndarray
) -> tuple[list[Estimate], np.ndarray, dict[tuple[int, int], Estimate]]:
    """Volatilities and correlations of one regime; influence on its lower triangle [time, entry]."""
    n = len(covariance)
    entry = {(int(a), int(b)): e for e, (a, b) in enumerate(zip(*np.tril_indices(n), strict=True))}
    deviation = np.sqrt(np.diag(covariance))
    logs = [influence[:, entry[a, a]] / (2 * covariance[a, a]) for a in range(n)]
    volatility = [
        estimate(annual[a] * deviation[a], annual[a] * deviation[a] * logs[a], LOG) for a in range(n)
    ]
    correlation = covariance / np.outer(deviation, deviation)
    pairs = {}
    for a in range(n):
        for b in range(a):
            scaled = influence[:, entry[a, b]] / (deviation[a] * deviation[b])
            pairs[b, a] = estimate(
                correlation[a, b], scaled - correlation[a, b] * (logs[a] + logs[b]), FISHER
            )
    return volatility, correlation, pairs
