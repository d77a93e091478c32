"""Lists of accounts become what their default would cost. Equations of docs/methods/cover.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.mechanisms.clearing import prefunded_resources
from kernels.mechanisms.cover import Cover
from stress.compile import files, rules
from stress.compile.books import markets
from stress.config.positions import AccountList

if TYPE_CHECKING:
    from stress.config import RunConfig


def part(config: RunConfig, fund: np.ndarray) -> Cover | None:
    """Every listed position that is there at the start, with its account; None without a list.

    An account is its name: the same on every venue and in every market.

    fund: USD [venue]
    """
    number: dict[str, int] = {}
    columns: list[np.ndarray] = []
    for a, v, asset, venue, market in markets(config):
        if not isinstance(market.positions, AccountList):
            continue
        found = files.read_accounts(config.input(market.positions.file), config.assets[asset].price)
        account = np.array([number.setdefault(name, len(number)) for name in found.account])
        ladder = bool(config.venues[venue].liquidation.ladder)
        there = files.standing(found, market, ladder).any(axis=0)
        rows = np.broadcast_arrays(account, a, v, found.side, found.notional, found.equity)
        columns.append(np.array(rows, float)[:, there])
    whole = np.concatenate(columns, axis=1) if columns else np.zeros((6, 0))
    if not whole.size:
        return None
    whole = whole[:, np.argsort(whole[0], kind="stable")]
    account, at_asset, at_venue, side = whole[:4].astype(np.int32)
    notional, equity = whole[4:]
    held = prefunded_resources(fund, rules.clearing(config))
    return Cover(account, at_asset, at_venue, side, notional, equity, held)
