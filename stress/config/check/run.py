"""Names, time and levels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from stress import units
from stress.config.check.draft import Draft, Finding
from stress.errors import quoted

LONGEST_HORIZON = 2 * 86_400.0
MOST_STEPS = 200_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def names(draft: Draft) -> Iterator[Finding]:
    """Names that can be typed after --set, and stand in tables."""
    for section in ("assets", "factors", "venues", "mixes", "sellers"):
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


def measures(draft: Draft) -> Iterator[Finding]:
    """Levels in rising order."""
    if draft.measures is None:
        return
    for i, (one, two) in enumerate(pairwise(draft.measures.levels)):
        if two <= one:
            why = "each level must be above the one before it"
            yield ("measures", "levels", i + 1), f"{units.SHARE.format(two)} is out of order", why, ""
