"""What a scenario says of every step, for a scan over steps: arrays [step, ...] by name."""

from __future__ import annotations

import numpy as np


def timeline(shape, arrays, parts) -> dict:
    """Numbers of steps, and what overlays and calendars put in force in each."""
    number = np.arange(shape.n_step)
    return {
        "number": number.astype(np.uint32),
        "minutes": ((number + 1) * shape.dt_seconds / 60).astype(arrays.depth.dtype),
        "shock": arrays.shock,
        "volatility": arrays.volatility_level[arrays.volatility_row],
        "depth": arrays.depth_level[arrays.depth_row],
    }
