"""Outages of one step in JAX: statements of step_numpy.py, for one path."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kernels import sites
from kernels.parts.philox.philox_jax import words


class Failures(NamedTuple):
    """State of the venues [venue]."""

    failed: jax.Array  # bool
    load: jax.Array  # recent liquidations, USD


def initial(n_venue, dtype) -> Failures:
    """Everything is up."""
    return Failures(jnp.zeros(n_venue, bool), jnp.zeros(n_venue, dtype))


def timeline(part) -> dict:
    """Of every step: venues that are down by schedule, and what is left of throughput and depth."""
    return {
        "down": (part.down > 0)[part.row],
        "outage_throughput": part.throughput[part.row],
        "outage_depth": part.depth[part.row],
    }


def draw(seed, path, step, n_venue, dtype):
    """One uniform number for every venue: [venue]."""
    return words(seed, path, step, sites.OUTAGE, n_venue).astype(dtype) * 2.0**-32


def decide(part, failures, now, drawn):
    """Venues that are down, what is left of throughput and depth, Eqs. (1) and (2): [venue]; failures."""
    failed = failures.failed
    falls = ~failed & (drawn < part.hazard * failures.load)
    failed = falls | (failed & (drawn >= part.recovery))
    throughput = now["outage_throughput"] * jnp.where(failed, part.failed_throughput, 1.0)
    depth = now["outage_depth"] * jnp.where(failed, part.failed_depth, 1.0)
    return failed | now["down"], throughput, depth, failures._replace(failed=failed)


def remember(part, failures, liquidated) -> Failures:
    """Recent liquidations after a step, Eq. (3). liquidated: USD [venue]"""
    return failures._replace(load=part.decay * failures.load + liquidated)
