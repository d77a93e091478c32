"""Processes and correlations."""

from __future__ import annotations

from collections.abc import Iterator

from stress.config.check.draft import Draft, Finding, repeated, undefined
from stress.config.dynamics import JumpDiffusion
from stress.config.origin import Path
from stress.errors import quoted

SMALLEST_EIGENVALUE = 1e-10


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
