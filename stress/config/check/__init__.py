"""What the models cannot see alone: names that must be defined, sums, orders, limits across sections.

The checks read a `Draft`, in which a piece that is itself invalid is None (its own errors are
reported already) but its name is known, so that one mistake neither hides nor causes another.
"""

from __future__ import annotations

from itertools import islice

from stress.config.check import accounts, dynamics, factors, overlays, positions, run, sellers, venues, whales
from stress.config.check.draft import Draft, Finding

MOST_FINDINGS = 1000


def check(draft: Draft) -> list[Finding]:
    """Everything that is wrong between the pieces of `draft`."""
    findings = list(positions.tiers(draft))
    sections = [run.names, run.run, dynamics.dynamics, dynamics.correlation, factors.factors]
    sections += [venues.books, venues.venues, accounts.accounts, sellers.sellers, whales.whales]
    sections += [overlays.overlays, run.measures]
    if not findings:  # else every mix would be at odds with them
        sections.append(positions.mixes)
    for section in sections:
        findings += islice(section(draft), MOST_FINDINGS)
    return findings
