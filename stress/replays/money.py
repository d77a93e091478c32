"""Where a path's money went: total loss is margin lost and deficit, and somebody pays for every deficit."""

from __future__ import annotations

from typing import Any

import xarray as xr

from kernels.outcome import PAYERS
from stress.cube import ALL
from stress.errors import StressError

ROUNDING = {4: 1e-4, 8: 1e-9}
"""Share of a deficit by which its payers may miss it, by bytes of a number; as engines check it."""

DUST = 1.0
"""Dollars that do not count."""


def money(row: xr.Dataset) -> dict[str, dict[str, float]]:
    """By venue and over all: total, margin lost, deficit, who paid it, and what does not add up.

    raises: `StressError` where it does not add up to within rounding
    """
    found = {str(venue): of_venue(row, str(venue)) for venue in row.venue.values}
    share = ROUNDING[row.loss.dtype.itemsize]
    for venue, parts in found.items():
        for gap, of in (("total_gap", "total"), ("deficit_gap", "deficit")):
            if not abs(parts[gap]) <= share * parts[of] + DUST:
                raise StressError(
                    f"money does not add up at {venue}: {of} of ${parts[of]:,.2f} is off by "
                    f"${parts[gap]:,.2f}. This is a bug, please report it with the config and the path."
                )
    return found


def of_venue(row: xr.Dataset, venue: str) -> dict[str, float]:
    loss = row.loss.sel(venue=venue, tier=ALL)
    part: dict[str, Any] = {str(name): float(loss.sel(component=name)) for name in loss.component.values}
    paid = {name: part[name] for name in PAYERS}
    return {
        "total": part["total"],
        "margin_lost": part["margin_lost"],
        "deficit": part["deficit"],
        **paid,
        "total_gap": part["total"] - part["margin_lost"] - part["deficit"],
        "deficit_gap": part["deficit"] - sum(paid.values()),
    }
