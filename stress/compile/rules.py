"""Venue rules: engine, fees, fund, auto-deleveraging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms import adl
from kernels.mechanisms.clearing import Clearing
from kernels.mechanisms.waterfall import (
    PARTS_OF_WINDOW,
    SOCIALISE_NEVER,
    SOCIALISE_RUN,
    SOCIALISE_STEP,
    Waterfall,
)
from kernels.scenario import ScenarioShape

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.venue import Venue

POLICIES = {
    "none": adl.ADL_NONE,
    "queue": adl.ADL_QUEUE,
    "queue_hyperliquid": adl.ADL_QUEUE_HYPERLIQUID,
    "pro_rata": adl.ADL_PRO_RATA,
    "capped_pro_rata": adl.ADL_CAPPED_PRO_RATA,
    "leverage_waterfill": adl.ADL_LEVERAGE_WATERFILL,
    "random_start": adl.ADL_RANDOM_START,
}


SOCIALISE = {"none": SOCIALISE_NEVER, "step": SOCIALISE_STEP, "run": SOCIALISE_RUN}


def arrays(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Venue rules: engine, fees, fund, auto-deleveraging."""
    venues = list(config.places.values())

    def each(value):
        return np.array([value(venue) for venue in venues], float)

    throughput = each(lambda v: np.inf if v.liquidation.throughput is None else v.liquidation.throughput)
    fund = each(lambda v: v.insurance_fund)
    return {
        "throughput": np.tile(throughput * config.run.step, (shape.n_asset, 1)),
        "fee_rate": each(lambda v: v.liquidation.fee),
        "surplus_share": each(lambda v: v.liquidation.surplus_to_fund),
        "fund": fund,
        "adl_policy": np.array([POLICIES[venue.adl.policy] for venue in venues], np.int32),
        "adl_below": fund * each(lambda v: v.adl.fund_below),
        "adl_drawdown": each(lambda v: 1.0 if v.adl.drawdown is None else v.adl.drawdown),
        "closing_share": each(lambda v: v.closing_share),
    }


def waterfall(config: RunConfig, shape: ScenarioShape) -> Waterfall | None:
    """What is special about funds and losses beyond them; None where every venue has one fund in cash."""
    venues = list(config.places.values())
    if not any(special(venue) for venue in venues):
        return None

    def each(value):
        return np.array([value(venue) for venue in venues], np.int32)

    share = np.zeros((shape.n_asset, shape.n_venue))
    for v, venue in enumerate(venues):
        if venue.fund.split == "shared":
            share[0, v] = 1.0
            continue
        share[:, v] = by_market(venue, venue.fund.shares, shape)
    coins = [venue.fund.coins for venue in venues]
    return Waterfall(
        split=each(lambda v: v.fund.split == "per_market"),
        share=share,
        coin_share=np.array([0.0 if c is None else c.share for c in coins]),
        coin=np.array([0 if c is None else shape.assets.index(c.asset) for c in coins], np.int32),
        window=each(lambda v: parts_of_window(v.adl.window, config.run.step, shape.n_step)),
        claim=each(lambda v: v.adl.excess == "claim"),
        socialise=each(lambda v: SOCIALISE[v.socialised_loss]),
    )


def clearing(config: RunConfig) -> Clearing | None:
    """What stands behind the funds of cleared venues, Eq. (1) of docs/methods/clearing.md; None without."""
    rules = [venue.clearing for venue in config.places.values()]
    if not any(rules):
        return None

    def layers(rule):
        if rule is None:
            return np.zeros(4)
        theirs = rule.defaulters * rule.default_fund
        survivors = rule.default_fund - theirs
        return np.array([theirs, rule.own_capital, survivors, rule.assessments * survivors])

    return Clearing(layer=np.stack([layers(rule) for rule in rules], axis=1))


def by_market(venue: Venue, shares: dict[str, float], shape: ScenarioShape) -> np.ndarray:
    """Shares of the venue's markets, by open interest where none are given: [asset], sum 1."""
    given = shares or {a: m.open_interest for a, m in venue.markets.items()}
    weight = np.array([given.get(asset, 0.0) for asset in shape.assets])
    # Shares of nothing: markets without open interest have shares alike.
    weight = weight if weight.sum() > 0 else np.array([float(a in venue.markets) for a in shape.assets])
    return weight / weight.sum()


def special(venue: Venue) -> bool:
    """Whether a venue's fund is anything but one balance in cash, drawn down to bad debt."""
    fund, adl = venue.fund, venue.adl
    organised = fund.split != "shared" or fund.coins is not None or adl.window is not None
    return organised or adl.excess != "bad_debt" or venue.socialised_loss != "none"


def parts_of_window(window: float | None, step: float, n_step: int) -> int:
    """Steps in a sixteenth of a window, at least one; 0 for none, and for one as long as the run."""
    if window is None or window >= n_step * step:
        return 0  # the peak of the run so far
    return max(round(window / PARTS_OF_WINDOW / step), 1)
