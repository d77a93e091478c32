"""Processes and correlations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from stress import units
from stress.config.check.draft import Draft, Finding, adds_up, repeated, undefined
from stress.config.check.overlays import LARGEST_MOVE
from stress.config.correlation import Correlation
from stress.config.dynamics import Bootstrap, JumpDiffusion, OwnJumps, RegimeSwitching
from stress.config.origin import Path
from stress.config.overlay import CorrelationOverlay
from stress.errors import quoted, suggest
from stress.units import YEAR_SECONDS

SMALLEST_EIGENVALUE = 1e-10


def dynamics(draft: Draft) -> Iterator[Finding]:
    """Assets named in drifts and jumps, and moves that can be computed."""
    found = draft.dynamics
    if found is None:
        return
    yield from undefined(("dynamics", "drift"), found.drift, draft.assets, "asset")
    if draft.run is not None:
        yield from drifts(("dynamics", "drift"), found.drift, draft.run.horizon, "over the run")
    if isinstance(found, JumpDiffusion):
        yield from jumps(found, draft)
    if isinstance(found, RegimeSwitching):
        yield from regimes(found, draft)
    if isinstance(found, Bootstrap):
        yield from bootstrap(found, draft)


def drifts(path: Path, found: Mapping[str, float], time: float, when: str) -> Iterator[Finding]:
    """Drifts that take a price out of what can be computed, within a time."""
    why = f"more than {LARGEST_MOVE:g} either way cannot be computed"
    for asset, drift in found.items():
        move = drift * time / YEAR_SECONDS
        if abs(move) > LARGEST_MOVE:
            yield (*path, asset), f"moves the log price of {asset} by {move:.3g} {when}", why, ""


def jumps(found: JumpDiffusion, draft: Draft) -> Iterator[Finding]:
    """Jumps of assets that exist, of sizes that can be computed."""
    yield from undefined(("dynamics", "own"), found.own, draft.assets, "asset")
    sizes: list[tuple[Path, OwnJumps, float]] = [
        (("dynamics", "own", asset), jump, 1.0) for asset, jump in found.own.items()
    ]
    if found.common:
        path: Path = ("dynamics", "common")
        yield from undefined((*path, "betas"), found.common.betas, draft.assets, "asset")
        largest = max((abs(found.common.betas.get(asset, 1.0)) for asset in draft.assets), default=1.0)
        sizes.append((path, found.common, largest))
    why = f"a log size of more than {LARGEST_MOVE:g}, with the largest beta, cannot be computed"
    for path, jump, beta in sizes:
        for key, size in (("mean", jump.mean), ("deviation", jump.deviation)):
            if abs(size) * beta > LARGEST_MOVE:
                yield (*path, key), f"{units.SHARE.format(size)} is too large for a jump", why, ""


def bootstrap(found: Bootstrap, draft: Draft) -> Iterator[Finding]:
    """Rows as long as steps, blocks of whole rows, and no other correlation than the history's."""
    if found.mean_block < found.interval:
        why = f"a row is {units.DURATION.format(found.interval)}"
        yield ("dynamics", "mean_block"), "is shorter than a row of the history", why, ""
    if draft.run is not None and abs(found.interval - draft.run.step) > 1e-9 * draft.run.step:
        step = units.DURATION.format(draft.run.step)
        why = "every step takes one row"
        yield ("dynamics", "interval"), f"is not the run's step, {step}", why, "Make one the other."
    for index, overlay in draft.overlays.items():
        if isinstance(overlay, CorrelationOverlay):
            why = "resampled returns are correlated as they were"
            yield ("overlays", index), "a correlation cannot be imposed on a history", why, ""


def regimes(found: RegimeSwitching, draft: Draft) -> Iterator[Finding]:
    """Regimes that follow each other, and assets that exist."""
    known = list(found.regimes)
    if len(known) < 2:
        yield ("dynamics", "regimes"), "there is nothing to switch to", "at least two regimes are needed", ""
    if found.start != "stationary" and found.start not in known:
        why, suggestion = suggest(found.start, ["stationary", *known])
        yield ("dynamics", "start"), f"no regime {quoted(found.start)} is defined", why, suggestion
    for name, regime in found.regimes.items():
        path: Path = ("dynamics", "regimes", name)
        if name == "stationary":
            yield path, "is not a name for a regime", "`start: stationary` means another thing", ""
        for key in ("volatilities", "drift"):
            yield from undefined((*path, key), getattr(regime, key), draft.assets, "asset")
        if draft.run is not None:
            lasts = min(regime.mean_duration, draft.run.horizon)
            yield from drifts((*path, "drift"), regime.drift, lasts, "while it lasts")
        yield from undefined((*path, "next"), regime.next, known, "regime")
        if name in regime.next:
            why = "how long it lasts is for `mean_duration` to say"
            yield (*path, "next", name), "a regime does not follow itself", why, ""
        if regime.next:
            yield from adds_up((*path, "next"), regime.next.values(), "the shares")
        elif len(known) > 2:
            why = "there are more than two regimes, so it must say which ones follow"
            yield (*path, "next"), "is missing", why, ""


def correlation(draft: Draft) -> Iterator[Finding]:
    """Correlations wherever they are: the config's, those of regimes and of overlays."""
    found: list[tuple[Path, Correlation | None]] = [(("correlation",), draft.correlation)]
    if isinstance(draft.dynamics, RegimeSwitching):
        regimes = draft.dynamics.regimes.items()
        found += [(("dynamics", "regimes", name, "correlation"), r.correlation) for name, r in regimes]
    for index, overlay in draft.overlays.items():
        if isinstance(overlay, CorrelationOverlay):
            found.append((("overlays", index, "correlation"), overlay.correlation))
    for path, one in found:
        if one is not None:
            yield from correlation_at(path, one, draft.assets)


def correlation_at(path: Path, found: Correlation, known: Collection[str]) -> Iterator[Finding]:
    """One number or a matrix; of the right size, symmetric and positive definite."""
    n_asset = len(known)
    if found.common is not None:
        if found.assets is not None or found.matrix is not None:
            yield path, "has both `common` and a matrix", "only one can count", ""
        least = -1 / (n_asset - 1) if n_asset > 2 else -1.0
        if not least < found.common < 1:
            why = f"among {n_asset} assets it must be between {least:g} and 1"
            yield (*path, "common"), f"{found.common:g} is impossible", why, ""
        return
    if found.assets is None or found.matrix is None:
        why = "`assets` says whose rows and columns `matrix` has"
        yield path, "needs both `assets` and `matrix`, or one number", why, ""
        return
    yield from undefined((*path, "assets"), found.assets, known, "asset")
    yield from repeated((*path, "assets"), found.assets, "asset")
    for asset in known:
        if asset not in found.assets:
            why = "every asset needs its correlations"
            yield (*path, "assets"), f"{quoted(asset)} is left out", why, "Add its row."
    yield from matrix((*path, "matrix"), found.matrix, found.assets)


def matrix(path: Path, rows: tuple[tuple[float, ...], ...], assets: tuple[str, ...]) -> Iterator[Finding]:
    """What keeps `rows` from being a correlation matrix of `assets`."""
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
