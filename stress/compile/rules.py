"""Venue rules: engine, fees, fund, auto-deleveraging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms import adl
from kernels.scenario import ScenarioShape

if TYPE_CHECKING:
    from stress.config import RunConfig

POLICIES = {
    "none": adl.ADL_NONE,
    "queue": adl.ADL_QUEUE,
    "queue_hyperliquid": adl.ADL_QUEUE_HYPERLIQUID,
    "pro_rata": adl.ADL_PRO_RATA,
    "capped_pro_rata": adl.ADL_CAPPED_PRO_RATA,
    "leverage_waterfill": adl.ADL_LEVERAGE_WATERFILL,
    "random_start": adl.ADL_RANDOM_START,
}


def arrays(config: RunConfig, shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Venue rules: engine, fees, fund, auto-deleveraging."""
    venues = list(config.venues.values())

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
