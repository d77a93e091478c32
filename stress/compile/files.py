"""Files of positions become holders: an observed liquidation map, or positions one by one.

Equations of docs/methods/positions.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kernels.mechanisms.liquidation import LONG
from kernels.mechanisms.liquidation.step_numpy import threshold_margin
from stress.compile import maintenance
from stress.compile.holders import Holders, band
from stress.config.market import Market
from stress.config.table import Input, Table, read

SIDES = ("long", "short")
EQUITY = (("equity",), ("entry", "margin"), ("entry", "leverage"), ("leverage",))
"""Columns that say how much a position can lose: one of these sets."""

Bands = list[tuple[float, float]]


@dataclass(frozen=True)
class LiquidationMap:
    """Rows of a liquidation map; every array is [row]."""

    side: np.ndarray
    distance: np.ndarray
    """From the start price to that of the liquidation, in log price, against the holder."""
    notional: np.ndarray
    """USD, at the start price."""
    leverage: np.ndarray
    """As the file says; NaN where it does not."""


def read_map(found: Input, price: float, bands: Bands) -> LiquidationMap:
    """The rows of a liquidation map of an asset with a start price.

    raises: ConfigError at file:line for every row that is no such thing
    """
    table = read(found, ["price", "side", "notional"], ["leverage"])
    side = table.choices("side", SIDES)
    trigger = table.numbers("price", above=0)
    notional = table.numbers("notional", least=0)
    highest = bands[-1][1]
    leverage = np.full(len(table), np.nan)
    if "leverage" in table:
        leverage = table.numbers("leverage", above=0, blank=np.nan)
        for row in np.flatnonzero(leverage > highest).tolist():
            why = f"the last one ends at {highest:g}x"
            table.refuse(row, "leverage", f"no tier holds {leverage[row]:g}x", why)
    wrong = ((side == 0) & (trigger >= price)) | ((side == 1) & (trigger <= price))
    for row in np.flatnonzero(wrong).tolist():
        where = "below" if side[row] == 0 else "above"
        what = f"{trigger[row]:g} is on the wrong side of the start price, {price:g}"
        table.refuse(row, "price", what, f"{SIDES[side[row]]}s are liquidated {where} it")
    table.settle()
    distance = np.abs(np.log(trigger / price))
    return LiquidationMap(side, distance, notional, leverage)


def map_holders(rows: LiquidationMap, market: Market, has_ladder: bool, bands: Bands, side: int) -> Holders:
    """Holders of one side of a map: every row in all classes, with the margin that fits, Eq. (8)."""
    mine = rows.side == side
    distance, notional, leverage = rows.distance[mine], rows.notional[mine], rows.leverage[mine]
    parts = []
    for group, (share, rate, deduction) in enumerate(maintenance.classes(market, has_ladder)):
        margin = threshold_margin(distance, side, rate, deduction)
        tier = band(np.where(np.isnan(leverage), 1 / margin, leverage), bands)
        held = notional * share
        rates, deductions, groups, entry = (
            np.full(len(held), value) for value in (rate, deduction, group, 1.0)
        )
        parts.append(Holders(margin, held, held, tier, rates, deductions, groups, entry))
    return Holders.together(parts)


class Totals(NamedTuple):
    """What one account holds in a market, USD at the start."""

    long: float
    short: float
    equity: float


@dataclass(frozen=True)
class AccountPositions:
    """Positions one by one; every array is [position]."""

    account: tuple[str, ...]
    side: np.ndarray
    notional: np.ndarray
    """USD, at the start price."""
    equity: np.ndarray
    """Equity at the start, USD: margin, and the profit since the entry."""
    entry: np.ndarray
    """Entry price over the price at the start; 1 where the file does not say."""
    table: Table
    """The rows that they were read from."""

    def totals(self) -> dict[str, Totals]:
        """Notional of longs and shorts, and equity, by account, in the order of the file."""
        found: dict[str, Totals] = {}
        for account, side, notional, equity in zip(
            self.account, self.side.tolist(), self.notional.tolist(), self.equity.tolist(), strict=True
        ):
            long, short, own = found.get(account, Totals(0.0, 0.0, 0.0))
            found[account] = Totals(
                long + (notional if side == LONG else 0.0),
                short + (notional if side != LONG else 0.0),
                own + equity,
            )
        return found


def read_accounts(found: Input, price: float) -> AccountPositions:
    """The positions in a file, of an asset with a start price, Eqs. (9) and (10).

    raises: ConfigError at file:line for every row that is no position
    """
    table = read(found, ["account", "side"], ["size", "notional", "equity", "entry", "margin", "leverage"])
    by_size = _one_of(table, (("size",), ("notional",)), "how large a position is") == ("size",)
    by = _one_of(table, EQUITY, "how much a position can lose")
    account, side = tuple(table.names("account")), table.choices("side", SIDES)
    notional = table.numbers("size", above=0) * price if by_size else table.numbers("notional", above=0)
    sign = np.where(side == LONG, 1.0, -1.0)
    entry = table.numbers("entry", above=0) / price if "entry" in by else np.ones(len(table))
    match by:
        case ("equity",):
            equity = table.numbers("equity")
        case ("entry", "margin"):
            equity = table.numbers("margin", above=0) + sign * notional * (1 - entry)
        case _:
            leverage = table.numbers("leverage", above=0)
            equity = notional * (entry / leverage + sign * (1 - entry))
    table.settle()
    return AccountPositions(account, side, notional, equity, entry, table)


def _one_of(table: Table, sets: tuple[tuple[str, ...], ...], what: str) -> tuple[str, ...]:
    """The one of several sets of columns that a table has."""
    named = {name for names in sets for name in names}
    there = {name for name in named if name in table}
    for names in sets:
        if set(names) == there:
            return names
    words = "; ".join(" and ".join(names) for names in sets)
    has = " and ".join(sorted(there)) or "none of them"
    table.refuse_head(f"the columns must say {what} in one way", f"there is {has}; possible are {words}")
    table.settle()
    raise AssertionError


def standing(positions: AccountPositions, market: Market, has_ladder: bool) -> np.ndarray:
    """Whether positions are above maintenance at the start, under each class: bool [class, position]."""
    margin = positions.equity / positions.notional
    under = maintenance.terms(market, has_ladder, positions.notional, positions.notional)
    return np.array([margin > each.rate - each.deduction for each in under])


def account_holders(
    positions: AccountPositions, market: Market, has_ladder: bool, bands: Bands, leave_out: bool
) -> tuple[Holders, Holders]:
    """Holders of both sides: every position with its own threshold.

    leave_out: whether those below maintenance at the start are passed over
    raises   : ConfigError at file:line for each of these otherwise
    """
    margin = positions.equity / positions.notional
    under = maintenance.terms(market, has_ladder, positions.notional, positions.notional)
    solvent = standing(positions, market, has_ladder)
    if not leave_out:
        need = np.min([each.rate - each.deduction for each in under], axis=0) * positions.notional
        for row in np.flatnonzero(~solvent.any(axis=0)).tolist():
            what = f"equity is ${positions.equity[row]:,.2f}, maintenance ${need[row]:,.2f}"
            why = "it would have been liquidated before the start"
            advice = "Correct the row, or set `below_maintenance: leave_out`."
            positions.table.refuse(row, positions.account[row], what, why, advice)
        positions.table.settle()
    shares = np.array([each.share for each in under])[:, None] * solvent
    total = shares.sum(axis=0)
    # A position is spread over the classes under which it is solvent; with brackets there is but its own.
    shares = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
    with np.errstate(divide="ignore"):
        tier = band(np.where(margin > 0, 1 / margin, np.inf), bands)
    sides = []
    for side in range(len(SIDES)):
        parts = []
        for each, share in zip(under, shares, strict=True):
            mine = (positions.side == side) & (share > 0)
            held = (positions.notional * share)[mine]
            columns = (tier[mine], each.rate[mine], each.deduction[mine], each.group[mine])
            parts.append(Holders(margin[mine], held, held, *columns, positions.entry[mine]))
        sides.append(Holders.together(parts))
    return sides[0], sides[1]
