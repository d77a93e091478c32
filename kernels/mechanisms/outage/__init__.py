"""Outages: venues that are down for a while, by schedule or by a hazard. docs/methods/outage.md.

The hazard grows with what a venue has liquidated lately.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf


@dataclass(frozen=True)
class Outage:
    """Scheduled outages as rows by step, and the hazard of others."""

    row: np.ndarray = leaf("step", "1", "row in force", np.int32)
    down: np.ndarray = leaf("row venue", "1", "whether a venue is down by schedule", np.int32)
    throughput: np.ndarray = leaf("row venue", "1", "what is left of its engine's throughput")
    depth: np.ndarray = leaf("row venue", "1", "what is left of its books' depth")
    hazard: np.ndarray = leaf("venue", "1/USD", "chance to fail in a step per dollar of recent liquidations")
    decay: np.ndarray = leaf("venue", "1", "factor on recent liquidations per step")
    recovery: np.ndarray = leaf("venue", "1", "chance to be up again after a step")
    failed_throughput: np.ndarray = leaf("venue", "1", "what a failure leaves of the throughput")
    failed_depth: np.ndarray = leaf("venue", "1", "what a failure leaves of the depth")
