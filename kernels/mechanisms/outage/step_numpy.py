"""Outages of one step: the specification. Equations of docs/methods/outage.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels import sites
from kernels.parts.philox.philox_numpy import words


@dataclass
class Failures:
    """State of the venues [path, venue]."""

    failed: np.ndarray  # bool
    load: np.ndarray  # recent liquidations, USD


def initial(shape) -> Failures:
    """Everything is up."""
    return Failures(np.zeros(shape, bool), np.zeros(shape))


def draw(scenario, seed, path, step):
    """One uniform number for every venue: [path, venue]."""
    return words(seed, path, step, sites.OUTAGE, scenario.shape.n_venue) * 2.0**-32


def decide(part, failures, step, drawn):
    """Venues that are down, and what is left of throughput and depth, Eqs. (1) and (2): [path, venue]."""
    if drawn is not None:
        failed = failures.failed
        falls = ~failed & (drawn < part.hazard * failures.load)
        failures.failed = falls | (failed & (drawn >= part.recovery))
    row, failed = part.row[step], failures.failed
    throughput = part.throughput[row] * np.where(failed, part.failed_throughput, 1.0)
    depth = part.depth[row] * np.where(failed, part.failed_depth, 1.0)
    return failed | (part.down[row] > 0), throughput, depth


def remember(part, failures, liquidated):
    """Recent liquidations after a step, Eq. (3). liquidated: USD [path, venue]"""
    failures.load = part.decay * failures.load + liquidated
