"""How often do the intervals of `stress calibrate` hold the truth? Known parameters, simulated, estimated.

    python tools/calibration_coverage.py                    all but the mix, 500 samples each; minutes
    python tools/calibration_coverage.py student_t -n 2000  one experiment
    python tools/calibration_coverage.py mix -n 100         runs the engine some hundred times a sample

Prints for each parameter the share of 95% intervals that hold the truth, the shares below and above them, and
the mean estimate; then the share over all. An experiment draws a sample of the process as docs/methods/
exogenous.md defines it, with code of its own, and estimates as the command does.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from stress.calibrate import book, clustering, jumps, mix, moments, regimes, student
from stress.calibrate.intervals import Estimate
from stress.units import YEAR_SECONDS

HOUR = 3_600.0
PER_YEAR = YEAR_SECONDS / HOUR
Found = Iterator[tuple[str, float, Estimate]]
"""Name of a parameter, truth, estimate."""


def normals(rng: np.random.Generator, n_bar: int, correlation: float, n_asset: int) -> np.ndarray:
    """Correlated standard normals [time, asset]."""
    common = math.sqrt(correlation) * rng.standard_normal((n_bar, 1))
    return common + math.sqrt(1 - correlation) * rng.standard_normal((n_bar, n_asset))


def per_bar(annual: float) -> float:
    return annual / math.sqrt(PER_YEAR)


def student_t(rng: np.random.Generator, n_bar: int = 6_000) -> Found:
    """Step and path mixing at 4 degrees of freedom, three assets."""
    for name, window, nu in (("step", 1, 4.0), ("path", 8, 5.0)):
        scale = np.sqrt((nu - 2) / rng.chisquare(nu, n_bar // window))
        returns = per_bar(0.6) * np.repeat(scale, window)[:, None] * normals(rng, n_bar, 0.6, 3)
        yield f"student_t, {name}: degrees of freedom", nu, student.degrees_of_freedom(returns, window)


def gaussian(rng: np.random.Generator, n_bar: int = 6_000) -> Found:
    """Volatility, correlation, a slope, the median day, a shorter history."""
    returns = per_bar(0.6) * normals(rng, n_bar, 0.6, 3)
    yield "gbm: volatility", 0.6, moments.volatilities(returns, HOUR)[0]
    yield "gbm: correlation", 0.6, moments.correlation(returns)[1][0, 1]
    yield "gbm: beta", 0.6, moments.beta(returns[:, 0], returns[:, 1])
    yield "gbm: beta in the worst 1%", 0.6, moments.tail_beta(returns[:, 0], returns[:, 1])
    returns[: n_bar // 2, 2] = np.nan
    yield "gbm: volatility, half the history", 0.6, moments.extended_volatility(returns, 2, 0, HOUR)


def garch_returns(rng: np.random.Generator, n_bar: int, alpha: float, beta: float) -> np.ndarray:
    """Returns of variance one in the long run."""
    shocks, variance, found = rng.standard_normal(n_bar), 1.0, np.empty(n_bar)
    for t, shock in enumerate(shocks):
        found[t] = math.sqrt(variance) * shock
        variance = 1 - alpha - beta + alpha * found[t] ** 2 + beta * variance
    return found


def garch(rng: np.random.Generator, n_bar: int = 8_000) -> Found:
    """GARCH(1,1), and the volatility of returns that cluster."""
    alpha, beta = 0.1, 0.85
    returns = garch_returns(rng, n_bar, alpha, beta)
    found = clustering.garch(returns)
    yield "garch: alpha", alpha, found.alpha
    yield "garch: beta", beta, found.beta
    yield "garch: persistence", alpha + beta, found.persistence
    yield "garch: half-life", math.log(0.5) / math.log(alpha + beta), found.half_life
    scaled = returns[:, None] * per_bar(0.6)
    yield "garch: volatility", 0.6, moments.volatilities(scaled, HOUR)[0]


def stochastic_vol(rng: np.random.Generator, n_bar: int = 8_000) -> Found:
    """The log-normal factor of Eqs. (5) and (6), three assets; and volatility and correlation under it."""
    half_life, omega, rho = 12.0, 0.4, -0.4
    phi = 2 ** (-1 / half_life)
    shocks = normals(rng, n_bar, 0.6, 3)
    common = shocks.sum(axis=1) / math.sqrt(3 + 6 * 0.6)
    fresh = rho * common + math.sqrt(1 - rho**2) * rng.standard_normal(n_bar)
    x, level = omega * rng.standard_normal(), np.empty(n_bar)
    for t in range(n_bar):
        level[t] = x
        x = phi * x + omega * math.sqrt(1 - phi * phi) * fresh[t]
    returns = per_bar(0.6) * np.exp(level - omega**2)[:, None] * shocks
    found = clustering.log_volatility(returns)
    yield "stochastic_vol: half-life", half_life, found.half_life
    yield "stochastic_vol: deviation", omega, found.deviation
    yield "stochastic_vol: leverage", rho, found.leverage
    yield "stochastic_vol: volatility", 0.6, moments.volatilities(returns, HOUR)[0]
    yield "stochastic_vol: correlation", 0.6, moments.correlation(returns)[1][0, 1]


def regime_switching(rng: np.random.Generator, n_bar: int = 6_000) -> Found:
    """Two regimes of two assets, in continuous time."""
    durations, levels, correlations = np.array([60.0, 15.0]), np.array([0.5, 1.25]), (0.5, 0.8)
    away = -np.expm1(-(1 / durations).sum()) * (1 / durations) / (1 / durations).sum()
    state, word, chain = int(rng.random() < away[0] / away.sum()), rng.random(n_bar), np.empty(n_bar, int)
    for t in range(n_bar):
        chain[t] = state
        state = 1 - state if word[t] < away[state] else state
    both = [normals(rng, n_bar, rho, 2) for rho in correlations]
    returns = np.where(chain[:, None] == 0, *both) * per_bar(1.0) * levels[chain][:, None]
    for i, found in enumerate(regimes.regimes(returns, 2, HOUR)):
        name = f"regime_switching, {('calm', 'wild')[i]}"
        yield f"{name}: mean duration", durations[i] * HOUR, found.duration
        yield f"{name}: share of time", durations[i] / durations.sum(), found.share
        yield f"{name}: volatility", levels[i], found.volatility[0]
        yield f"{name}: correlation", correlations[i], found.pairs[0, 1]


def jump_diffusion(rng: np.random.Generator, n_bar: int = 8_000) -> Found:
    """Common jumps with a beta, and own ones of both assets."""
    rate, size, deviation, beta = 120.0, -0.01, 0.025, 1.5
    own = ((80.0, 0.005, 0.03), (100.0, -0.005, 0.045))
    volatility = (0.4, 0.6)
    returns = normals(rng, n_bar, 0.6, 2) * np.array([per_bar(v) for v in volatility])
    count = rng.poisson(rate / PER_YEAR, n_bar)
    common = count * size + np.sqrt(count) * deviation * rng.standard_normal(n_bar)
    returns += np.outer(common, [1.0, beta])
    for a, (own_rate, own_size, own_deviation) in enumerate(own):
        count = rng.poisson(own_rate / PER_YEAR, n_bar)
        returns[:, a] += count * own_size + np.sqrt(count) * own_deviation * rng.standard_normal(n_bar)
    found = jumps.jumps(returns, HOUR)
    yield "jump_diffusion: volatility without jumps", volatility[0], found.volatility[0]
    kinds = [("common", (rate, size, deviation), found.common)]
    kinds += [("own", own[a], found.own.get(a)) for a in range(2)]
    for name, truth, law in kinds:
        if law is None:
            continue
        yield f"jump_diffusion, {name}: rate", truth[0], law.rate
        yield f"jump_diffusion, {name}: mean", truth[1], law.mean
        yield f"jump_diffusion, {name}: deviation", truth[2], law.deviation
    yield "jump_diffusion, common: beta", beta, found.betas[0]


def order_book(rng: np.random.Generator, n_time: int = 2_000) -> Found:
    """Bands of a book whose depth wanders, with noise of its own in each band."""
    shape, depth, memory = 0.7, 2e8, 0.97
    bands = np.arange(1.0, 6.0)
    wander, level = rng.standard_normal((n_time, 2)), np.zeros((n_time, 2))
    level[0] = 0.3 * wander[0]
    for t in range(1, n_time):
        level[t] = memory * level[t - 1] + 0.3 * math.sqrt(1 - memory**2) * wander[t]
    noise = 0.05 * rng.standard_normal((n_time, 2, 5))
    notional = depth * np.exp(level[:, :, None] + noise) * book.consumption(shape, bands)
    snapshots = book.Snapshots("simulated", "", np.arange(n_time), bands, notional)
    found = book.book(snapshots, 100, int(rng.integers(1 << 30)), lambda _: None)
    yield "book: shape", shape, found.shape
    yield "book: depth", depth, found.depth


CONFIG = """
schema_version: 1
about: {title: One venue, question: Which leverage was it}
run: {horizon: 30m, step: 60s, paths: 100, seed: 1}
tiers: [{from: 0x, to: 1x}, {from: 1x, to: 3x}, {from: 3x, to: 5x}, {from: 5x, to: 10x}, {from: 10x, to: 25x}]
dynamics: {kind: gbm}
correlation: 0
assets: {BTC: {name: Bitcoin, price: $100000, volatility: 30%, calm_volatility: 35%}}
books:
  shape: 1
  refill_half_life: 5m
  arbitrage_half_life: never
  permanent_impact: 10%
  withdrawal: {sensitivity: 20, half_life: 15m, floor: 10%}
mixes:
  all:
    long: {0x-1x: 20%, 1x-3x: 40%, 3x-5x: 20%, 5x-10x: 15%, 10x-25x: 5%}
    short: {0x-1x: 50%, 1x-3x: 50%}
    never_forced: 50%
venues:
  one:
    name: One
    maximum_leverage: 25x
    mark: {own: 100%}
    liquidation: {surplus_to_fund: 100%}
    insurance_fund: $100M
    adl: {policy: none, fund_below: 1%}
    mix: all
    markets: {BTC: {open_interest: $4B, depth: $300M, maintenance: [{rate: 0.5%}]}}
"""


def leverage_mix(
    rng: np.random.Generator, config: str, n_observation: int = 40, factor: float = 0.3
) -> Found:
    """Liquidations as a feed shows them that leaves out most, with noise of a quarter."""
    truth = np.array([2.5, 0.9])
    market = mix.Market(config, "all", -np.geomspace(0.03, 0.3, 15), 400, 1)
    shares, falls = market.forced(np.log(truth))
    fall = rng.uniform(0.06, 0.25, n_observation)
    clean = mix.design(fall, falls) @ np.log(np.maximum(shares.mean(axis=1)[:, 0], mix.LEAST))
    seen = factor * np.exp(clean + 0.25 * rng.standard_normal(n_observation))
    observed = mix.Observations("simulated", "", fall, seen, ("one",) * n_observation)
    found = mix.mix(config, "all", observed, {"one": factor}, 100, 1)
    yield "mix: median leverage", truth[0], found.median
    yield "mix: sigma", truth[1], found.sigma


EXPERIMENTS: dict[str, Callable[[np.random.Generator], Found]] = {
    "gaussian": gaussian,
    "student_t": student_t,
    "garch": garch,
    "stochastic_vol": stochastic_vol,
    "regime_switching": regime_switching,
    "jump_diffusion": jump_diffusion,
    "order_book": order_book,
}


def coverage(
    experiment: Callable[[np.random.Generator], Found], n_sample: int, seed: int = 1
) -> dict[str, np.ndarray]:
    """By parameter: truth below the interval, above it, value over truth; [sample, 3]."""
    rows: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for sample in range(n_sample):
        for name, truth, found in experiment(np.random.default_rng([seed, sample])):
            inside = found.lower <= truth <= found.upper
            rows[name].append((float(not inside and not truth > found.upper), float(truth > found.upper),
                               found.value / truth))  # fmt: skip
    return {name: np.array(values) for name, values in rows.items()}


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"{', '.join(EXPERIMENTS)}, mix; by default all but mix")
    parser.add_argument("-n", type=int, default=500, help="samples of each experiment")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chosen = dict(EXPERIMENTS)
    if "mix" in given.names:
        path = Path("coverage-mix.yaml")
        path.write_text(CONFIG)
        chosen["mix"] = lambda rng: leverage_mix(rng, str(path))
    inside: list[np.ndarray] = []
    print(f"{'parameter':46}{'samples':>8}{'inside':>8}{'below':>8}{'above':>8}{'mean/truth':>12}")
    for name in given.names or EXPERIMENTS:
        for parameter, rows in coverage(chosen[name], given.n, given.seed).items():
            below, above, ratio = rows.mean(axis=0)
            inside.append(1 - rows[:, 0] - rows[:, 1])
            shares = "".join(f"{share:8.1%}" for share in (1 - below - above, below, above))
            print(f"{parameter:46}{len(rows):8d}{shares}{ratio:12.3f}", flush=True)
    pooled = np.concatenate(inside)
    print(f"{'all':46}{len(pooled):8d}{pooled.mean():8.1%}")


if __name__ == "__main__":
    main()
