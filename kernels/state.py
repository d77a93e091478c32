"""The state of paths in the reference engine: what evolves from step to step.

Axes as in `kernels.scenario`, with the path first. Log prices are relative to the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.feed import step_numpy as feed
from kernels.mechanisms.halt import step_numpy as halt
from kernels.mechanisms.halt.step_numpy import Breakers
from kernels.mechanisms.outage import step_numpy as outage
from kernels.mechanisms.outage.step_numpy import Failures
from kernels.mechanisms.overlay.step_numpy import Drawn
from kernels.mechanisms.vault.step_numpy import Inventory
from kernels.mechanisms.waterfall.funds_numpy import Funds
from kernels.mechanisms.whale.step_numpy import Crowd
from kernels.scenario import Scenario


@dataclass
class PathState:
    """All that a step reads and writes."""

    # prices
    exogenous: np.ndarray  # log price without forced flow [path, asset]
    fundamental: np.ndarray  # log price that books stand around [path, asset]
    price: np.ndarray  # log of the last traded price [path, asset, venue]

    # books
    q: np.ndarray  # normalised consumption [path, asset, venue]
    memory: np.ndarray  # squared returns remembered, S**2 [path, asset, venue]

    # marks
    basis: np.ndarray  # average basis of a market over its index, percent [path, asset, venue]

    frozen: np.ndarray  # marks that stood still in the last step, bool [path, asset, venue]
    held: np.ndarray  # where they stand, log [path, asset, venue]
    past: np.ndarray  # marks at the ends of the last steps, where feeds are behind [step, path, asset, venue]

    # what trades
    breakers: Breakers  # circuit breakers
    failures: Failures  # venues that are down

    # positions
    frontier: np.ndarray  # worst distance so far, X [path, asset, side, venue]
    executed: np.ndarray  # executed frontier, E [path, asset, side, group, venue]
    survival: np.ndarray  # share that ADL has left [path, asset, side, venue, tier]

    # accounts, where there are any
    account_frontier: np.ndarray  # worst distance so far [path, slot, venue]
    account_executed: np.ndarray  # executed distance [path, slot, venue]

    # frozen flows, where there are any
    flow_waiting: np.ndarray  # ordered in earlier steps, net purchases, USD [path, source, asset, venue]
    flow_memory: np.ndarray  # returns that sources remember [path, source, asset]
    company_left: np.ndarray  # what companies may still sell by their premium, USD [path, company]

    # who of the tables is there, where paths differ in that
    crowd: Crowd | None

    # funding, where there is any
    paid: np.ndarray  # by a start dollar of longs since the start [path, asset, venue]

    # funds
    funds: Funds

    # backstop vaults, where there are any
    vault: Inventory | None

    # events of drawn size, where there are any
    drawn: Drawn | None

    # status
    status: np.ndarray  # bits of kernels.outcome, uint32 [path]

    def crowd_at(self, index) -> Crowd | None:
        """The crowd of some paths and assets."""
        return None if self.crowd is None else self.crowd.at(index)


def remembered(scenario: Scenario, n_path: int) -> np.ndarray:
    """Returns that sources of frozen flows remember at the start; of none where nobody answers them."""
    part = scenario.parts.response
    return np.zeros((n_path, 0, 0)) if part is None else np.tile(part.start, (n_path, 1, 1))


def for_sale(scenario: Scenario, n_path: int) -> np.ndarray:
    """What companies may sell by their premium in all; of none where there are none."""
    part = scenario.parts.premium
    return np.zeros((n_path, 0)) if part is None else np.tile(part.most, (n_path, 1))


def initial(
    scenario: Scenario, n_path: int, crowd: Crowd | None = None, drawn: Drawn | None = None
) -> PathState:
    """Paths at the start: prices at one, books at rest, calm memory, funds full."""
    shape, arrays = scenario.shape, scenario.arrays
    market = (n_path, shape.n_asset, shape.n_venue)
    n_slot = 0 if scenario.parts.account is None else len(scenario.parts.account.channel)
    accounts = (n_path, n_slot, shape.n_venue)
    n_source = 0 if scenario.parts.flow is None else len(scenario.parts.flow.channel)
    return PathState(
        exogenous=np.zeros(market[:2]),
        fundamental=np.zeros(market[:2]),
        price=np.zeros(market),
        q=np.zeros(market),
        memory=np.broadcast_to(arrays.calm_memory, market).copy(),
        basis=np.zeros(market),
        frozen=np.zeros(market, bool),
        held=np.zeros(market),
        past=np.zeros((feed.longest(scenario.parts.feed), *market)),
        breakers=halt.initial(market),
        failures=outage.initial((n_path, shape.n_venue)),
        frontier=np.zeros((n_path, shape.n_asset, 2, shape.n_venue)),
        executed=np.zeros((n_path, shape.n_asset, 2, shape.n_group, shape.n_venue)),
        survival=np.ones((n_path, shape.n_asset, 2, shape.n_venue, shape.n_tier)),
        account_frontier=np.zeros(accounts),
        account_executed=np.zeros(accounts),
        flow_waiting=np.zeros((n_path, n_source, *market[1:])),
        crowd=crowd,
        flow_memory=remembered(scenario, n_path),
        company_left=for_sale(scenario, n_path),
        paid=np.zeros(market),
        funds=Funds(scenario, n_path),
        vault=None if scenario.parts.vault is None else Inventory(scenario.parts.vault, n_path),
        drawn=drawn,
        status=np.zeros(n_path, np.uint32),
    )
