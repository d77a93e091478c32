"""Charts of a path through time: what of it is shown, and how lines, bars and axes are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from stress.numbers import money, percent
from stress.replays.events import LEAST
from stress.replays.story import Story, clock, first
from stress.report.figure import Table, View, linear_axis, nice_step, share, text
from stress.report.theme import venue_colour, venue_dash

if TYPE_CHECKING:
    from stress.replays.path import Replay

N_ASSET = 6
"""Assets that have views of their own: those with most forced flow."""

CALM, LATE = 0.002, 0.95
"""Shares of forced flow between which things happen."""

AROUND = 0.15
"""Of that time, shown before and after it."""

N_TICK = 7

WIDTH = 0.94
"""Of a bar, in steps."""

LONG = 400
"""Points of a line beyond which what is said of each is made by the reader's browser: pages stay small."""

CLOSE = 0.04
"""Of what is shown: moments that lie closer share a mark."""


MARKED = (
    ("scheduled", "", "event"), ("course", "largest step", "largest step"), ("fund", "spent", "a fund spent"),
    ("adl", "begins", "ADL"), ("course", "90%", "90% done"),
)  # fmt: skip
"""Kind and words of the events that charts mark, and how these are called there."""


class Scene:
    """A path, and the part of it in which things happen."""

    def __init__(self, replay: Replay):
        self.story = Story(replay.dataset, replay.rounds, replay.row)
        self.events = replay.events

    @cached_property
    def minutes(self) -> list[float]:
        return self.story.minutes.tolist()

    @cached_property
    def window(self) -> tuple[float, float]:
        """Where to look, minutes: the whole path where little is forced."""
        so_far, minutes = self.story.forced.sum(axis=(1, 2, 3)), self.story.minutes
        if so_far[-1] < LEAST:
            return 0.0, float(minutes[-1])
        start, end = (first(so_far >= share * so_far[-1]) or 0 for share in (CALM, LATE))
        around = AROUND * (end - start) + 5
        last = len(minutes) - 1
        begin, stop = max(0, math.floor(start - around)), min(last, math.ceil(end + around))
        return float(minutes[begin]), float(minutes[stop])

    @property
    def whole(self) -> tuple[float, float]:
        return 0.0, self.minutes[-1]

    @cached_property
    def assets(self) -> list[int]:
        """Those with most forced flow, the first of them the most."""
        total = self.story.forced[-1].sum(axis=(1, 2))
        return np.argsort(-total, kind="stable")[:N_ASSET].tolist()

    def venues_of(self, a: int) -> list[int]:
        return np.flatnonzero(~np.isnan(self.story.get("price")[0, a])).tolist()

    @cached_property
    def marks(self) -> list[tuple[float, str]]:
        """The moments that every chart marks: minutes and a word."""
        found: dict[str, float] = {}
        for event in self.events:
            for kind, words, label in MARKED:
                if event.kind == kind and words in event.text:
                    found.setdefault(label, event.minutes)
        return sorted((minutes, label) for label, minutes in found.items())

    def marked(self, start: float, end: float) -> list[tuple[float, str]]:
        """Those within a part of the path; what lies close together shares its words."""
        found: list[tuple[float, str]] = []
        for minutes, label in self.marks:
            if not start <= minutes <= end:
                continue
            if found and minutes - found[-1][0] < CLOSE * (end - start):
                label = f"{found[-1][1]}<br>{label}"
                minutes = found.pop()[0]
            found.append((minutes, label))
        return found


def sides(
    scene: Scene, longs: np.ndarray, shorts: np.ndarray, name: str, colour: str
) -> list[dict[str, Any]]:
    """What longs sell, below zero, and what shorts buy."""
    made = [bar(scene, -longs, name, colour)]
    if shorts.max() > 0:
        made.append(bar(scene, shorts, name, colour) | {"showlegend": False})
    return made


def bar(scene: Scene, values: np.ndarray, name: str, colour: str) -> dict[str, Any]:
    """A venue's, or a tier's, part of every step."""
    some = np.flatnonzero(values)
    minutes = [scene.minutes[n] for n in some]
    return {
        "type": "bar", "x": minutes, "y": values[some].tolist(), "width": WIDTH * scene.minutes[0],
        "name": text(name), "legendgroup": name, "marker": {"color": colour, "line": {"width": 0}},
        "text": hover(scene, minutes, np.abs(values[some]), money), "textposition": "none",
        "hovertemplate": "%{text}<extra>" + text(name) + "</extra>",
    }  # fmt: skip


def line(
    scene: Scene, values: np.ndarray, v: int, show: Callable[[float], str], minutes: list[float] | None = None
) -> dict[str, Any]:
    """A venue's line."""
    name = scene.story.venues[v]
    return plain(scene, values, name, venue_colour(v), venue_dash(v), show, 1.6, minutes)


def plain(
    scene: Scene, values: np.ndarray, name: str, colour: str, dash: str, show: Callable[[float], str],
    width: float = 1.6, minutes: list[float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Any line."""
    minutes = scene.minutes if minutes is None else minutes
    said = hover(scene, minutes, values, show)
    return {
        "type": "scatter", "mode": "lines", "x": minutes, "y": values.tolist(), "name": text(name),
        "line": {"color": colour, "width": width, "dash": dash},
        "text": said, "hovertemplate": "%{text}<extra>" + text(name) + "</extra>",
    }  # fmt: skip


def hover(
    scene: Scene, minutes: Sequence[float], values: np.ndarray, show: Callable[[float], str]
) -> list[str]:
    """What is said of every point."""
    step = scene.minutes[0]
    return [f"{clock(at, step)}  {show(float(value))}" for at, value in zip(minutes, values, strict=True)]


def view(
    scene: Scene, data: list[dict[str, Any]], axis: dict[str, Any], title: str, table: Table, label: str,
    says: str, window: tuple[float, float] | None = None, **more: Any,
) -> View:  # fmt: skip
    """A part of the path; by default that in which things happen."""
    part = window or scene.window
    return View(cut(data, part), layout(scene, axis, title, part, **more), table, label, says)


def layout(
    scene: Scene, axis: dict[str, Any], title: str, window: tuple[float, float], **more: Any
) -> dict[str, Any]:
    """Time from left to right, and the moments that are marked."""
    start, end = window
    step = next((m for m in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480) if (end - start) / m <= N_TICK), 960)
    ticks = [m for m in range(0, math.ceil(end) + 1, step) if start <= m <= end]
    marked = scene.marked(start, end)
    dotted = {"color": "--muted", "width": 1, "dash": "dot"}
    rule = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": dotted}
    note = {
        "yref": "paper", "y": 1, "yanchor": "bottom", "xanchor": "left", "textangle": -35, "align": "left",
        "showarrow": False, "font": {"size": 11, "color": "--muted"},
    }  # fmt: skip
    return {
        "xaxis": {"range": [start, end], "tickvals": ticks, "ticktext": [clock(m, 1.0) for m in ticks],
                  "title": {"text": "Time from the start, hh:mm"}},
        "yaxis": {**axis, "title": {"text": title}},
        "shapes": [rule | {"x0": minutes, "x1": minutes} for minutes, _ in marked],
        "annotations": [note | {"x": minutes, "text": label} for minutes, label in marked],
        "margin": {"t": 84 if marked else 12},
        **more,
    }  # fmt: skip


def cut(data: list[dict[str, Any]], window: tuple[float, float]) -> list[dict[str, Any]]:
    """What of lines and bars is within a part of the path, and one step on either side."""
    found = []
    for each in data:
        x = np.asarray(each["x"])
        begins, ends = np.searchsorted(x, window[0]) - 1, np.searchsorted(x, window[1], "right") + 1
        part = slice(max(int(begins), 0), int(ends))
        kept = each | {name: each[name][part] for name in ("x", "y", "text")}
        if each["type"] == "scatter" and len(kept["x"]) > LONG:
            kept |= {"text": [], "hovertemplate": f"%{{x}} min  %{{y:.3~g}}%<extra>{each['name']}</extra>"}
        found.append(kept)
    return found


def signed_axis(low: float, high: float, show: Callable[[float], str]) -> dict[str, Any]:
    """An axis that has zero on it."""
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    span = high - low or 1.0
    step = nice_step(span)
    ticks = [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return {
        "range": [low - 0.05 * span, high + 0.05 * span], "tickvals": ticks,
        "ticktext": [show(tick) for tick in ticks], "zeroline": True, "zerolinecolor": "--muted",
    }  # fmt: skip


def hundred_axis(highest: float) -> dict[str, Any]:
    """Shares in percent, from nothing."""
    return linear_axis(highest, lambda tick: share(tick / 100))


def spread(numbers: Sequence[int]) -> list[int]:
    """A few of many numbers."""
    every = max(1, math.ceil(len(numbers) / 12))
    return list(numbers[::every])


def signed(value: float) -> str:
    return f"{value:+.1f}%"


def of_hundred(value: float) -> str:
    return percent(float(value) / 100, 2)


def at(scene: Scene, step: int) -> str:
    """The end of a step, as charts say it."""
    return minutes_at(scene, scene.minutes[step])


def minutes_at(scene: Scene, minutes: float) -> str:
    return clock(float(minutes), scene.minutes[0])
