"""Risk factors: what they move with, and whether anything can."""

from __future__ import annotations

from collections.abc import Iterator

from stress.config.check.draft import Draft, Finding, undefined
from stress.config.check.dynamics import SMALLEST_EIGENVALUE, correlation_at
from stress.config.factor import extended
from stress.config.origin import Path


def factors(draft: Draft) -> Iterator[Finding]:
    """Names that exist, and correlations that are possible together."""
    known, sound = list(draft.assets), draft.correlation is not None
    for name, factor in draft.factors.items():
        path: Path = ("factors", name)
        if name in draft.assets:
            why = "a factor has no book; an asset has one"
            yield path, "is the name of an asset", why, ""
        if factor is None:
            sound = False
        else:
            flaws = list(
                undefined((*path, "correlations"), factor.correlations, known, "asset or factor above")
            )
            yield from flaws
            yield from undefined((*path, "betas"), factor.betas, draft.assets, "asset")
            sound = sound and not flaws and name not in draft.assets
        known.append(name)
    if sound and draft.correlation and not any(correlation_at((), draft.correlation, draft.assets)):
        yield from possible(draft)


def possible(draft: Draft) -> Iterator[Finding]:
    """A finding at the first factor that nothing could move like."""
    import numpy as np

    assets = tuple(draft.assets)
    assert draft.correlation is not None
    matrix, found = draft.correlation.ordered(assets), {}
    for name, factor in draft.factors.items():
        assert factor is not None
        found[name] = factor
        smallest = float(np.linalg.eigvalsh(extended(matrix, assets, found)).min())
        if smallest < SMALLEST_EIGENVALUE:
            why = f"beside the others: smallest eigenvalue {round(smallest, 6) + 0.0:g}"
            yield ("factors", name, "correlations"), "are impossible together", why, "Make them smaller."
            return
