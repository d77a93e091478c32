"""What a scenario says of every step, for a scan over steps: arrays [step, ...] by name."""

from __future__ import annotations

import numpy as np

from kernels.mechanisms.exogenous import step_jax as exogenous
from kernels.mechanisms.feed import step_jax as feed
from kernels.mechanisms.flow import step_jax as flow
from kernels.mechanisms.funding import step_jax as funding
from kernels.mechanisms.halt import step_jax as halt
from kernels.mechanisms.outage import step_jax as outage
from kernels.mechanisms.overlay import step_jax as overlay

OF_PARTS = {
    "feed": feed.timeline,
    "halt": halt.timeline,
    "outage": outage.timeline,
    "margin_raise": overlay.raised,
    "event": overlay.events,
    "correlation": exogenous.correlations,
    "flow": flow.timeline,
    "funding": funding.timeline,
}
"""What parts say of every step."""


def timeline(shape, arrays, parts) -> dict:
    """Numbers of steps, and what overlays and calendars put in force in each."""
    number = np.arange(shape.n_step)
    found = {
        "number": number.astype(np.uint32),
        "minutes": ((number + 1) * shape.dt_seconds / 60).astype(arrays.depth.dtype),
        "shock": arrays.shock,
        "volatility": arrays.volatility_level[arrays.volatility_row],
        "depth": arrays.depth_level[arrays.depth_row],
    }
    for part, of in OF_PARTS.items():
        if getattr(parts, part) is not None:
            found |= of(getattr(parts, part))
    return found
