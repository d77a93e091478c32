"""Runs side by side: what differs, paired path range by path range. docs/methods/comparison.md."""

from __future__ import annotations

import os

from stress.comparison.differences import Comparison
from stress.comparison.estimator import FEWEST
from stress.comparison.runs import (
    ALONE,
    Side,
    changes,
    check_comparable,
    open_side,
    sections,
    unmatched,
)
from stress.errors import ConfigError


def compare(
    base: str | os.PathLike[str],
    other: str | os.PathLike[str],
    *,
    level: float | None = None,
    unpaired: bool = False,
) -> Comparison:
    """What differs between two finished runs: the other's numbers less the base's, with intervals.

    base, other: folders of runs, or their cube.h5
    level      : of value at risk and expected shortfall in the main numbers; 99% by default
    unpaired   : take them as independent, as runs with different seeds are

    raises: `ConfigError` where they cannot be compared, `ResultError` where one of them is no finished run
    """
    from stress.summary import tail_level

    sides = open_side(base), open_side(other)
    notes = check_comparable(*sides, unpaired)
    parts = ([], []) if unpaired else sections(*sides)
    paths = min(side.n_path for side in sides)
    if parts[0]:
        paths = min(sum(part.paths() for part in side) for side in parts)
    elif not unpaired:
        why, remedy = _without_sections(*sides)
        if sides[0].n_path != sides[1].n_path:
            raise ConfigError(
                f"{sides[0].name} and {sides[1].name} cannot be compared path by path: they have "
                f"{sides[0].n_path:,} and {sides[1].n_path:,} paths, and {why} "
                f"(shards of the same paths are what is paired). {remedy}. {ALONE}."
            )
        notes.append(
            f"{why}, so differences are not paired: intervals are those of independent runs, far wider than "
            f"need be. {remedy}"
        )
    if level is not None and not 0 < level < 1:
        raise ConfigError(f"a level cannot be {level} (it is a probability). Take one between 0 and 1: 0.99.")
    if parts[0] and sides[0].n_path != sides[1].n_path:
        notes.append(f"the runs have different numbers of paths; all is of the {paths:,} that both have")
    return Comparison(
        *sides,
        paths,
        tail_level(sides[0].cube) if level is None else level,
        parts,
        notes,
        changes(*sides),
        unmatched(*sides),
    )


def _without_sections(*sides: Side) -> tuple[str, str]:
    """Why there are no shards to pair by, and what would bring them."""
    if lone := [side.name for side in sides if not side.path.is_dir()]:
        return (
            f"of {' and '.join(dict.fromkeys(lone))} only the cube was given",
            "Give the folders of the runs",
        )
    few = f"the runs have fewer than {FEWEST} shards of the same paths"
    return few, "Run them with the same run.paths and run.shard_paths"


__all__ = ["Comparison", "compare"]
