"""Vaults whose equity is negative: the specification, Eqs. (7) and (8) of docs/methods/vault.md."""

from __future__ import annotations

import numpy as np

from kernels.mechanisms.adl import ADL_NONE
from kernels.mechanisms.adl import step_numpy as adl
from kernels.mechanisms.adl.take_numpy import room
from kernels.mechanisms.cascade import DUST, SLACK
from kernels.mechanisms.liquidation import LONG, SHORT


def settle(scenario, state, record, halted, price, drawn) -> None:
    """Close inventories of vaults in deficit against winners; who does not pay leaves it to the fund.

    Vaults wait while a market of their venue is `halted` [path, asset, venue].

    price: marks of round 0 [path, asset, venue]; drawn: see adl.close [path, asset], or None
    """
    vault = state.vault
    deficit = np.maximum(-vault.equity(price), 0.0)
    # Less than a millionth of what it has traded is rounding.
    traded = vault.received + (np.abs(vault.cash) + np.abs(vault.held * price)).sum(axis=1)
    deficit[(deficit <= np.maximum(DUST, SLACK * traded)) | halted.any(axis=1)] = 0.0
    if not deficit.any():
        return
    paid = np.zeros_like(deficit)
    deleverages = (deficit > 0) & (scenario.arrays.adl_policy != ADL_NONE)
    value = np.abs(vault.held) * price
    total = value.sum(axis=1, keepdims=True)
    share = value / np.where(total > 0, total, 1.0)
    for asset in range(scenario.shape.n_asset):
        path, venue = np.nonzero(deleverages & (vault.held[:, asset] != 0))
        if len(path):
            due = (deficit * share[:, asset])[path, venue]
            paid[path, venue] += close(scenario, state, record, path, asset, venue, price, due, drawn)
    vault.received = vault.received + deficit
    record.vault_deficit(scenario.parts.vault.whose, deficit, paid)


def close(scenario, state, record, path, asset, venue, price, due, drawn):
    """Close inventories in one asset, as far as there are winners; all [n]; returns what winners forgo."""
    arrays, part, vault = scenario.arrays, scenario.parts.adl, state.vault
    held, mark = vault.held[path, asset, venue], price[path, asset, venue]
    size, sign = np.abs(held), np.sign(held)
    winning = np.where(held > 0, SHORT, LONG)
    assets = np.full(len(path), asset)
    thinned = state.survival[path, asset, winning, venue]
    executed = state.executed[path, asset, winning, :, venue]
    crowd = state.crowd_at((path, assets, winning, venue))
    winners, open_ = adl.winners_of(arrays, part, assets, winning, venue, mark, executed, thinned, crowd)
    policy = arrays.adl_policy[venue]
    closed = np.minimum(size, (room(policy, winners) * winners.notional).sum(axis=1))
    first = np.zeros(len(path)) if drawn is None else drawn[path, asset]
    given = adl.give(arrays, part, assets, winning, venue, winners, open_, thinned, closed, first)
    taken, hedged, state.survival[path, asset, winning, venue] = given
    forgone = np.where(part.at_mark[venue] != 0, 0.0, due * closed / size)
    vault.held[path, asset, venue] = np.where(closed < size, held - sign * closed, 0.0)
    vault.cash[path, asset, venue] += sign * closed * mark
    record.vault_closed(path, assets, venue, sign, closed, mark, forgone, taken, hedged)
    return forgone
