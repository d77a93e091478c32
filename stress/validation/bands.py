"""Events through the engine: a band for every row, and whether what was observed lies in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernels import engines
from kernels.outcome import FAILED
from stress import units
from stress.errors import BackendError, PathError
from stress.jobs import prepare
from stress.shards import machine_errors
from stress.validation.event import Event, Row
from stress.validation.quantities import QUANTITIES, Traced

BAND = (5.0, 50.0, 95.0)
"""Percentiles of paths that are predicted: low, median, high."""

SHARPEST = {"USD": 3.0, "seconds": 3.0}
"""Ratio of the ends of a band that still says something; of other quantities the difference counts."""

WIDEST = 0.15
"""The same for shares: so many points between the ends."""

STEPS = 3.0
"""The same for plain numbers."""

KINDS = {
    "tuned": "of events in whose sight structural parameters were chosen",
    "predicted": "of events that nothing but the size of the news was fitted to",
    "unmatched": "of events whose fitted row no size of the news meets",
}
"""What a row that counts may be, and how to say so."""

BLOCK_CELLS = 16_000_000
"""Cells of traces that are held at a time."""

LEAST_ALIKE = 30
"""Paths that bands are made of, at least, where they are those on which the fitted row came out as it did."""

FIT_PATHS, FIT_ROUNDS = 100, 12
"""How the size of the news is looked for: by bisection, on so many paths and so often."""


@dataclass(frozen=True)
class Band:
    """A row with what was predicted of it, canonical units."""

    event: str
    row: Row
    low: float
    median: float
    high: float
    tuned: bool
    met: bool = True
    """Whether the event's fitted row came out as observed on the paths that bands are made of."""

    @property
    def inside(self) -> bool:
        """Whether the observed interval meets the predicted band."""
        low, high = self.row.interval
        return bool(self.low <= high and self.high >= low)

    @property
    def sharp(self) -> bool:
        """Whether the band is narrow enough to say something."""
        unit = QUANTITIES[self.row.quantity].unit.canonical
        if unit in SHARPEST:
            return bool(self.high <= SHARPEST[unit] * self.low)
        return bool(self.high - self.low <= (WIDEST if self.row.quantity != "adl_delay" else STEPS) + 1e-12)

    @property
    def hit(self) -> bool:
        """Inside, and sharp."""
        return self.inside and self.sharp

    @property
    def kind(self) -> str:
        """One of `KINDS`; or fitted: the news was chosen to meet it."""
        if self.row.fitted:
            return "fitted"
        return "tuned" if self.tuned else "predicted" if self.met else "unmatched"


@dataclass(frozen=True)
class Held:
    """One event held against what was observed."""

    event: Event
    news: float | None
    """Size of the news that was fitted."""
    bands: tuple[Band, ...]
    n_path: int
    n_alike: int
    """Paths that bands are made of: those on which the fitted row is as observed, or the closest ones; all
    without such a row."""


def overrides(event: Event, news: float | None) -> list[str]:
    """Overrides that set the size of the event's news."""
    if event.news is None or news is None:
        return []
    names = [overlay.name for overlay in event.loaded().overlays]
    return [f"overlays[{names.index(event.news.overlay)}].size={units.SHARE.format(news)}"]


def quantities(
    event: Event, rows: Sequence[Row], n_path: int, settings: Sequence[str] = (), backend: str = "auto"
) -> np.ndarray:
    """Every row on every path of an event's config: [row, path]."""
    job = prepare(event.loaded(tuple(settings)))
    config, scenario = job.config, job.scenario
    # Lenders are places in a scenario, and no venues: nobody reports what they sell.
    reporting = np.array([r.share if (r := event.reporting.get(v)) else 0.0 for v in scenario.shape.venues])
    interest = np.zeros((scenario.shape.n_asset, scenario.shape.n_venue))
    for name, venue in config.venues.items():
        for asset, market in venue.markets.items():
            at = scenario.shape.assets.index(asset), scenario.shape.venues.index(name)
            interest[at] = market.open_interest
    found = []
    for trace in traces(scenario, config.run.seed, n_path, backend):
        paths = Traced(scenario, trace, interest, reporting)
        found.append(np.array([QUANTITIES[row.quantity].of(paths, row) for row in rows]))
    return np.concatenate(found, axis=1)


def traces(scenario, seed: int, n_path: int, backend: str = "auto") -> Iterator[dict[str, np.ndarray]]:
    """Traces of paths, block by block, so that memory does not grow with their number."""
    from kernels.parts.trace import Layout

    name = "cpu" if backend == "auto" and engines.missing("cpu") is None else backend
    name = "numpy" if name == "auto" else name
    if (reason := engines.missing(name)) is not None:
        raise BackendError(f"the backend {name} is not there: {reason}")
    block = max(BLOCK_CELLS // (Layout(scenario.shape).n_cell * scenario.shape.n_step), 1)
    with machine_errors():
        engine = engines.Engine(name, scenario)
        for first in range(0, n_path, block):
            batch, trace = engine.trace_paths(seed, first, min(block, n_path - first))
            if failed := int(((batch.status & FAILED) != 0).sum()):
                raise PathError(f"{failed} of {len(batch.status)} paths failed: their money does not add up")
            yield trace


def fitted_news(event: Event, settings: Sequence[str] = (), backend: str = "auto") -> float:
    """The size of the news at which the median of the fitted row is the middle of what was observed.

    By bisection between the ends of the event's range: a larger fall of the news makes a larger fall. Where
    no size reaches it, the end that comes closest; where it is leapt over, the size at which it is.
    """
    assert event.news is not None
    row = next(row for row in event.rows if row.fitted)
    target = sum(row.interval) / 2

    def median(size: float) -> float:
        return float(
            np.median(quantities(event, [row], FIT_PATHS, [*settings, *overrides(event, size)], backend))
        )

    deep, shallow = event.news.range
    if median(deep) <= target:
        return deep
    if median(shallow) >= target:
        return shallow
    for _ in range(FIT_ROUNDS):
        middle = (deep + shallow) / 2
        deep, shallow = (middle, shallow) if median(middle) > target else (deep, middle)
    return round((deep + shallow) / 2, 5)


def hold(
    event: Event,
    n_path: int | None = None,
    fit: bool = False,
    settings: Sequence[str] = (),
    backend: str = "auto",
    progress: Callable[[str], None] = lambda text: None,
) -> Held:
    """Run an event's config and hold every row against what was observed.

    fit: look for the size of the news anew; else the config's is taken
    """
    news, changes = None, list(settings)
    if fit and event.news is not None:
        progress(f"{event.title}: looking for the size of the news")
        news = fitted_news(event, settings, backend)
        changes += overrides(event, news)
    progress(f"{event.title}: {n_path or event.paths} paths")
    values = quantities(event, event.rows, n_path or event.paths, changes, backend)
    found = alike(event, values)
    return Held(event, news, tuple(bands(event, values[:, found])), values.shape[1], int(found.sum()))


def alike(event: Event, values: np.ndarray) -> np.ndarray:
    """Paths on which the fitted row is within the observed interval, or closest to it: bool [path].

    The news is one number and the noise of a path another, and both move the fitted row. What is predicted is
    the rest, given that row. values: [row, path]
    """
    fitted = [i for i, row in enumerate(event.rows) if row.fitted]
    if not fitted:
        return np.ones(values.shape[1], bool)
    low, high = event.rows[fitted[0]].interval
    off = np.maximum(np.maximum(low - values[fitted[0]], values[fitted[0]] - high), 0.0)
    off = np.where(np.isfinite(off), off, np.inf)
    within = off <= 0
    if within.sum() < LEAST_ALIKE:
        nearest = np.argsort(off, kind="stable")[:LEAST_ALIKE]
        within[nearest] = True
    return within


def bands(event: Event, values: np.ndarray) -> Iterator[Band]:
    """A band for every row; values [row, path]. A row that half of all paths have no number for has none."""
    found = []
    for row, value in zip(event.rows, values, strict=True):
        known = value[np.isfinite(value)]
        ends = np.percentile(known, BAND) if len(known) > len(value) / 2 else np.full(3, np.nan)
        found.append(Band(event.name, row, *map(float, ends), tuned=event.tuned))
    met = all(band.inside for band in found if band.row.fitted)
    yield from (replace(band, met=met) for band in found)


def as_object(band: Band) -> dict[str, Any]:
    """A row for JSON."""
    quantity = QUANTITIES[band.row.quantity]
    low, high = band.row.interval
    number = {"low": band.low, "median": band.median, "high": band.high}
    return {
        "event": band.event,
        "quantity": band.row.quantity,
        "title": band.row.title,
        "unit": quantity.unit.canonical,
        "predicted": {key: value if np.isfinite(value) else None for key, value in number.items()},
        "observed": {"low": low, "high": high},
        "inside": band.inside,
        "sharp": band.sharp,
        "kind": band.kind,
        "source": band.row.source,
        "note": band.row.note,
    }
