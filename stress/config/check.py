"""What the models cannot see alone: names that must be defined, sums, orders, limits across sections.

The checks read a `Draft`, in which a piece that is itself invalid is None (its own errors are
reported already) but its name is known, so that one mistake neither hides nor causes another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from stress import units
from stress.config import book
from stress.config.asset import Asset
from stress.config.book import Books
from stress.config.dynamics import Gbm, JumpDiffusion, StudentT
from stress.config.market import MOST_CLASSES, Market
from stress.config.origin import Path
from stress.config.overlay import DepthOverlay, PriceShock, VolatilityOverlay
from stress.config.run import Correlation, Measures, Run, RunConfig
from stress.config.tier import MOST_TIERS, Mix, Tier
from stress.config.venue import Venue
from stress.errors import quoted, suggest

Finding = tuple[Path, str, str, str]
"""Path, problem, why, suggestion."""

MOST_FINDINGS = 1000
LONGEST_HORIZON = 2 * 86_400.0
MOST_STEPS = 200_000
SUM_TOLERANCE = 1e-6
SMALLEST_EIGENVALUE = 1e-10
LEAST_DEPTH = 1e-6
LARGEST_MOVE = 5.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Draft:
    """A config of which parts may be missing."""

    run: Run | None
    dynamics: Gbm | StudentT | JumpDiffusion | None
    correlation: Correlation | None
    books: Books | None
    measures: Measures | None
    tiers: dict[int, Tier | None]
    assets: dict[str, Asset | None]
    venues: dict[str, Venue | None]
    mixes: dict[str, Mix | None]
    overlays: dict[int, PriceShock | VolatilityOverlay | DepthOverlay | None]

    @classmethod
    def of(cls, config: RunConfig) -> Draft:
        """All of a valid config."""
        return cls(
            config.run,
            config.dynamics,
            config.correlation,
            config.books,
            config.measures,
            dict(enumerate(config.tiers)),
            dict(config.assets),
            dict(config.venues),
            dict(config.mixes),
            dict(enumerate(config.overlays)),
        )


def check(draft: Draft) -> list[Finding]:
    """Everything that is wrong between the pieces of `draft`."""
    findings = list(tiers(draft))
    sections = [names, run, dynamics, correlation, books, venues, overlays, measures]
    if not findings:  # else every mix would be at odds with them
        sections.append(mixes)
    for section in sections:
        findings += islice(section(draft), MOST_FINDINGS)
    return findings


def names(draft: Draft) -> Iterator[Finding]:
    """Names that can be typed after --set, and stand in tables."""
    for section in ("assets", "venues", "mixes"):
        for name in getattr(draft, section):
            if not NAME.fullmatch(name):
                why = "names have up to 32 letters, digits, - and _"
                yield (section, name), f"{quoted(name)} is not a name", why, ""


def run(draft: Draft) -> Iterator[Finding]:
    """Time: whole steps, not too many, not too long."""
    if draft.run is None:
        return
    horizon, step = draft.run.horizon, draft.run.step
    shown = units.DURATION.format(horizon)
    if horizon > LONGEST_HORIZON:
        why = "positions do not turn over in this model, which is wrong for longer than 2d"
        yield ("run", "horizon"), f"{shown} is too long", why, 'Try "1d".'
    ratio = horizon / step
    if ratio > MOST_STEPS:
        yield ("run", "step"), f"{shown} would be {ratio:.0f} steps", f"at most {MOST_STEPS} are possible", ""
    elif ratio < 1 or abs(ratio - round(ratio)) > 1e-9 * ratio:
        step_shown = units.DURATION.format(step)
        why = "the run must end at the end of a step"
        yield ("run", "step"), f"{step_shown} does not divide the horizon {shown}", why, ""


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


def undefined(path: Path, given: Iterable[str], known: Iterable[str], what: str) -> Iterator[Finding]:
    """Findings for names that are not defined; `path` leads to the list or mapping that names them."""
    known = list(known)
    for index, name in enumerate(given):
        if name not in known:
            at = (*path, name if isinstance(given, dict) else index)
            why, suggestion = suggest(name, known)
            yield at, f"no {what} {quoted(name)} is defined", why, suggestion


def repeated(path: Path, given: Iterable[str], what: str) -> Iterator[Finding]:
    """Findings for names that a list holds twice."""
    seen = set()
    for index, name in enumerate(given):
        if name in seen:
            yield (*path, index), f"{what} {quoted(name)} is there twice", "once is enough", ""
        seen.add(name)


def dynamics(draft: Draft) -> Iterator[Finding]:
    """Assets named in drifts and jumps."""
    found = draft.dynamics
    if found is None:
        return
    yield from undefined(("dynamics", "drift"), found.drift, draft.assets, "asset")
    if isinstance(found, JumpDiffusion):
        yield from undefined(("dynamics", "own"), found.own, draft.assets, "asset")
        if found.common:
            yield from undefined(("dynamics", "common", "betas"), found.common.betas, draft.assets, "asset")


def correlation(draft: Draft) -> Iterator[Finding]:
    """One number or a matrix; of the right size, symmetric and positive definite."""
    found = draft.correlation
    if found is None:
        return
    n_asset = len(draft.assets)
    if found.common is not None:
        if found.assets is not None or found.matrix is not None:
            yield ("correlation",), "has both `common` and a matrix", "only one can count", ""
        least = -1 / (n_asset - 1) if n_asset > 2 else -1.0
        if not least < found.common < 1:
            why = f"among {n_asset} assets it must be between {least:g} and 1"
            yield ("correlation", "common"), f"{found.common:g} is impossible", why, ""
        return
    if found.assets is None or found.matrix is None:
        why = "`assets` says whose rows and columns `matrix` has"
        yield ("correlation",), "needs both `assets` and `matrix`, or one number", why, ""
        return
    yield from undefined(("correlation", "assets"), found.assets, draft.assets, "asset")
    yield from repeated(("correlation", "assets"), found.assets, "asset")
    for asset in draft.assets:
        if asset not in found.assets:
            why = "every asset needs its correlations"
            yield ("correlation", "assets"), f"{quoted(asset)} is left out", why, "Add its row."
    yield from matrix(found.matrix, found.assets)


def matrix(rows: tuple[tuple[float, ...], ...], assets: tuple[str, ...]) -> Iterator[Finding]:
    """What keeps `rows` from being a correlation matrix of `assets`."""
    path: Path = ("correlation", "matrix")
    n = len(assets)
    if len(rows) != n:
        yield path, f"has {len(rows)} rows", f"`assets` names {n}", ""
    for i, row in enumerate(rows):
        if len(row) != n:
            yield (*path, i), f"has {len(row)} entries", f"`assets` names {n}", ""
    if len(rows) != n or any(len(row) != n for row in rows):
        return
    flaws = list(_entries(rows, assets, path))
    yield from flaws
    if flaws:
        return
    import numpy as np

    smallest = float(np.linalg.eigvalsh(np.array(rows)).min())
    if smallest < SMALLEST_EIGENVALUE:
        why = f"smallest eigenvalue {round(smallest, 6) + 0.0:g}: no prices can move together like this"
        yield path, "is not positive definite", why, "Make the correlations smaller."


def _entries(rows: tuple[tuple[float, ...], ...], assets: tuple[str, ...], path: Path) -> Iterator[Finding]:
    for i, row in enumerate(rows):
        if row[i] != 1:
            why = "an asset moves with itself"
            yield (*path, i, i), f"{row[i]:g} on the diagonal, at {assets[i]}", why, 'Try "1".'
        for j in range(i):
            pair = f"{assets[i]} and {assets[j]}"
            if row[j] != rows[j][i]:
                why = f"{row[j]:g} here, {rows[j][i]:g} in the other half"
                yield (*path, i, j), f"is not symmetric, at {pair}", why, ""
            elif not -1 <= row[j] <= 1:
                yield (*path, i, j), f"{row[j]:g} is no correlation, at {pair}", "it must be -1 to 1", ""


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
            yield from adds_up(path, shares.values(), "the shares")


def adds_up(path: Path, shares: Iterable[float], what: str) -> Iterator[Finding]:
    """A finding where shares do not add up to 100%."""
    total = sum(shares)
    if abs(total - 1) > SUM_TOLERANCE:
        short = f"{abs(total - 1) * 100:.6g}% too {'much' if total > 1 else 'little'}"
        yield path, f"{what} add up to {total * 100:.8g}%", f"they must make 100%: {short}", ""


def books(draft: Draft) -> Iterator[Finding]:
    """The shape of the books that all markets share."""
    if draft.books:
        yield from book.flaws(("books",), draft.books)


def venues(draft: Draft) -> Iterator[Finding]:
    """Venue by venue, market by market."""
    for key, venue in draft.venues.items():
        if venue is None:
            continue
        path: Path = ("venues", key)
        if not venue.markets:
            yield (*path, "markets"), "is empty", "a venue without markets does nothing", ""
        yield from undefined((*path, "markets"), venue.markets, draft.assets, "asset")
        if venue.mix is not None and venue.mix not in draft.mixes:
            why, suggestion = suggest(venue.mix, draft.mixes)
            yield (*path, "mix"), f"no mix {quoted(venue.mix)} is defined", why, suggestion
        closed = sum(rung.close for rung in venue.liquidation.ladder)
        if closed >= 1:
            why = f"they make {closed * 100:.6g}%; less than 100% leaves the last full close something"
            yield (*path, "liquidation", "ladder"), "the rungs close the whole position", why, ""
        yield from index(draft, key, venue)
        for asset, market in venue.markets.items():
            yield from rules(draft, venue, market, (*path, "markets", asset))
    listed = {asset for venue in draft.venues.values() if venue for asset in venue.markets}
    if all(draft.venues.values()):
        for asset in draft.assets:
            if asset not in listed:
                yield ("assets", asset), "is traded nowhere", "no venue lists it in `markets`", ""


def index(draft: Draft, key: str, venue: Venue) -> Iterator[Finding]:
    """Venues that the index names, and that some of them list each asset."""
    weights = venue.mark.index
    path: Path = ("venues", key, "mark", "index")
    if weights is None:
        return
    yield from undefined(path, weights, draft.venues, "venue")
    sources = [draft.venues.get(name) for name, weight in weights.items() if weight]
    if venue.mark.own == 1 or not all(sources):
        return
    for asset in venue.markets:
        if not any(source and asset in source.markets for source in sources):
            why = f"the mark of {key} needs an index price of every asset that it lists"
            yield path, f"no venue with a weight lists {asset}", why, "Add a venue that does."


def rules(draft: Draft, venue: Venue, market: Market, path: Path) -> Iterator[Finding]:
    """Maintenance, leverage, mix and book of one market."""
    if market.maximum_leverage is not None and market.maximum_leverage > venue.maximum_leverage:
        limit = units.LEVERAGE.format(venue.maximum_leverage)
        yield (*path, "maximum_leverage"), f"is above the venue's, {limit}", "it holds for all", ""
    classes = market.maintenance
    yield from adds_up((*path, "maintenance"), (c.share for c in classes), "the shares of the classes")
    if venue.liquidation.ladder and len(classes) >= MOST_CLASSES:
        why = f"a venue with a ladder has at most {MOST_CLASSES - 1}"
        yield (*path, "maintenance"), f"has {len(classes)} classes", why, ""
    for i, rule in enumerate(classes):
        if rule.deduction and rule.deduction >= rule.rate:
            why = "no margin would be asked at the start"
            yield (*path, "maintenance", i, "deduction"), "is not below `rate`", why, ""
    yield from leverage(draft, venue, market, path)
    if draft.books and (market.book or venue.market_makers.floor is not None):
        merged = book.apply(draft.books, market.book, venue.market_makers.floor)
        shared = {at for at, *_ in book.flaws((*path, "book"), draft.books)}
        yield from (found for found in book.flaws((*path, "book"), merged) if found[0] not in shared)


def leverage(draft: Draft, venue: Venue, market: Market, path: Path) -> Iterator[Finding]:
    """A mix that is there, and puts nobody above the maximum leverage."""
    if market.mix is None:
        why = "neither the market nor its venue says how leverage is spread"
        yield (*path, "mix"), "is missing", why, f"Defined are: {', '.join(draft.mixes) or 'none'}."
        return
    if market.mix not in draft.mixes and market.mix != venue.mix:
        why, suggestion = suggest(market.mix, draft.mixes)
        yield (*path, "mix"), f"no mix {quoted(market.mix)} is defined", why, suggestion
    mix = draft.mixes.get(market.mix)
    if mix is None or market.maximum_leverage is None:
        return
    above = [t.key for t in draft.tiers.values() if t and t.from_ >= market.maximum_leverage]
    keys = [key for key in above if mix.long.get(key) or mix.short.get(key)]
    if keys:
        limit = units.LEVERAGE.format(market.maximum_leverage)
        what = f"tier {', '.join(keys)} is above the maximum leverage, {limit}"
        why = f"mix {market.mix} puts open interest there, where nobody can be"
        yield (*path, "mix"), what, why, "Give this market a mix of its own."


def overlays(draft: Draft) -> Iterator[Finding]:
    """Events within the run, of assets and venues that exist."""
    for i, overlay in draft.overlays.items():
        if overlay is None:
            continue
        path: Path = ("overlays", i)
        yield from within(draft, path, overlay)
        if isinstance(overlay, PriceShock):
            yield from undefined((*path, "betas"), overlay.betas, draft.assets, "asset")
            yield from too_far(path, overlay, draft.assets)
            continue
        if isinstance(overlay, DepthOverlay) and overlay.multiplier < LEAST_DEPTH:
            why = f"a book this thin cannot be computed; it must be at least {LEAST_DEPTH:g}"
            yield (*path, "multiplier"), f"{overlay.multiplier:g} is too small", why, ""
        if isinstance(overlay, DepthOverlay) and overlay.venues is not None:
            yield from undefined((*path, "venues"), overlay.venues, draft.venues, "venue")
        if overlay.assets is not None:
            yield from undefined((*path, "assets"), overlay.assets, draft.assets, "asset")


def too_far(path: Path, shock: PriceShock, assets: Iterable[str]) -> Iterator[Finding]:
    """A finding where a shock takes the price of an asset out of what can be computed."""
    far = {}
    for asset in assets:
        move = shock.betas.get(asset, 1.0) * math.log1p(shock.size)
        if abs(move) > LARGEST_MOVE:
            far.setdefault(("betas", asset) if asset in shock.betas else ("size",), (asset, move))
    why = (
        f"more than {LARGEST_MOVE:g} either way, a factor of {math.exp(LARGEST_MOVE):.0f}, cannot be computed"
    )
    for at, (asset, move) in far.items():
        yield (*path, *at), f"moves the log price of {asset} by {move:.3g}", why, ""


def within(
    draft: Draft, path: Path, overlay: PriceShock | VolatilityOverlay | DepthOverlay
) -> Iterator[Finding]:
    """A finding where an event never happens, or a shock is cut short."""
    if draft.run is None:
        return
    horizon = units.DURATION.format(draft.run.horizon)
    end = overlay.at + overlay.over
    if overlay.at >= draft.run.horizon:
        yield (*path, "at"), f"begins after the horizon, {horizon}", "it would never happen", ""
    elif isinstance(overlay, PriceShock) and end > draft.run.horizon:
        why = f"it takes until {units.DURATION.format(end)}, and the rest of the move would be lost"
        yield (*path, "over"), f"ends after the horizon, {horizon}", why, ""


def measures(draft: Draft) -> Iterator[Finding]:
    """Levels in rising order."""
    if draft.measures is None:
        return
    for i, (one, two) in enumerate(pairwise(draft.measures.levels)):
        if two <= one:
            why = "each level must be above the one before it"
            yield ("measures", "levels", i + 1), f"{units.SHARE.format(two)} is out of order", why, ""
