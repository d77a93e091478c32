"""Positions: distance tables and maintenance classes of every market and side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kernels.parts.table import N_EDGE
from kernels.scenario import ScenarioShape
from stress.compile import files, maintenance, margin, mixes, tiers
from stress.compile.books import markets
from stress.compile.cap import mix_of
from stress.compile.holders import CONSERVED, Holders, Tables, conserved, tables
from stress.config.positions import LiquidationMap
from stress.errors import ConfigError

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.market import Market

Sides = tuple[Tables, Tables]


def of_markets(config: RunConfig, shape: ScenarioShape) -> dict[tuple[int, int], Sides]:
    """Tables of both sides of every market, by the indices of its asset and venue."""
    return {
        (a, v): (of_mix if market.positions is None else of_file)(config, shape, venue, asset, market)
        for a, v, asset, venue, market in markets(config)
        if market.open_interest > 0 or market.positions is not None
    }


def arrays(by_market: dict[tuple[int, int], Sides], shape: ScenarioShape) -> dict[str, np.ndarray]:
    """Distance tables and maintenance classes of every market and side."""
    groups = (shape.n_asset, 2, shape.n_group, shape.n_venue)
    found = {name: np.zeros(groups) for name in ("group_rate", "group_deduction")}
    found |= {name: np.zeros((*groups, N_EDGE, shape.n_tier)) for name in ("forced", "margin")}
    partial = np.zeros(groups, bool)
    notional = np.zeros((shape.n_asset, 2, shape.n_venue, shape.n_tier))
    for (a, v), sides in by_market.items():
        for side, table in enumerate(sides):
            found["forced"][a, side, :, v], found["margin"][a, side, :, v] = table.forced, table.margin
            found["group_rate"][a, side, :, v] = table.rate
            found["group_deduction"][a, side, :, v] = table.deduction
            partial[a, side, :, v] = table.partial
            notional[a, side, v] = table.held
    return found | {
        "group_partial": partial,
        "tier_notional": notional,
        "forced_total": found["forced"].sum(axis=(2, 5)),
    }


def ladder(config: RunConfig, venue: str) -> list[float]:
    """Shares of a position that a venue's ladder closes before the last rung."""
    return [rung.close for rung in config.venues[venue].liquidation.ladder]


def of_mix(config: RunConfig, shape: ScenarioShape, venue: str, asset: str, market: Market) -> Sides:
    """Open interest spread over leverage tiers."""
    assert market.maximum_leverage is not None  # loading fills it in from the venue
    mix, closes = mix_of(config, market), ladder(config, venue)
    shared = margin.held(config.venues[venue], asset)
    sides = []
    for side, name in enumerate(files.SIDES):
        shares, never = getattr(mix, name), getattr(mix.never_forced, name)
        isolated = max(market.open_interest - shared[side], 0.0)
        held = np.array([isolated * shares.get(t, 0.0) for t in config.tier_keys])
        forced = held * np.array([1 - never.get(t, 0.0) for t in config.tier_keys])
        opened = getattr(mix.opened, name) if mix.opened else None
        try:
            if market.brackets is None and opened is None:
                # Nobody holds more than the market allows, also where its limit cuts through a tier.
                bands = [(tier.from_, min(tier.to, market.maximum_leverage)) for tier in config.tiers]
                classes = [(c.share, c.rate, c.deduction) for c in market.maintenance]
                found = tiers.market_tables(bands, forced, classes, closes, side, shape.n_group)
                sides.append(Tables(*found, held))
            else:
                bands = bands_of(config)
                holders = mixes.holders(market, bool(closes), bands, held, forced, opened, side)
                conserved("the mix", holders.held.sum(), held.sum())
                sides.append(of_holders(holders, shape, market, closes, side))
        except ValueError as error:
            tier = config.tier_names[error.args[0]]
            raise config.error(
                ("venues", venue, "markets", asset, "maintenance" if market.maintenance else "brackets"),
                f"nobody in tier {tier} is solvent under any of the maintenance rates",
                f"the mix {market.mix} puts open interest there, and all of it would be forced at once",
                "Lower a rate, move the entry prices, or take that tier out of the mix."
                if mix.opened
                else "Lower a rate, or take that tier out of the mix.",
            ) from None
    return sides[0], sides[1]


def of_file(config: RunConfig, shape: ScenarioShape, venue: str, asset: str, market: Market) -> Sides:
    """Positions as a file has them, and what it does not hold of the open interest."""
    assert market.positions is not None
    closes, bands, price = ladder(config, venue), bands_of(config), config.assets[asset].price
    found, has_ladder = config.input(market.positions.file), bool(closes)
    if isinstance(market.positions, LiquidationMap):
        rows = files.read_map(found, price, bands)
        both = [files.map_holders(rows, market, has_ladder, bands, side) for side in range(2)]
    else:
        positions, policy = files.read_accounts(found, price), market.positions.below_maintenance
        both = files.account_holders(positions, market, has_ladder, bands, policy == "leave_out")
    # What accounts with shared margin hold is not in the file: here positions are isolated.
    isolated = [market.open_interest - shared for shared in margin.held(config.venues[venue], asset)]
    held = [float(holders.held.sum()) for holders in both]
    rest = remainders(config, venue, asset, market, held, isolated)
    sides = []
    for side, (holders, never, whole) in enumerate(zip(both, rest, isolated, strict=True)):
        table = of_holders(holders, shape, market, closes, side)
        assert table.winners is not None
        table.held[0] += never
        table.winners.hedged[0] += never
        conserved("the market", table.held.sum(), whole)
        sides.append(table)
    return sides[0], sides[1]


def bands_of(config: RunConfig) -> list[tuple[float, float]]:
    """The leverage tiers as pairs."""
    return [(tier.from_, tier.to) for tier in config.tiers]


def of_holders(
    holders: Holders, shape: ScenarioShape, market: Market, closes: list[float], side: int
) -> Tables:
    """Tables of the shape that the scenario has room for."""
    n_class = maintenance.n_class(market, bool(closes))
    return tables(holders, side, closes, n_class, shape.n_group, shape.n_tier)


def remainders(
    config: RunConfig, venue: str, asset: str, market: Market, held: list[float], isolated: list[float]
) -> list[float]:
    """What a file leaves of the open interest on each side: USD [side], never forced.

    held, isolated: [side], USD in the file; open interest less what accounts with shared margin hold
    raises: ConfigError where there is too much, or a rest that nothing is said about
    """
    assert market.positions is not None
    problems = []
    rest = [whole - one for whole, one in zip(isolated, held, strict=True)]
    for side, (one, more) in enumerate(zip(held, rest, strict=True)):
        if abs(more) <= CONSERVED * market.open_interest:
            continue
        if more < 0 or market.positions.remainder == "none":
            given = f"${market.open_interest:,.2f}"
            if isolated[side] < market.open_interest:
                given += f", ${market.open_interest - isolated[side]:,.2f} of it in accounts"
            what = f"the file holds ${one:,.2f} of {files.SIDES[side]}s, the market {given}"
            why = "open interest is the same on both sides, and all of it is somebody's"
            advice = "Correct it." if more < 0 else "Correct it, or set `remainder: never_forced`."
            path = ("venues", venue, "markets", asset, "open_interest")
            problems.append(config.problem(path, what, why, advice))
    if problems:
        raise ConfigError.of(problems)
    return [max(more, 0.0) for more in rest]
