"""Event files: what was known before, in a config, and what was observed afterwards, row by row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from stress import units
from stress.config import load, tree
from stress.config.base import Bounds, Duration, Instant, Percentage, Share, Strict, Text, Truth
from stress.config.loader import read_mapping
from stress.config.origin import Origin
from stress.config.run import RunConfig
from stress.config.validate import modelled
from stress.errors import ConfigError, Problem, quoted, suggest
from stress.units import UnitError
from stress.validation.quantities import QUANTITIES

Ends = Annotated[tuple[Text, Text], Field(min_length=2, max_length=2)]

WHERE = ("asset", "assets", "venue", "over", "at", "since", "until")
"""Keys that say what a row is about."""


class Row(Strict):
    """One thing that was observed."""

    quantity: Text
    """What it is; docs/validation.md lists them."""
    observed: Ends
    """What it was, from and to: an interval as wide as the sources leave it uncertain."""
    source: Text
    """Who says so."""
    note: Text | None = None
    """What to bear in mind, and why the model misses it where it does."""
    fitted: Truth = False
    """Whether the size of the news was chosen to meet it: shown, and not counted."""
    asset: Text | None = None
    assets: tuple[Text, ...] | None = None
    venue: Text | None = None
    over: Duration | None = None
    """Length of a window."""
    at: Instant | None = None
    """Time since the start of the run."""
    since: Instant | None = None
    until: Instant | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """The observed interval in canonical units."""
        unit = QUANTITIES[self.quantity].unit
        low, high = (unit.parse(end) for end in self.observed)
        return low, high

    @property
    def title(self) -> str:
        """What it is, in words."""
        words = [QUANTITIES[self.quantity].title]
        words += [self.asset] if self.asset else ([", ".join(self.assets)] if self.assets else [])
        words += [f"on {self.venue}"] if self.venue else []
        for key, word in (("over", "over"), ("at", "by"), ("since", "since"), ("until", "until")):
            if (value := getattr(self, key)) is not None:
                words.append(f"{word} {units.DURATION.format(value)}")
        return " ".join(words)


class Reporting(Strict):
    """How much of what a venue's engine closes can be seen from outside."""

    share: Share
    """Share of the true forced flow that public feeds show; 100% on chain."""
    source: Text


class News(Strict):
    """The one number that is fitted."""

    overlay: Text
    """Name of the price shock in the config."""
    range: tuple[Percentage, Percentage]
    """Sizes among which it is looked for, the larger fall first."""


class Event(Strict):
    """An event of the past: the config of what was known before, and what was seen afterwards."""

    title: Text
    config: Text
    """Config of the market before the event, with the news in it; relative to the event's file."""
    begins: Text
    """Time of the first step, UTC."""
    paths: Annotated[int, Bounds(20, 1_000_000)] = 400
    news: News | None = None
    """What is fitted; nothing on a quiet day."""
    tuned: Truth
    """Whether structural parameters were chosen with this event in sight."""
    about: Text | None = None
    """What to know about its inputs."""
    reporting: dict[str, Reporting]
    """Every venue of the config."""
    rows: tuple[Row, ...] = Field(min_length=1)

    _file: Path = Path()

    @property
    def name(self) -> str:
        """The name of its file."""
        return self._file.stem

    @property
    def config_file(self) -> Path:
        """Where its config is."""
        return Path(os.path.normpath(self._file.parent / self.config))

    def loaded(self, overrides: tuple[str, ...] = ()) -> RunConfig:
        """Its config."""
        return load(self.config_file, overrides)


def load_event(path: str | os.PathLike[str]) -> Event:
    """Read an event file and hold it against its config; `ConfigError` with every problem found."""
    root, origin = read_mapping(path)
    event, problems = modelled(Event, root, tree.plain(root), set(), origin)
    if event is None or problems:
        raise ConfigError.of(problems)
    event._file = Path(path)
    problems = list(check(event, event.loaded(), origin))
    if problems:
        raise ConfigError.of(problems)
    return event


def check(event: Event, config: RunConfig, origin: Origin) -> Iterator[Problem]:
    """What is wrong with an event beside its config."""
    shocks = [overlay.name for overlay in config.overlays if overlay.kind == "price_shock"]
    if event.news is not None and event.news.overlay not in shocks:
        what = f"the config has no price shock of the name {quoted(event.news.overlay)}"
        yield origin.problem(("news", "overlay"), what, *suggest(event.news.overlay, filter(None, shocks)))
    if event.news is not None and not event.news.range[0] < event.news.range[1] <= 0:
        yield origin.problem(("news", "range"), "is no range of falls", "the larger fall comes first")
    if event.news is None and any(row.fitted for row in event.rows):
        yield origin.problem(("news",), "is missing", "a row says that the news was fitted to it")
    if event.news is not None and sum(row.fitted for row in event.rows) != 1:
        yield origin.problem(("rows",), "need one fitted row", "one number is fitted, to one observation")
    for venue in config.venues:
        if venue not in event.reporting:
            why = "the share of its forced flow that public feeds show"
            yield origin.problem(("reporting", venue), "is missing", why)
    for name in event.reporting:
        if name not in config.venues:
            yield origin.problem(("reporting", name), "unknown venue", *suggest(name, config.venues))
    for i, row in enumerate(event.rows):
        yield from check_row(row, config, ("rows", i), origin)


def check_row(row: Row, config: RunConfig, path: tuple, origin: Origin) -> Iterator[Problem]:
    """What is wrong with one row."""
    if row.quantity not in QUANTITIES:
        what = f"{quoted(row.quantity)} is not known"
        yield origin.problem((*path, "quantity"), what, *suggest(row.quantity, QUANTITIES))
        return
    quantity = QUANTITIES[row.quantity]
    given = {key for key in WHERE if getattr(row, key) is not None}
    for key in sorted(quantity.needs - given):
        yield origin.problem((*path, key), "is missing", f"{row.quantity} needs it")
    for key in sorted(given - quantity.needs - quantity.takes):
        known = ", ".join(sorted(quantity.needs | quantity.takes)) or "none"
        yield origin.problem((*path, key), f"says nothing for {row.quantity}", f"known here: {known}")
    if row.asset and row.assets:
        yield origin.problem((*path, "assets"), "stands beside `asset`", "one of them is enough")
    if row.venue and row.venue not in config.venues:
        yield origin.problem((*path, "venue"), "unknown venue", *suggest(row.venue, config.venues))
    for asset in (row.asset, *(row.assets or ())):
        if asset and asset not in config.assets:
            yield origin.problem((*path, "asset"), "unknown asset", *suggest(asset, config.assets))
        elif asset and row.venue in config.venues and asset not in config.venues[row.venue].markets:
            yield origin.problem((*path, "asset"), f"{row.venue} does not list {asset}")
    for key in ("at", "until", "since", "over"):
        if (getattr(row, key) or 0) > config.run.horizon:
            why = f"the run ends after {units.DURATION.format(config.run.horizon)}"
            yield origin.problem((*path, key), "lies behind the end of the run", why)
    for key in ("at", "until", "since", "over"):
        value = getattr(row, key)
        if value is not None and value < config.run.step and (key, value) != ("since", 0):
            why = f"a step of the run takes {units.DURATION.format(config.run.step)}"
            yield origin.problem((*path, key), "is shorter than a step", why)
    try:
        low, high = row.interval
    except UnitError as error:
        yield origin.problem((*path, "observed"), error.problem, error.why, error.suggestion)
    else:
        if not low <= high:
            yield origin.problem(
                (*path, "observed"), "ends before it begins", "the smaller number comes first"
            )
