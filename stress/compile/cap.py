"""A cap on leverage: what was held with more is held with the most that is left.

docs/methods/positions.md, Eq. (11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stress import units

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.market import Market
    from stress.config.tier import Mix

Shares = dict[str, float]


def mix_of(config: RunConfig, market: Market) -> Mix:
    """The mix of a market, which loading fills in from its venue, under the cap on leverage."""
    assert market.mix is not None
    mix = config.mixes[market.mix]
    if config.leverage_cap is None:
        return mix
    longs, never_long = under_cap(config, mix.long, mix.never_forced.long)
    shorts, never_short = under_cap(config, mix.short, mix.never_forced.short)
    never = mix.never_forced.model_copy(update={"long": never_long, "short": never_short})
    return mix.model_copy(update={"long": longs, "short": shorts, "never_forced": never})


def under_cap(config: RunConfig, shares: Shares, never: Shares) -> tuple[Shares, Shares]:
    """Shares by tier, and of each tier what is never forced, where nobody has more leverage than the cap.

    Whoever is hedged stays so.
    """
    if config.leverage_cap is None:
        return shares, never
    ends = [tier.to for tier in config.tiers]
    if config.leverage_cap not in ends:
        cap = units.LEVERAGE.format(config.leverage_cap)
        raise config.error(
            ("leverage_cap",),
            f"{cap} cuts through a tier, or is above all of them",
            "open interest moves by whole tiers",
            f"Take one of {', '.join(units.LEVERAGE.format(end) for end in ends)}.",
        )
    last = ends.index(config.leverage_cap)
    below, moved = config.tier_keys[:last], config.tier_keys[last:]
    held = sum(shares.get(tier, 0.0) for tier in moved)
    hedged = sum(shares.get(tier, 0.0) * never.get(tier, 0.0) for tier in moved)
    top = moved[0]
    return (
        {tier: shares.get(tier, 0.0) for tier in below} | {top: held},
        {tier: never.get(tier, 0.0) for tier in below} | {top: hedged / held if held > 0 else 0.0},
    )
