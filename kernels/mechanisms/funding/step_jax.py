"""Funding of one step in JAX: statements of step_numpy.py, for one path."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.funding import MOST_CHARGED


def timeline(part) -> dict:
    """Of every step: what is added to the rates [asset, venue]."""
    return {"spike": part.spike[part.row]}


def rate(part, displacement, spike):
    """Rate of a step for eight hours, Eqs. (1) and (2): [asset, venue].

    displacement: of the traded prices at the end of the step, percent
    spike       : added to the rate [asset, venue]
    """
    premium = PERCENT * jnp.einsum("auv,au->av", part.premium, displacement)
    toward = jnp.clip(part.interest - premium, -part.clamp, part.clamp)
    return jnp.clip(premium + toward + spike, -part.cap, part.cap)


def accrual(part, displacement, price, spike):
    """Dollars that a start dollar of longs pays in a step, Eq. (3): [asset, venue]. price: log, at its end"""
    return rate(part, displacement, spike) * part.share * jnp.exp(price)


def charge(part, paid, price):
    """Distance that funding paid so far adds to the marks', Eq. (5): [asset, side, venue].

    paid: by a start dollar of longs since the start [asset, venue]; price: log, last traded
    """
    share = (paid / jnp.exp(price))[:, None] * part.weight
    rise = jnp.log1p(-jnp.minimum(share, MOST_CHARGED))
    return rise * np.array([-1, 1], np.float32)[:, None]


def open_notional(part, arrays, forced, deleveraged):
    """Notional still open on either side, Eq. (4): start dollars [asset, venue].

    forced, deleveraged: coins x start price [venue, asset], of the first and of it by deleveraging
    """
    psi = arrays.closing_share[:, None]
    closed = psi * (forced - deleveraged) + deleveraged
    return jnp.maximum(part.open_interest - closed.T, 0.0)
