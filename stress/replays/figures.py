"""A replayed path in pictures: prices, who was forced where and at which leverage, depth, funds, ADL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stress.numbers import money, percent
from stress.replays.charts import (
    Scene,
    at,
    bar,
    hundred_axis,
    line,
    minutes_at,
    of_hundred,
    plain,
    sides,
    signed,
    signed_axis,
    spread,
    view,
)
from stress.replays.events import steepest
from stress.replays.story import first, gained, leverage
from stress.report.figure import Figure, Table, View, dollars, linear_axis, text
from stress.report.theme import venue_colour

if TYPE_CHECKING:
    from stress.replays.path import Replay


def figures(replay: Replay) -> dict[str, Figure]:
    """Everything there is to show, by key."""
    scene = Scene(replay)
    made = [prices(scene), forced(scene), tiers(scene), rounds(scene), depth(scene), funds(scene), adl(scene)]
    return {figure.key: figure for figure in made if figure is not None}


def prices(scene: Scene) -> Figure:
    """Prices of an asset at every venue, with its index and what news alone would have made."""
    story, views = scene.story, []
    index, alone = 100 * np.expm1(story.get("index")), 100 * np.expm1(story.get("exogenous"))
    for a in scene.assets:
        venues, moves = scene.venues_of(a), 100 * story.move[:, a]
        data = [line(scene, moves[:, v], v, signed) for v in venues]
        data.append(plain(scene, alone[:, a], "Without forced selling", "--calm", "dot", signed))
        data.append(plain(scene, index[:, a], "Index", "--ink", "solid", signed, 2.5))
        shown = np.concatenate([moves[:, venues].ravel(), alone[:, a]])
        axis = signed_axis(shown.min(), shown.max(), lambda tick: f"{tick:+g}%" if tick else "0%")
        low = np.unravel_index(np.nanargmin(moves), moves.shape)
        name = story.assets[a]
        says = (
            f"{name} is lowest after {at(scene, int(low[0]))}: {signed(moves[low])} at "
            f"{story.venues[int(low[1])]}. Without forced selling it would have been at "
            f"{signed(alone[low[0], a])} then."
        )
        rows = [
            (
                story.venues[v],
                signed(moves[:, v].min()),
                at(scene, int(moves[:, v].argmin())),
                signed(moves[-1, v]),
            )
            for v in venues
        ]
        table = Table(("Venue", "Lowest", "After", "At the end"), tuple(rows))
        views.append(view(scene, data, axis, "Change since the start", table, name, says))
    caption = (
        "Traded prices by venue and index, change since the start; dotted: the price that news alone would "
        "have made."
    )
    alt = "Lines of the price through time, one for each venue"
    return Figure("price", "Prices", caption, alt, tuple(views), 460, "Asset")


def forced(scene: Scene) -> Figure:
    """Forced flow of every step by venue: selling below zero, buying above."""
    story = scene.story
    now = story.forced_now.sum(axis=1)
    data = []
    for v, venue in enumerate(story.venues):
        data += sides(scene, now[:, 0, v], now[:, 1, v], venue, venue_colour(v))
    total = story.forced[-1].sum(axis=0)
    peak = now.sum(axis=1)
    rows = [
        (
            venue,
            money(total[0, v]),
            money(total[1, v]),
            money(peak[:, v].max()),
            at(scene, int(peak[:, v].argmax())),
        )
        for v, venue in enumerate(story.venues)
    ]
    table = Table(("Venue", "Longs", "Shorts", "Largest step", "After"), tuple(rows))
    most, longs = int(total.sum(axis=0).argmax()), total[0].sum() / max(total.sum(), 1.0)
    says = (
        f"{money(total.sum())} is forced on this path, {percent(longs, 2)} of it of longs; most of it at "
        f"{story.venues[most]}, {money(total[:, most].sum())}."
    )
    caption = (
        "Notional forced in each step, all assets, dollars at the fill. Below zero: longs that sell; above: "
        "shorts that buy."
    )
    return bars(scene, "forced", "Forced flow by venue", caption, data, now.sum(axis=2), table, says)


def tiers(scene: Scene) -> Figure:
    """The same by leverage of who was forced."""
    story = scene.story
    so_far = story.get("forced_tier").sum(axis=(1, 3))
    now, data = gained(so_far), []
    for t, tier in enumerate(story.tiers):
        if so_far[-1, :, t].sum() > 0:
            shade = round(1 + 5 * t / max(len(story.tiers) - 1, 1))
            data += sides(scene, now[:, 0, t], now[:, 1, t], leverage(tier), f"--heat-{shade}")
    begins = [
        first(so_far[:, :, t].sum(axis=1) >= 0.1 * so_far[-1, :, t].sum()) for t in range(len(story.tiers))
    ]
    rows = [
        (
            leverage(tier),
            money(so_far[-1, 0, t]),
            money(so_far[-1, 1, t]),
            at(scene, begins[t] or 0),
        )
        for t, tier in enumerate(story.tiers)
        if so_far[-1, :, t].sum() > 0
    ]
    table = Table(("Leverage", "Longs", "Shorts", "A tenth of it after"), tuple(rows))
    most = int(so_far[-1].sum(axis=0).argmax())
    name = leverage(story.tiers[most])
    says = f"Most of it comes from positions at {name}: {money(so_far[-1, :, most].sum())}."
    caption = "The same notional by effective leverage at the start of who was forced, all venues and assets."
    return bars(scene, "tiers", "Forced flow by leverage", caption, data, now.sum(axis=2), table, says)


def rounds(scene: Scene) -> Figure | None:
    """The steepest cascade, round by round."""
    story, found = scene.story, steepest(scene.story)
    if found is None:
        return None
    at_rounds = slice(found.first, found.last + 1)
    told = story.rounds.isel(round=at_rounds)
    new = gained(told.flow.values.astype(np.float64).sum(axis=1))
    moves = 100 * np.expm1(told.price.values.astype(np.float64))
    number = list(range(1, len(new) + 1))
    data = [
        {"type": "bar", "x": number, "y": new[:, v].tolist(), "name": text(venue),
         "marker": {"color": venue_colour(v)}, "text": [money(float(y)) for y in new[:, v]],
         "textposition": "none",
         "hovertemplate": "round %{x}: %{text}<extra>" + text(venue) + "</extra>"}
        for v, venue in enumerate(story.venues)
        if new[:, v].max() > 0
    ]  # fmt: skip
    axis, ticks = linear_axis(float(new.sum(axis=1).max()), dollars), spread(number)
    shown = {
        "barmode": "stack", "bargap": 0.15,
        "xaxis": {"title": {"text": "Round"}, "tickvals": ticks, "ticktext": [str(n) for n in ticks]},
        "yaxis": {**axis, "title": {"text": "Forced in the round"}},
    }  # fmt: skip
    lowest = moves[:, scene.venues_of(found.asset)]
    rows = [
        (str(n), money(new[i].sum()), f"{signed(lowest[i].min())} to {signed(lowest[i].max())}")
        for i, n in enumerate(number)
    ]
    says = (
        f"{len(number)} rounds in {story.assets[found.asset]} after {at(scene, found.step)} force "
        f"{money(new.sum())}: each round's orders move books and marks, and these force the next round."
    )
    shown_as = View(
        data, shown, Table(("Round", "Forced", "Prices, change since the start"), tuple(rows)), "", says
    )
    caption = (
        "Isolated positions forced in each round of the step's cascade, coins times start price, by venue. "
        "After a jump a round stands for several; where others answer, the cascade goes on."
    )
    return Figure(
        "rounds", "Inside the steepest cascade", caption, "Bars of forced notional by round", (shown_as,), 320
    )


def depth(scene: Scene) -> Figure:
    """What is left of the books of an asset."""
    story, views = scene.story, []
    left = 100 * story.get("depth_in_force") / story.steps.depth_start.values
    for a in scene.assets:
        venues, here = scene.venues_of(a), left[:, a]
        data = [line(scene, here[:, v], v, of_hundred) for v in venues]
        axis = hundred_axis(float(np.nanmax(here)))
        low = np.unravel_index(np.nanargmin(here), here.shape)
        says = (
            f"The thinnest book of {story.assets[a]} is that of {story.venues[int(low[1])]} after "
            f"{at(scene, int(low[0]))}: {of_hundred(here[low])} of its depth at the start is left."
        )
        rows = [
            (
                story.venues[v],
                of_hundred(here[:, v].min()),
                at(scene, int(here[:, v].argmin())),
                of_hundred(here[-1, v]),
            )
            for v in venues
        ]
        table = Table(("Venue", "Least", "After", "At the end"), tuple(rows))
        views.append(view(scene, data, axis, "Share of the start's", table, story.assets[a], says))
    caption = (
        "What moves a market by 1%, as a share of what it took at the start; outages and events included."
    )
    return Figure(
        "depth",
        "Depth",
        caption,
        "Lines of depth through time, one for each venue",
        tuple(views),
        360,
        "Asset",
    )


def funds(scene: Scene) -> Figure | None:
    """Insurance funds as shares of what they were."""
    story = scene.story
    worth, spent = story.get("fund").sum(axis=1), story.row.exhaustion_time.values
    there = [v for v in range(len(story.venues)) if worth[0, v] > 0]
    if not there:
        return None
    left = 100 * worth / np.where(worth[0] > 0, worth[0], 1.0)
    # Funds are those that a step begins with.
    before = [minutes - scene.minutes[0] for minutes in scene.minutes]
    data = [line(scene, left[:, v], v, of_hundred, before) for v in there]
    gone = [story.venues[v] for v in there if spent[v] > 0]
    says = f"Spent: {', '.join(gone)}." if gone else "No fund is spent."
    rows = [
        (
            story.venues[v],
            money(worth[0, v]),
            money(worth[:, v].min()),
            minutes_at(scene, spent[v]) if spent[v] > 0 else "–",
        )
        for v in there
    ]
    table = Table(("Venue", "At the start", "Least", "Spent after"), tuple(rows))
    shown_as = view(scene, data, hundred_axis(float(left.max())), "Share of the start's", table, "", says)
    caption = "Insurance funds, as a share of what they held at the start; fees and surplus fill them."
    return Figure(
        "funds",
        "Insurance funds",
        caption,
        "Lines of funds through time, one for each venue",
        (shown_as,),
        340,
    )


def adl(scene: Scene) -> Figure | None:
    """Winners closed in every step, by venue."""
    story = scene.story
    so_far = story.get("adl_tier")
    now = gained(so_far.sum(axis=2))
    if not now.max() > 1:
        return None
    data = [
        bar(scene, now[:, v], venue, venue_colour(v))
        for v, venue in enumerate(story.venues)
        if now[:, v].max() > 0
    ]
    rows = [
        (venue, money(so_far[-1, v].sum()), story.tier(so_far[-1, v]), at(scene, first(now[:, v] > 1) or 0))
        for v, venue in enumerate(story.venues)
        if so_far[-1, v].sum() > 1
    ]
    table = Table(("Venue", "Winners closed", "Most of them at", "From"), tuple(rows))
    says = f"{money(so_far[-1].sum())} of winners are closed at {len(rows)} venues."
    caption = "Winners' notional closed by auto-deleveraging in each step, coins times start price."
    return bars(scene, "adl", "Auto-deleveraging", caption, data, now.sum(axis=1)[:, None], table, says, 340)


def bars(
    scene: Scene, key: str, title: str, caption: str, data: list[dict[str, Any]], totals: np.ndarray,
    table: Table, says: str, height: int = 380,
) -> Figure:  # fmt: skip
    """Stacked bars through time, of the part in which things happen, and of the whole path.

    totals: [time, side], or [time, 1] where there is one
    """
    low = -totals[:, 0].max() if totals.shape[1] == 2 else 0.0
    high = totals[:, -1].max()
    axis = signed_axis(low, high, lambda tick: dollars(abs(tick)))
    views = tuple(
        view(scene, data, axis, "USD", table, label, says, window, barmode="relative")
        for label, window in (("Where it happens", scene.window), ("The whole path", scene.whole))
    )
    alt = f"Bars through time: {title.lower()}"
    return Figure(key, title, caption, alt, views, height, "Time")
