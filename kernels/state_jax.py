"""The state of a path in JAX, and what it is run with: what never changes, and what is drawn once a path.

See kernels/state.py. What belongs to a mechanism that a run does without is None: nothing of it is traced.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kernels import crowd_jax, outcome
from kernels import trading_jax as trading
from kernels.crowd_jax import Crowd
from kernels.mechanisms.account import step_jax as account
from kernels.mechanisms.adl import ADL_NONE
from kernels.mechanisms.cascade import MAX_ROUNDS, TOLERANCE
from kernels.mechanisms.exogenous import memory_jax
from kernels.mechanisms.exogenous.memory_jax import Memory
from kernels.mechanisms.exogenous.step_jax import by_tail
from kernels.mechanisms.flow import step_jax as flow
from kernels.mechanisms.halt.step_jax import Breakers
from kernels.mechanisms.liquidation import step_jax as liquidation
from kernels.mechanisms.mark.step_jax import Stands
from kernels.mechanisms.outage.step_jax import Failures
from kernels.mechanisms.overlay import step_jax as overlay
from kernels.mechanisms.vault import step_jax as vault
from kernels.mechanisms.waterfall import funds_jax
from kernels.mechanisms.waterfall.funds_jax import Funds
from kernels.parts.record import record_jax as recording
from kernels.scenario import Parts, ScenarioArrays


class Rules(NamedTuple):
    """What a compiled program is made for, besides its shape."""

    gradients: bool = False
    """Ends of cascades have slopes."""
    tolerance: float = TOLERANCE
    max_rounds: int = MAX_ROUNDS


class Market(NamedTuple):
    """What does not differ by path and step: arrays and what follows from them.

    Floats are traced; integers and bools are NumPy, so that mechanisms can be left out by them.
    """

    arrays: ScenarioArrays
    parts: Parts
    tables: liquidation.Tables
    thinning: np.ndarray  # assets with a shape above 1, bool [asset, 1]
    pot: np.ndarray  # of every market, see funds_numpy.py [asset, venue]
    spread: jax.Array | np.ndarray  # shares of a venue's fund by pot [pot, venue]
    holders: account.Holders | None = None  # accounts

    @property
    def deleverages(self) -> bool:
        """Whether any venue does."""
        return bool((self.arrays.adl_policy != ADL_NONE).any())

    def by_pot(self, amount):
        """Amounts of markets [asset, venue, ...] by fund: [pot, venue, ...]."""
        n_pot = len(self.spread)
        if n_pot == 1:
            return amount.sum(0)[None]
        mine = (self.pot == np.arange(n_pot)[:, None, None]).reshape(
            n_pot, *self.pot.shape, *(1,) * (amount.ndim - 2)
        )
        return jnp.where(mine, amount, 0.0).sum(1)

    def of_pot(self, values):
        """Values of funds [pot, venue] at their markets: [asset, venue]."""
        return values[self.pot, np.arange(self.pot.shape[1])]


class Drawn(NamedTuple):
    """What a path is: its place among random numbers, and what it draws before its first step."""

    seed: tuple  # low and high word
    path: tuple  # the same
    events: jax.Array | None = None  # factors on events of drawn size [event]
    crowd: Crowd | None = None  # who of the tables is there


class State(NamedTuple):
    """What evolves, of one path; see kernels/state.py."""

    exogenous: jax.Array  # [asset]
    fundamental: jax.Array  # [asset]
    price: jax.Array  # [asset, venue]
    q: jax.Array  # [asset, venue]
    memory: jax.Array  # [asset, venue]
    frontier: jax.Array  # [asset, side, venue]
    executed: jax.Array  # [asset, side, group, venue]; one group where all are executed together
    survival: jax.Array  # [asset, side, venue, tier]
    funds: Funds
    status: jax.Array
    counters: jax.Array  # [counter]
    record: dict
    process: Memory | None = None  # what exogenous prices remember
    paid: jax.Array | None = None  # funding, by a start dollar of longs since the start [asset, venue]
    basis: jax.Array | None = None  # average basis of a market over its index, percent [asset, venue]
    still: Stands | None = None  # marks that stood still in the last step [asset, venue]
    past: jax.Array | None = None  # marks at the ends of the last steps, where feeds are behind
    breakers: Breakers | None = None
    failures: Failures | None = None
    account: account.Standing | None = None
    flows: flow.Flows | None = None  # frozen flows
    vault: vault.Inventory | None = None
    whale: jax.Array | None = None  # how far whales have been executed [asset, side, venue]


def market_of(arrays: ScenarioArrays, parts: Parts, thinning: np.ndarray) -> Market:
    """The market of a scenario whose floats are JAX's."""
    pot, spread = funds_jax.pots(parts.waterfall, arrays)
    holders = None if parts.account is None else account.holders(parts.account)
    return Market(arrays, parts, liquidation.tables(arrays), thinning, pot, spread, holders)


def drawn(market: Market, seed, path) -> Drawn:
    """What a path draws before its first step."""
    event = market.parts.event
    events = None if event is None else overlay.drawn(event, seed, path, by_tail)
    return Drawn(seed, path, events, crowd_jax.drawn(market.parts, market.arrays, seed, path))


def initial(shape, market: Market, drawn: Drawn) -> State:
    """A path at its start: prices at one, books at rest, calm memory, funds full."""
    arrays = market.arrays
    n_group = shape.n_group if market.deleverages else 1
    dtype = arrays.depth.dtype
    size, parts = (shape.n_asset, shape.n_venue), market.parts
    side = (shape.n_asset, 2, shape.n_venue)
    return State(
        exogenous=jnp.zeros(size[0], dtype), fundamental=jnp.zeros(size[0], dtype),
        price=jnp.zeros(size, dtype), q=jnp.zeros(size, dtype), memory=jnp.asarray(arrays.calm_memory),
        frontier=jnp.zeros(side, dtype), executed=jnp.zeros((*side[:2], n_group, side[2]), dtype),
        survival=jnp.ones((*side, shape.n_tier), dtype), funds=funds_jax.begin(shape, market),
        status=jnp.zeros((), jnp.int32), counters=jnp.zeros(len(outcome.COUNTERS), jnp.int32),
        record=recording.begin(shape, market, dtype),
        process=memory_jax.begin(market.parts, drawn.seed, drawn.path, dtype),
        paid=None if market.parts.funding is None else jnp.zeros(size, dtype),
        **trading.initial(market.parts, size, dtype),
        account=None if parts.account is None else account.at_rest(parts.account),
        flows=None if parts.flow is None else flow.initial(parts),
        vault=None if parts.vault is None else vault.initial(parts.vault),
        whale=None if parts.whale is None else jnp.zeros(side, dtype),
    )  # fmt: skip
