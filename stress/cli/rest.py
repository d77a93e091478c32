"""What a market does at rest, before anything else happens."""

from __future__ import annotations

import sys
from typing import Any


def at_rest(job) -> dict[str, Any]:
    """What a small common shock does before anything else happens."""
    from stress.numbers import plain
    from stress.static_response import static_response

    found = static_response(job.scenario)
    return {
        "supercritical": bool(found.supercritical),
        "reason": found.reason,
        "critical_shock": plain(float(found.critical_shock)),
    }


def warnings_at_rest(found: dict[str, Any]) -> list[str]:
    """What to say of a market that falls by itself."""
    return [f"the market is supercritical at rest: {found['reason']}"] if found["supercritical"] else []


def warn_at_rest(found: dict[str, Any]) -> None:
    for warning in warnings_at_rest(found):
        print(f"Warning: {warning}", file=sys.stderr)
