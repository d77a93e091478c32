"""Price files to one table of closing prices, with every doubt about them settled first."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from stress.calibrate.rows import Rows, read
from stress.errors import ConfigError, Place, Problem, quoted, suggest

FEWEST_BARS = 200
"""Of an asset, at least: twenty batches of ten."""

TIMES = ("time", "timestamp", "date", "datetime", "open_time")
ASSETS = ("asset", "symbol", "ticker", "coin")
CLOSES = ("close", "price")


@dataclass(frozen=True)
class Source:
    """A file that was used."""

    file: str
    sha256: str
    assets: tuple[str, ...]
    bar: float
    """Seconds."""


@dataclass
class Series:
    """Prices of one asset in one file, in the order of time."""

    rows: Rows
    row: np.ndarray
    """Where each price stands in the file."""
    ends: np.ndarray
    """Ends of the bars: milliseconds since 1970."""
    close: np.ndarray
    high: np.ndarray
    low: np.ndarray
    bar: int
    """Milliseconds."""


@dataclass(frozen=True)
class Prices:
    """Closing prices on one grid of times."""

    assets: tuple[str, ...]
    times: np.ndarray
    """Ends of the bars, milliseconds since 1970, int64 [time]; rising, gaps where a bar is missing."""
    close: np.ndarray
    """float64 [time, asset]; NaN where there is none."""
    high: np.ndarray
    low: np.ndarray
    bar: float
    """Seconds."""
    sources: tuple[Source, ...]

    def returns(self) -> np.ndarray:
        """Log returns by the bar that they end in, [time, asset]; NaN over gaps and without a price."""
        found = np.full(self.close.shape, np.nan)
        whole = np.diff(self.times) == round(1000 * self.bar)
        found[1:][whole] = np.diff(np.log(self.close), axis=0)[whole]
        return found

    def coarsened(self, bar: float) -> Prices:
        """The same on longer bars, that end at whole multiples of their length."""
        step = round(1000 * bar)
        if step % round(1000 * self.bar):
            what = f"bars of {self.bar:g} s do not fit into {bar:g} s"
            raise ConfigError.of(
                [Problem(None, self.sources[0].file, what, "correlations are taken over these")]
            )
        kept = self.times % step == 0
        blank = np.full(self.close[kept].shape, np.nan)
        return Prices(self.assets, self.times[kept], self.close[kept], blank, blank, bar, self.sources)

    def chosen(self, assets: Sequence[str]) -> Prices:
        """Some of the assets, in this order."""
        for name in assets:
            if name not in self.assets:
                problem = Problem(None, "", f"no file has {quoted(name)}", *suggest(name, self.assets))
                raise ConfigError.of([problem])
        index = [self.assets.index(name) for name in assets]
        close, high, low = (p[:, index] for p in (self.close, self.high, self.low))
        return Prices(tuple(assets), self.times, close, high, low, self.bar, self.sources)


def load(
    paths: Sequence[str | os.PathLike[str]],
    *,
    where: Sequence[tuple[str, str]] = (),
    take: Mapping[str, Collection[str]] | None = None,
    since: int | None = None,
    until: int | None = None,
    bar: float | None = None,
    gaps: bool = False,
) -> Prices:
    """Read price files.

    where       : only rows that have this in that column
    take        : by file, the assets that are taken from it; all by default
    since, until: only bars that begin and end within, milliseconds since 1970
    bar         : seconds; the longest bar of the files by default
    gaps        : whether bars may be missing; returns over a gap are then left out

    raises: ConfigError at file:line for everything that is wrong, BackendError without pyarrow
    """
    found: dict[str, list[Series]] = {}
    sources = []
    for path in paths:
        rows = read(path)
        for column, value in where:
            if rows.named(column.lower()) is not None:
                rows = rows.where(column, value)
        series = long(rows) if rows.named(*ASSETS) else wide(rows)
        if chosen := (take or {}).get(rows.file):
            for name in chosen:
                if name not in series:
                    problem = f"it has no {quoted(name)}"
                    raise ConfigError.of([Problem(rows.at_head, "", problem, *suggest(name, series))])
            series = {name: one for name, one in series.items() if name in chosen}
        for name, one in series.items():
            found.setdefault(name, []).append(one)
        rows.settle()
        bars = {one.bar for one in series.values()}
        sources.append(Source(rows.file, rows.sha256, tuple(series), max(bars) / 1000))
    joined = {name: join(name, parts, gaps, since, until) for name, parts in found.items()}
    coarsest = max(one.bar for one in joined.values())
    step = coarsest if bar is None else round(1000 * bar)
    for name, one in joined.items():
        if step % one.bar:
            what = f"bars of {name} are {one.bar / 1000:g} s long, and do not fit into {step / 1000:g} s"
            raise ConfigError.of([Problem(one.rows.at_head, "", what, "", "Give another --bar.")])
    return table(joined, step, tuple(sources))


def long(rows: Rows) -> dict[str, Series]:
    """A row for every time and asset."""
    times = rows.times(rows.needed(*TIMES))
    names = rows.texts(rows.needed(*ASSETS))
    close = rows.numbers(rows.needed(*CLOSES), above=0)
    blank = np.full(len(rows), np.nan)
    sides = [rows.named(side) for side in ("high", "low")]
    high, low = (rows.numbers(s, above=0, blank=True) if all(sides) and s else blank for s in sides)
    for row in np.flatnonzero((high < close) | (low > close) | (low > high)):
        rows.refuse(row, "", "the close lies outside of low to high", "one of them is wrong")
    rows.settle()
    order: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        order.setdefault(name, []).append(row)
    made = {}
    for name, index in order.items():
        at = np.array(index)
        made[name] = checked(rows, name, at, times[at], close[at], high[at], low[at])
    rows.settle()
    return made


def wide(rows: Rows) -> dict[str, Series]:
    """A row for every time, a column for every asset; empty where one has no price."""
    stamps = rows.needed(*TIMES)
    if closing := rows.named(*CLOSES):
        what, why = 'column "asset" is missing', f"without it every column is an asset, {quoted(closing)} too"
        raise ConfigError.of([Problem(rows.at_head, "", what, why, "Add one, with the asset's name.")])
    times = rows.times(stamps)
    made = {}
    closes = {
        name.strip(): rows.numbers(name, above=0, blank=True) for name in rows.columns if name != stamps
    }
    rows.settle()
    for name, close in closes.items():
        at = np.flatnonzero(np.isfinite(close))
        if not len(at):
            problem = Problem(rows.at_head, name, "no row has a price", "a column of prices is needed")
            raise ConfigError.of([problem])
        blank = np.full(len(at), np.nan)
        made[name] = checked(rows, name, at, times[at], close[at], blank, blank)
    rows.settle()
    return made


def checked(
    rows: Rows, name: str, at: np.ndarray, times: np.ndarray, close: np.ndarray, high: np.ndarray,
    low: np.ndarray,
) -> Series:  # fmt: skip
    """A series whose times rise; what is wrong with them is noted."""
    steps = np.diff(times)
    for i in np.flatnonzero(steps <= 0):
        if steps[i] == 0:
            what = f"{name} has this time twice, also in row {rows.lines[at[i]]}"
            why = "each bar counts once"
            better = "Of several venues choose one: --where venue=NAME." if len(rows.columns) > 3 else ""
        else:
            what, why, better = f"{name} goes back in time here", "rows must be in the order of time", ""
            better = "Sort the file by time."
        rows.refuse(at[i + 1], "", what, why, better)
    rising = steps[steps > 0]
    bar = int(np.bincount((rising // 10).clip(max=40_000_000)).argmax() * 10) if len(rising) else 0
    bar = bar if bar else int(rising.min()) if len(rising) else 0
    if bar and not rows.problems:
        for i in np.flatnonzero(steps % bar != 0):
            what = f"{name} has a bar of {steps[i] / 1000:g} s here"
            rows.refuse(at[i + 1], "", what, f"most bars are {bar / 1000:g} s long")
    return Series(rows, at, times + bar, close, high, low, bar)


def join(name: str, parts: list[Series], gaps: bool, since: int | None, until: int | None) -> Series:
    """One series of what several files have of an asset."""
    parts = sorted(parts, key=lambda one: int(one.ends[0]))
    for one, following in pairwise(parts):
        if one.bar != following.bar:
            what = f"bars of {name} are {following.bar / 1000:g} s long here, {one.bar / 1000:g} s elsewhere"
            raise ConfigError.of([Problem(following.rows.at_head, "", what, one.rows.file)])
        if following.ends[0] <= one.ends[-1]:
            what = f"{name} begins before {one.rows.file} ends"
            place = following.rows.place(int(following.row[0]))
            raise ConfigError.of([Problem(place, "", what, "each bar counts once", "Leave one file out.")])
    last = parts[-1]
    places: list[tuple[Rows, int]] = [(one.rows, int(row)) for one in parts for row in one.row]
    ends, close, high, low = (
        np.concatenate([getattr(one, key) for one in parts]) for key in ("ends", "close", "high", "low")
    )
    bar = last.bar
    kept = np.ones(len(ends), bool)
    if since is not None:
        kept &= ends - bar >= since
    if until is not None:
        kept &= ends <= until
    index = np.flatnonzero(kept)
    if len(index) < FEWEST_BARS:
        rows, row = places[index[-1]] if len(index) else places[-1]
        what = f"{name} has {len(index)} bars" + (
            " from --since to --until" if len(index) < len(ends) else ""
        )
        raise ConfigError.of([Problem(rows.place(row), "", what, f"at least {FEWEST_BARS} are needed")])
    missing = np.flatnonzero(np.diff(ends[index]) > bar) if not gaps else []
    if len(missing):
        problems = []
        for i in missing[:100]:
            rows, row = places[index[i + 1]]
            count = int((ends[index[i + 1]] - ends[index[i]]) // bar) - 1
            what = f"{count} bar{'s' if count > 1 else ''} of {name} missing before this row"
            problems.append(
                Problem(rows.place(row), "", what, "a return over a gap is no return of one bar",
                        "With --gaps such returns are left out.")
            )  # fmt: skip
        raise ConfigError.of(problems)
    return Series(last.rows, index, ends[index], close[index], high[index], low[index], bar)


def table(joined: dict[str, Series], step: int, sources: tuple[Source, ...]) -> Prices:
    """All assets on one grid of bars of `step` milliseconds."""
    resampled = {name: coarser(one, step) for name, one in joined.items()}
    times = np.unique(np.concatenate([one.ends for one in resampled.values()]))
    arrays = np.full((3, len(times), len(joined)), np.nan)
    for column, one in enumerate(resampled.values()):
        at = np.searchsorted(times, one.ends)
        arrays[:, at, column] = one.close, one.high, one.low
    if len(times) < FEWEST_BARS:
        what = f"there are {len(times)} bars of {step / 1000:g} s"
        raise ConfigError.of(
            [
                Problem(
                    Place(sources[0].file),
                    "",
                    what,
                    f"at least {FEWEST_BARS} are needed",
                    "Take a shorter --bar.",
                )
            ]
        )
    close, high, low = arrays
    return Prices(tuple(joined), times, close, high, low, step / 1000, sources)


def coarser(one: Series, step: int) -> Series:
    """The series on bars of `step` milliseconds that end at whole multiples of it."""
    if step == one.bar:
        return one
    last = one.ends % step == 0
    owner = -(-one.ends // step)
    high, low = np.full(last.sum(), np.nan), np.full(last.sum(), np.nan)
    ends, place = np.unique(owner, return_inverse=True)
    whole = np.bincount(place) == step // one.bar
    for side, find, start in ((high, np.fmax, -np.inf), (low, np.fmin, np.inf)):
        best = np.full(len(ends), start)
        find.at(best, place, one.high if side is high else one.low)
        best[~whole | ~np.isfinite(best)] = np.nan
        side[:] = best[np.searchsorted(ends, owner[last])]
    return Series(one.rows, one.row[last], one.ends[last], one.close[last], high, low, step)


def as_of(times: np.ndarray, prices: Prices) -> np.ndarray:
    """Last known closing prices at moments, [moment, asset]; NaN where none was seen for two bars."""
    at = np.searchsorted(prices.times, times, side="right") - 1
    known = prices.close[np.maximum(at, 0)]
    fresh = (at >= 0) & (times - prices.times[np.maximum(at, 0)] < 2000 * prices.bar)
    return np.where(fresh[:, None], known, np.nan)


def describe(milliseconds: Any) -> str:
    """A moment as text."""
    return str(np.datetime64(int(milliseconds), "ms")).replace("T", " ").removesuffix(".000") + " UTC"
