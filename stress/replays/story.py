"""A path as those see it who tell it: its numbers at hand, and the words of an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

SEVERAL = 4
"""Names that are listed one by one."""


@dataclass(frozen=True)
class Event:
    """One line of the log."""

    minutes: float
    """From the start to the end of the step in which it happens; to its beginning for halts and outages."""
    time: str
    kind: str
    text: str
    asset: str = ""
    venue: str = ""

    def __str__(self) -> str:
        return f"{self.time} {self.text}"


@dataclass(frozen=True)
class Story:
    """A path as observers see it. Arrays are in the order of their dims, NaN where nothing is listed."""

    steps: xr.Dataset
    rounds: xr.Dataset
    row: xr.Dataset
    schedule: Sequence[tuple[float, str]] = ()

    def get(self, name: str) -> np.ndarray:
        return self.steps[name].values.astype(np.float64)

    @cached_property
    def minutes(self) -> np.ndarray:
        return self.steps.time.values

    @cached_property
    def assets(self) -> list[str]:
        return self.steps.asset.values.tolist()

    @cached_property
    def venues(self) -> list[str]:
        return self.steps.venue.values.tolist()

    @cached_property
    def tiers(self) -> list[str]:
        return self.steps.tier.values.tolist()

    def tier(self, amounts: np.ndarray) -> str:
        """The leverage of the tier with most of an amount."""
        return leverage(self.tiers[int(amounts.argmax())])

    @cached_property
    def move(self) -> np.ndarray:
        """Of prices from the start, as a share [time, asset, venue]."""
        return np.expm1(self.get("price"))

    @cached_property
    def forced(self) -> np.ndarray:
        """Dollars forced so far [time, asset, side, venue]."""
        return self.get("forced")

    @cached_property
    def forced_now(self) -> np.ndarray:
        """Dollars forced in each step."""
        return gained(self.forced)

    @cached_property
    def step_words(self) -> str:
        """The step by its length: "in this minute", "in these 15 s"."""
        seconds = round(60 * float(self.minutes[0]), 3)
        for unit, name in ((3600, "hour"), (60, "minute")):
            if seconds % unit == 0:
                return f"in this {name}" if seconds == unit else f"in these {seconds / unit:g} {name}s"
        return f"in these {seconds:g} s"

    def at(self, minutes: float, kind: str, text: str, asset: str = "", venue: str = "") -> Event:
        return Event(float(minutes), clock(minutes, float(self.minutes[0])), kind, text, asset, venue)

    def event(self, step: int, kind: str, text: str, asset: str = "", venue: str = "") -> Event:
        """At the end of a step."""
        return self.at(self.minutes[step], kind, text, asset, venue)

    def begin(self, step: int, kind: str, text: str, asset: str = "", venue: str = "") -> Event:
        """At its start: what is decided before anybody trades."""
        return self.at(self.minutes[step] - self.minutes[0], kind, text, asset, venue)


def leverage(tier: str) -> str:
    """A tier's label as people write it: "[50,100)" is 50-100x."""
    bounds = tier.strip("[)]").partition(",")
    return f"{bounds[0]}-{bounds[2]}x" if bounds[1] else tier


def clock(minutes: float, step: float) -> str:
    """hh:mm from the start; with seconds where steps are no whole minutes."""
    seconds = round(60 * minutes)
    shown = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
    return shown if step == round(step) else f"{shown}:{seconds % 60:02d}"


def gained(total: np.ndarray) -> np.ndarray:
    """What a running total gains in each step."""
    return np.diff(total, axis=0, prepend=np.zeros_like(total[:1]))


def first(where: np.ndarray) -> int | None:
    """The first step at which something is so; None: never."""
    return int(np.argmax(where)) if where.any() else None


def possessive(name: str) -> str:
    """gate's, members'."""
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def listed(names: Sequence[str]) -> str:
    """a, b and c; or how many where they are many."""
    if len(names) > SEVERAL:
        return f"{', '.join(names[: SEVERAL - 1])} and {len(names) - SEVERAL + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
