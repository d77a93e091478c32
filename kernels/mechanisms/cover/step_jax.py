"""Cover by listed accounts, at the end of a path, in JAX: statements of step_numpy.py."""

import jax
import jax.numpy as jnp

from kernels.mechanisms.cover.step_numpy import N_DEFAULT
from kernels.mechanisms.liquidation import LONG


def exposures(part, lowest, highest):
    """What each account would lose beyond its margins, Eqs. (1) and (2): USD [account, venue].

    lowest, highest: log traded prices of the path [asset, venue]
    """
    market = part.asset, part.venue
    loss = jnp.where(part.side == LONG, 1 - jnp.exp(lowest[market]), jnp.exp(highest[market]) - 1)
    beyond = jnp.maximum(part.notional * loss - part.equity, 0.0)
    n_account = max(int(part.account.max(initial=-1)) + 1, N_DEFAULT)
    found = jnp.zeros((n_account, len(part.prefunded)), beyond.dtype)
    return found.at[part.account, part.venue].add(beyond)


def largest_accounts(part, lowest, highest):
    """Cover, and how far it is beyond what is prefunded, Eqs. (3) and (4): USD [venue+, defaults] each."""
    each = exposures(part, lowest, highest)
    cover = jnp.cumsum(jax.lax.top_k(each.T, N_DEFAULT)[0], axis=1)
    shortfall = jnp.maximum(cover - part.prefunded[:, None], 0.0)
    _, worst = jax.lax.top_k(each.sum(axis=1), N_DEFAULT)
    together = jnp.cumsum(each[worst], axis=0)
    beyond = jnp.maximum(together - part.prefunded, 0.0).sum(axis=1)
    return jnp.vstack([cover, together.sum(axis=1)]), jnp.vstack([shortfall, beyond])
