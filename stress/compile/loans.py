"""Loans become entries of accounts: lending protocols, lenders with margin calls, treasury companies.

docs/methods/loan.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from kernels.outcome import CHANNELS
from kernels.parts.table import N_EDGE
from kernels.parts.table.table_numpy import EDGES
from kernels.scenario import ScenarioShape
from stress.compile.accounts import Entry
from stress.config.seller import CefiLoans, DefiLoans, DefiPool, Treasuries

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.seller import CefiPool

MOST_RUNGS = 8
"""Liquidations of one loan; the last repays what is left of it."""

LUMP = 1.001
"""Width of the band in k that stands for a single company."""


def entries(config: RunConfig, shape: ScenarioShape) -> Iterator[Entry]:
    """Every pool of every lender, and every company."""
    for name, seller in config.sellers.items():
        path = ("sellers", name)
        if isinstance(seller, DefiLoans | CefiLoans):
            for key, pool in seller.pools.items():
                sold = sales(config, shape, pool.collateral, seller.sold_on)
                yield lent(config, shape, shape.venues.index(name), pool, sold, (*path, "pools", key))
        elif isinstance(seller, Treasuries):
            yield from treasuries(config, shape, seller, path)


def lent(
    config: RunConfig,
    shape: ScenarioShape,
    venue: int,
    pool: DefiPool | CefiPool,
    sold: np.ndarray,
    where: tuple[str, ...],
) -> Entry:
    """One pool of loans, Eqs. (1) to (5)."""
    if isinstance(pool, DefiPool):
        channel, threshold, bonus, close, response = (
            "defi_loan", pool.liquidation_threshold, pool.bonus, pool.close_factor, 1.0
        )  # fmt: skip
    else:
        channel, threshold, bonus, close = "cefi_loan", pool.margin_call, 0.0, 1.0
        response = 1 - 2 ** (-config.run.step / pool.half_life)
    bands = [(1 / x.to, 1 / x.from_, x.amount * (1 - pool.topped_up)) for x in pool.loans]
    share = np.array([pool.collateral.get(a, 0.0) for a in shape.assets])
    return Entry(
        venue=venue, channel=CHANNELS.index(channel), forced=table(config, bands, threshold, bonus, close),
        sold=sold, response=response, bonus=math.log1p(bonus) if bonus > 0 else math.inf, where=where,
        **loan(share, threshold, bonus),
    )  # fmt: skip


def loan(share: np.ndarray, threshold: float, bonus: float) -> dict:
    """Trigger, losses and sales of a dollar of debt, Eqs. (1), (3) and (4); share: of collateral [asset]."""
    nothing = np.zeros(len(share))
    return {
        "need": nothing, "need_fixed": 1 / threshold, "value": share, "value_fixed": 0.0,
        "loss": nothing, "loss_fixed": 1.0, "worth": share / (1 + bonus), "worth_fixed": 0.0,
        "size": (1 + bonus) * threshold, "size_fixed": 0.0,
        "borrowed": True,
    }  # fmt: skip


def table(config: RunConfig, bands, threshold: float, bonus: float = 0.0, close: float = 1.0) -> np.ndarray:
    """Collateral sold by distance, start dollars [edge, tier], Eqs. (2) and (5).

    bands: lowest and highest k, collateral over debt, and debt in dollars; k log-uniform between them
    """
    start, found = 1 / threshold, np.zeros((N_EDGE, len(config.tiers)))
    better = (1 - close * (1 + bonus) * threshold) / (1 - close) if close < 1 else 1.0
    rungs = MOST_RUNGS if close < 1 else 1
    for low, high, amount in bands:
        for t, (least, most) in enumerate(tier_bands(config)):
            a, b = max(low, least), min(high, most)
            if a >= b:
                continue
            for rung in range(rungs):
                left = (1 - close) ** rung
                part = left if rung == rungs - 1 else close * left
                reached = np.clip((start + EDGES) / better**rung, a, b) - a
                debt = amount * part / math.log(high / low)
                # dN = debt dk/k, each dollar of it selling (1 + bonus) LT k better**rung.
                found[:, t] += debt * (1 + bonus) * threshold * better**rung * reached
    return found


def tier_bands(config: RunConfig) -> list[tuple[float, float]]:
    """Lowest and highest k, collateral over debt, of every leverage tier: L = 1/(1 - 1/k)."""
    edges = [tier.from_ for tier in config.tiers]
    at = [x / (x - 1) if x > 1 else math.inf for x in edges]
    return list(zip([*at[1:], 1.0], at, strict=True))  # the last tier takes all beyond it


def sales(
    config: RunConfig, shape: ScenarioShape, shares: Mapping[str, float], venues: Mapping[str, float]
) -> np.ndarray:
    """Shares of a sale on every book [asset, target]: by asset, then by the weights of those that list it."""
    found = np.zeros((shape.n_asset, shape.n_venue))
    for asset, share in shares.items():
        listing = {v: w for v, w in venues.items() if w > 0 and asset in config.venues[v].markets}
        total = sum(listing.values())
        for venue, weight in listing.items():
            found[shape.assets.index(asset), shape.venues.index(venue)] = share * weight / total
    return found


def treasuries(config: RunConfig, shape: ScenarioShape, seller: Treasuries, path: tuple) -> Iterator[Entry]:
    """Companies: loans without a bonus, sold as slowly as their limit, and with no loss to record."""
    for name, company in seller.companies.items():
        if company.debt is None or company.covenant is None:
            continue
        held = sum(company.holdings.values())
        shares = {asset: amount / held for asset, amount in company.holdings.items()}
        k = held / company.debt
        yield Entry(
            venue=shape.venues.index(next(iter(seller.sold_on))), channel=CHANNELS.index("treasury"),
            forced=table(config, [(k, k * LUMP, company.debt)], company.covenant), losing=False,
            sold=sales(config, shape, shares, seller.sold_on),
            throughput=math.inf if company.limit is None else company.limit * config.run.step,
            where=(*path, "companies", name),
            **loan(np.array([shares.get(a, 0.0) for a in shape.assets]), company.covenant, 0.0),
        )  # fmt: skip
