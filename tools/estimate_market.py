"""Volatilities, correlations, betas and tail parameters from files of prices, as YAML to paste.

    python tools/estimate_market.py prices_15m.parquet --until 2025-10-10 \
        --basket SMALL=AVAX,DOT,LINK --short perps_1h.parquet

A file is CSV or Parquet (the latter needs pyarrow) with columns `time` (UTC, start of the bar),
`asset` and `close`, all bars of one length; other columns are ignored. Everything is estimated from
bars that end by `--until`: give it a moment before the event that the market is to be tested with.

The --short file adds assets that the main one lacks, from a shorter or other period. Their volatilities
are scaled by the ratio that the base asset's volatility has between the two files; their correlations
and betas are those within the short file.

A basket gets the mean of its members' figures: the risk of one typical member, not of the sum.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

YEAR = pd.Timedelta(days=365)
WINDOWS = ("4h", "24h")
WORST = 0.01
"""Share of the base asset's worst bars that the betas are taken from."""


@dataclass(frozen=True)
class Estimate:
    """What is estimated from one file."""

    figures: pd.DataFrame
    """Volatility, calm volatility and beta [asset, figure]."""
    correlation: pd.DataFrame
    """Correlation of hourly returns [asset, asset]."""
    freedom: dict[str, tuple[float, float]]
    """Degrees of freedom by window: over all windows, over the calmer half."""


def read_returns(path: str, since: pd.Timestamp | None, until: pd.Timestamp | None) -> pd.DataFrame:
    """Log returns [time, asset] of a file, over bars from `since` on that end by `until`."""
    prices = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
    prices["time"] = pd.to_datetime(prices["time"], utc=True)
    close = prices.pivot(index="time", columns="asset", values="close").sort_index()
    bar = close.index.to_series().diff().median()
    close.index = close.index + bar
    returns = np.log(close).diff().iloc[1:]
    return returns.loc[since:until]


def realised_volatility(returns: pd.DataFrame, window: str) -> pd.DataFrame:
    """Annualised square root of the sum of squared returns, by window and asset; whole windows only."""
    count = returns.shift(freq="-1ns").resample(window).count().max(axis=1)
    squares = (returns**2).shift(freq="-1ns").resample(window).sum()
    return np.sqrt(squares[count == count.max()] * (YEAR / pd.Timedelta(window)))


def degrees_of_freedom(returns: pd.DataFrame, window: str) -> tuple[float, float]:
    """Student-t degrees of freedom whose mixing variable is as dispersed as realised variance.

    The mixing variable of a Student-t path is inverse gamma with shape nu/2. Its observed counterpart
    is the mean squared Mahalanobis length of the returns in a window; nu is fitted by maximum
    likelihood, over all windows and over the calmer half of them.
    """
    complete = returns.dropna()
    lengths = np.einsum("ij,jk,ik->i", complete, np.linalg.inv(np.cov(complete.T)), complete, optimize=True)
    scale = pd.Series(lengths, complete.index).shift(freq="-1ns").resample(window).mean().dropna()
    scale = scale[scale > 0]
    calm = scale[scale < scale.median()]
    everything, calmer = (2 * stats.invgamma.fit(sample, floc=0)[0] for sample in (scale, calm))
    return everything, calmer


def estimate(returns: pd.DataFrame, base: str) -> Estimate:
    """All figures of one file: volatility at its own bar, correlation and beta of hourly returns."""
    bar = returns.index.to_series().diff().median()
    hourly = returns.shift(freq="-1ns").resample("1h").sum(min_count=1).dropna(subset=[base])
    worst = hourly[hourly[base] <= hourly[base].quantile(WORST)]
    figures = {
        "volatility": returns.std() * np.sqrt(YEAR / bar),
        "calm_volatility": realised_volatility(returns, "24h").replace(0, np.nan).median(),
        "beta": worst.sum() / worst[base].sum(),
    }
    freedom = {window: degrees_of_freedom(returns, window) for window in WINDOWS}
    return Estimate(pd.DataFrame(figures), hourly.corr(), freedom)


def joined(main: Estimate, short: Estimate, base: str) -> Estimate:
    """`main`, with the assets that only `short` has."""
    assets = main.figures.index.union(short.figures.index, sort=False)
    scale = main.figures.loc[base] / short.figures.loc[base]
    figures = main.figures.reindex(assets).fillna(short.figures * scale)
    correlation = main.correlation.reindex(index=assets, columns=assets).fillna(short.correlation)
    return Estimate(figures, correlation, main.freedom)


def with_basket(single: Estimate, name: str, members: list[str]) -> Estimate:
    """`single`, with the members' mean under `name`."""
    figures, correlation = single.figures.copy(), single.correlation.copy()
    figures.loc[name] = figures.loc[members].mean()
    row = correlation.loc[members].mean()
    correlation.loc[name], correlation[name] = row, row
    correlation.loc[name, name] = 1.0
    return Estimate(figures, correlation, single.freedom)


def as_yaml(market: Estimate, assets: list[str]) -> str:
    """The figures of `assets` in the config language, the matrix rounded to two decimals."""
    matrix = market.correlation.loc[assets, assets].round(2)
    apart = [f"{a} and {b}" for a in assets for b in assets if a < b and np.isnan(matrix.loc[a, b])]
    if apart:
        raise SystemExit(f"no file holds both {', or both '.join(apart)}: their correlation is unknown")
    smallest = np.linalg.eigvalsh(matrix.to_numpy()).min()
    lines = [
        f"{asset}: {{volatility: {volatility:.0%}, calm_volatility: {calm:.0%}}}"
        f"    # beta {beta:.2f} in the worst {WORST:.0%} of hours"
        for asset, volatility, calm, beta in market.figures.loc[assets].itertuples()
    ]
    lines += [
        f"degrees_of_freedom: {everything:.1f}    # {window} windows; {calmer:.1f} over the calmer half"
        for window, (everything, calmer) in market.freedom.items()
    ]
    lines += [
        f"correlation:    # smallest eigenvalue {smallest:.3f}",
        f"  assets: [{', '.join(assets)}]",
        "  matrix:",
    ]
    lines += [f"    - [{', '.join(f'{x:.2f}' for x in row)}]" for row in matrix.to_numpy()]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prices", help="CSV or Parquet with columns time, asset, close")
    parser.add_argument("--short", help="a second file, for assets that the first one lacks")
    parser.add_argument("--since", type=lambda text: pd.Timestamp(text, tz="UTC"))
    parser.add_argument("--until", type=lambda text: pd.Timestamp(text, tz="UTC"))
    parser.add_argument("--assets", help="BTC,ETH,...: which to print; default all")
    parser.add_argument("--base", default="BTC", help="asset that betas refer to; default BTC")
    parser.add_argument("--basket", action="append", default=[], metavar="NAME=A,B,C")
    return parser.parse_args()


def main() -> None:
    """Read, estimate, print."""
    given = arguments()
    market = estimate(read_returns(given.prices, given.since, given.until), given.base)
    if given.short:
        short = estimate(read_returns(given.short, given.since, given.until), given.base)
        market = joined(market, short, given.base)
    for basket in given.basket:
        name, _, members = basket.partition("=")
        market = with_basket(market, name, members.split(","))
    print(as_yaml(market, given.assets.split(",") if given.assets else list(market.figures.index)))


if __name__ == "__main__":
    main()
