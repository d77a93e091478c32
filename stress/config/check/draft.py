"""What checks read and find, and the findings that many of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stress.config.asset import Asset
from stress.config.book import Books
from stress.config.correlation import Correlation
from stress.config.dynamics import Dynamics
from stress.config.factor import Factor
from stress.config.origin import Path
from stress.config.overlay import Overlay
from stress.config.run import Measures, Run, RunConfig
from stress.config.seller import Seller
from stress.config.tier import Mix, Tier
from stress.config.venue import Venue
from stress.errors import quoted, suggest

Finding = tuple[Path, str, str, str]
"""Path, problem, why, suggestion."""

SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Draft:
    """A config of which parts may be missing."""

    run: Run | None
    dynamics: Dynamics | None
    correlation: Correlation | None
    books: Books | None
    measures: Measures | None
    tiers: dict[int, Tier | None]
    assets: dict[str, Asset | None]
    factors: dict[str, Factor | None]
    venues: dict[str, Venue | None]
    mixes: dict[str, Mix | None]
    overlays: dict[int, Overlay | None]
    sellers: dict[str, Seller | None]

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
            dict(config.factors),
            dict(config.venues),
            dict(config.mixes),
            dict(enumerate(config.overlays)),
            dict(config.sellers),
        )


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


def adds_up(path: Path, shares: Iterable[float], what: str) -> Iterator[Finding]:
    """A finding where shares do not add up to 100%."""
    total = sum(shares)
    if abs(total - 1) > SUM_TOLERANCE:
        short = f"{abs(total - 1) * 100:.6g}% too {'much' if total > 1 else 'little'}"
        yield path, f"{what} add up to {total * 100:.8g}%", f"they must make 100%: {short}", ""
