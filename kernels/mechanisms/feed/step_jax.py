"""Feeds in one step in JAX: statements of step_numpy.py."""

import jax.numpy as jnp
import numpy as np


def timeline(part) -> dict:
    """Of every step: errors of feeds, marks that stand still, and how far marks are behind; what there is."""
    found = {}
    if (part.wrong != 0).any():
        wrong = (part.wrong != 0)[:, None, None, None]
        found["feed_error"] = jnp.where(wrong, part.error, 0.0)[part.row]
    if (part.stale != 0).any():
        found["feed_stale"] = (part.stale != 0)[part.row]
    if longest(part) > 0:
        found["feed_lag"] = part.lag[part.row].astype(np.int32)
    return found


def longest(part) -> int:
    """Most steps by which any mark is ever behind."""
    return 0 if part is None else int(part.lag.max(initial=0))


def shown(lag, past, step):
    """Marks as they were at the end of the step that lags say, Eq. (3): log [asset, venue].

    lag : steps, at least one [asset, venue]
    past: marks on time at the ends of the last steps, that of step n in place n modulo its length
    """
    asset, venue = np.ogrid[: lag.shape[0], : lag.shape[1]]
    # Before the start prices were those of the start.
    return jnp.where(lag <= step, past[(step - lag) % len(past), asset, venue], 0.0)
