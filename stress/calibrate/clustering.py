"""Volatility that clusters: GARCH(1,1), a log-normal volatility factor, and how long blocks should be.

docs/methods/calibration.md, Eqs. (13) to (17).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, signal
from scipy.special import logit, polygamma

from stress.calibrate.intervals import (
    FISHER,
    LINEAR,
    LOG,
    LOGIT,
    Estimate,
    estimate,
    influences,
    scores,
)

NEARLY_ONE = 0.99
"""Persistence from which on its interval is symmetric, and may go beyond one."""


@dataclass(frozen=True)
class Garch:
    """Variance of the next bar: omega + alpha r^2 + beta (variance of this one)."""

    alpha: Estimate
    beta: Estimate
    persistence: Estimate
    half_life: Estimate
    """Of a departure of the variance from its mean, in bars; infinite where the persistence may be one."""


def garch_variance(theta: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Eq. (13) over squared returns of mean one; theta: omega, alpha, beta."""
    omega, alpha, beta = theta
    drive = omega + alpha * squares[:-1]
    start = np.array([squares[: max(len(squares) // 100, 10)].mean()])
    following, _ = signal.lfilter([1.0], [1.0, -beta], drive, zi=beta * start)
    return np.concatenate([start, following])


def garch_likelihood(theta: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Gaussian log likelihood of every bar, constants left out."""
    variance = garch_variance(theta, squares)
    return -0.5 * (np.log(variance) + squares / variance)


def garch(returns: np.ndarray) -> Garch:
    """Gaussian quasi maximum likelihood, for one asset; returns [time], none missing."""
    squares = (returns - returns.mean()) ** 2
    squares = squares / squares.mean()

    def named(free: np.ndarray) -> np.ndarray:
        # alpha + beta may be one and more: the likelihood is regular there (Lumsdaine 1996).
        return np.array([math.exp(free[0]), math.exp(min(free[1], 2.0)), 1 / (1 + math.exp(-free[2]))])

    starts = [
        np.array([math.log(1 - persistence), math.log(alpha), float(logit(persistence - alpha))])
        for persistence in (0.9, 0.99)
        for alpha in (0.05, 0.2)
    ]
    best = min(
        (
            optimize.minimize(
                lambda free: -float(garch_likelihood(named(free), squares).mean()), start, method="BFGS",
                options={"gtol": 1e-7},
            )
            for start in starts
        ),
        key=lambda r: r.fun,
    )  # fmt: skip
    theta = named(best.x)
    step = 1e-3 * np.minimum(theta, [1.0, 1.0, 1 - theta[2]])
    influence = influences(lambda t: scores(lambda u: garch_likelihood(u, squares), t, step), theta, 5 * step)
    persistence = estimate(
        theta[1] + theta[2], influence[:, 1] + influence[:, 2],
        LOGIT if theta[1] + theta[2] < NEARLY_ONE else LINEAR,
    )  # fmt: skip
    ends = [half_life(p) for p in (persistence.value, persistence.lower, persistence.upper)]
    slope = ends[0] / -math.log(persistence.value) if math.isfinite(ends[0]) else math.nan
    return Garch(
        alpha=estimate(theta[1], influence[:, 1], LOGIT),
        beta=estimate(theta[2], influence[:, 2], LOGIT),
        persistence=persistence,
        half_life=Estimate(ends[0], persistence.error * slope / persistence.value, ends[1], ends[2]),
    )


def half_life(persistence: float) -> float:
    """Steps until half of a departure is gone; without end from a persistence of one on."""
    return math.log(0.5) / math.log(persistence) if 0 < persistence < 1 else math.inf


@dataclass(frozen=True)
class LogVolatility:
    """Parameters of `stochastic_vol`."""

    half_life: Estimate
    """In bars."""
    deviation: Estimate
    leverage: Estimate


def log_lengths(returns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eq. (14): log mean squared length of every return vector, and the sign of the common return.

    returns: [time, asset], none missing
    """
    moved = returns - returns.mean(axis=0)
    cholesky = np.linalg.cholesky(np.cov(moved.T).reshape(moved.shape[1], -1))
    white = linalg.solve_triangular(cholesky, moved.T, lower=True)
    lengths = (white**2).mean(axis=0)
    correlation = np.corrcoef(moved.T).reshape(moved.shape[1], -1)
    loading = np.linalg.cholesky(correlation).sum(axis=0)
    return np.log(np.maximum(lengths, 1e-6 * np.median(lengths))), np.sign(loading @ white)


def filter_likelihood(theta: np.ndarray, y: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Eqs. (15) and (16): Gaussian log likelihood of y by the steady Kalman filter, bar by bar.

    theta: mean of y; phi; omega; rho; variance of the noise. y = mean + 2 x + noise.
    """
    mean, phi, omega, rho, noise = theta
    fresh = omega * math.sqrt(1 - phi * phi)
    push = rho * fresh * math.sqrt(2 / math.pi)
    q = 4 * (fresh**2 - push**2)
    # Variance of the prediction of 2x, a root of the Riccati equation in one dimension.
    half = 0.5 * (q - noise * (1 - phi * phi))
    variance = half + math.sqrt(half * half + q * noise)
    total = variance + noise
    gain = phi * variance / total
    drive = gain * (y[:-1] - mean) + 2 * push * sign[:-1]
    predicted = np.concatenate([[0.0], signal.lfilter([1.0], [1.0, gain - phi], drive)])
    surprise = y - mean - predicted
    return -0.5 * (math.log(total) + surprise**2 / total)


def log_volatility(returns: np.ndarray) -> LogVolatility:
    """Quasi maximum likelihood (Harvey, Ruiz and Shephard 1994) on the lengths of return vectors."""
    y, sign = log_lengths(returns)
    n_asset = returns.shape[1]
    expected = float(polygamma(1, n_asset / 2))

    def named(free: np.ndarray) -> np.ndarray:
        phi = 1 / (1 + math.exp(-min(max(free[1], -30.0), 30.0)))
        return np.array([free[0], phi, math.exp(free[2]), math.tanh(free[3]), math.exp(free[4])])

    spread = max(y.var() - expected, 0.1 * y.var())
    centre = y.mean()
    starts = [
        np.array([centre, free_phi, 0.5 * math.log(spread / 4), 0.0, math.log(expected)])
        for free_phi in (2.0, 4.0, 6.0)
    ]
    best = min(
        (
            optimize.minimize(
                lambda free: -float(filter_likelihood(named(free), y, sign).mean()), start, method="BFGS",
                options={"gtol": 1e-7},
            )
            for start in starts
        ),
        key=lambda r: r.fun,
    )  # fmt: skip
    free = best.x
    step = np.full(5, 1e-4)
    influence = influences(
        lambda t: scores(lambda u: filter_likelihood(named(u), y, sign), t, step), free, 5 * step
    )
    _, phi, omega, rho, _ = named(free)
    half_life = math.log(0.5) / math.log(phi)
    return LogVolatility(
        half_life=estimate(half_life, half_life / -math.log(phi) * (1 - phi) * influence[:, 1], LOG),
        deviation=estimate(omega, omega * influence[:, 2], LOG),
        leverage=estimate(rho, (1 - rho * rho) * influence[:, 3], FISHER),
    )


def block_length(series: np.ndarray) -> float:
    """Eq. (17): mean block of the stationary bootstrap for the mean of a series, in bars.

    Politis and White (2004), corrected by Patton, Politis and White (2009).
    """
    n = len(series)
    x = series - series.mean()
    longest = math.ceil(math.sqrt(n)) + max(5, math.ceil(math.log10(n)))
    limit = 2 * math.sqrt(math.log10(n) / n)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), size)[: 2 * longest + 1] / n
    rho = covariance / covariance[0]
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    quiet = [k for k in range(1, longest + 1) if (np.abs(rho[k : k + run]) < limit).all()]
    m = min(2 * max((quiet[0] - 1) if quiet else longest, 1), longest)
    lags = np.arange(1, m + 1)
    taper = np.clip(2 * (1 - lags / m), 0, 1)
    g = 2 * (taper * lags * covariance[1 : m + 1]).sum()
    density = covariance[0] + 2 * (taper * covariance[1 : m + 1]).sum()
    if density <= 0 or g == 0:
        return 1.0
    length = (2 * g * g / (2 * density * density)) ** (1 / 3) * n ** (1 / 3)
    return float(min(max(length, 1.0), math.ceil(min(3 * math.sqrt(n), n / 3))))
