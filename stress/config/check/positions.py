"""Leverage tiers and the mixes that spread open interest over them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from stress import units
from stress.config.check.draft import Draft, Finding, adds_up, undefined
from stress.config.origin import Path
from stress.config.tier import MOST_TIERS


def tiers(draft: Draft) -> Iterator[Finding]:
    """From 0x up, without gaps or overlaps."""
    for index, tier in draft.tiers.items():
        if tier and tier.to <= tier.from_:
            shown = units.LEVERAGE.format(tier.from_)
            yield ("tiers", index, "to"), f"is not above `from`, {shown}", "a tier is a band of leverage", ""
    first = draft.tiers.get(0)
    if first and first.from_ != 0:
        shown = units.LEVERAGE.format(first.from_)
        why = "holders below it would be in no tier"
        yield ("tiers", 0, "from"), f"the first tier begins at {shown}", why, 'Try "0x".'
    for (_, one), (index, two) in pairwise(sorted(draft.tiers.items())):
        if one and two and one.to != two.from_:
            what = "a gap" if one.to < two.from_ else "an overlap"
            why = f"a position there would be in {'no tier' if one.to < two.from_ else 'two tiers'}"
            low, high = (units.LEVERAGE.format(x) for x in sorted((one.to, two.from_)))
            suggestion = f'Try "from: {units.LEVERAGE.format(one.to)}".'
            yield ("tiers", index, "from"), f"the tiers leave {what} from {low} to {high}", why, suggestion


def mixes(draft: Draft) -> Iterator[Finding]:
    """Tiers that exist, and shares that add up."""
    complete = all(draft.tiers.values()) and len(draft.tiers) <= MOST_TIERS
    keys = [tier.key for tier in draft.tiers.values() if tier]
    for name, mix in draft.mixes.items():
        if mix is None:
            continue
        for side in ("long", "short"):
            shares = getattr(mix, side)
            path: Path = ("mixes", name, side)
            never_path: Path = ("mixes", name, "never_forced", side)
            if complete:
                yield from undefined(path, shares, keys, "tier")
                yield from undefined(never_path, getattr(mix.never_forced, side), keys, "tier")
                yield from undefined(("mixes", name, "entry", side), getattr(mix.entry, side), keys, "tier")
            yield from adds_up(path, shares.values(), "the shares")
            if mix.opened is not None:
                parts = getattr(mix.opened, side)
                at: Path = ("mixes", name, "opened", side)
                yield from adds_up(at, (part.share for part in parts), "the shares")
        if mix.opened is not None and (mix.entry.long or mix.entry.short):
            why = "`opened` says where positions were opened"
            yield ("mixes", name, "entry"), "stands beside `opened`", why, "Take one of them out."
