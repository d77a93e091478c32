"""What happened on a path, in words and in order: who was forced, where, what it moved, and who paid.

Every observer looks at one thing and says little of it: a crash is some fifty lines, a calm day a few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from kernels.outcome import CHANNELS
from stress.config.run import RunConfig
from stress.numbers import money, percent
from stress.replays.story import Event, Story, first, gained, listed, possessive

# Thresholds, all of them.
LEVELS = (0.05, 0.2)
"""Moves from the start that are told: a bad hour of a major coin, and what ends most leverage."""

BEGINS = 0.01
"""Share of all that comes at which something is said to begin: before that it is the trickle of any day."""

LEAST = 1e6
"""Dollars below which forced flow is no event."""

MINOR = 0.002
"""Share of a path's forced flow below which the selling, or buying, of one asset is no event."""

MILESTONES = (0.1, 0.5, 0.9)
"""Shares of a path's forced flow by which its course is told."""

THIN = 1 / 3, "a third"
"""Share of the depth at the start below which a market is thin: impact is three times what it was."""

LARGE_BACKLOG = 0.02
"""Share of a venue's forced flow that waits at once, for its backlog to be told."""

DUST = 1.0
"""Dollars that are no payment: what engines round away."""

FEW = 3
"""Times that a market's halts are told one by one; a breaker may trip all day."""

FLAT = 0.001
"""Move of a log price below which no cascade is steep."""

CHANNEL_WORDS = {
    "cross_margin": "cross-margin accounts", "coin_margined": "coin-margined positions",
    "collateral": "holders of collateral that is seized", "defi_loan": "DeFi lenders",
    "cefi_loan": "CeFi lenders", "treasury": "treasury companies", "etf": "ETF redemptions",
    "stop_loss": "stop orders", "momentum": "momentum traders", "retail_exit": "holders who leave early",
    "vault": "backstop vaults that unwind", "market_maker": "a market maker in default",
}  # fmt: skip

PAYER_WORDS = {
    "own_capital": "the venue's own capital pays", "default_fund": "the default fund pays",
    "assessments": "members are assessed", "socialised": "winners share losses", "bad_debt": "nobody pays",
}  # fmt: skip

SIDE_WORDS = (("selling", "longs"), ("buying", "shorts"))


def tell(
    steps: xr.Dataset, rounds: xr.Dataset, row: xr.Dataset, schedule: Sequence[tuple[float, str]] = ()
) -> tuple[Event, ...]:
    """The log, by time. schedule: minutes and words of what the config imposes."""
    story = Story(steps, rounds, row, schedule)
    found = [event for observer in OBSERVERS for event in observer(story)]
    return tuple(sorted(found, key=lambda event: event.minutes))


def scheduled(config: RunConfig) -> list[tuple[float, str]]:
    """Stress events of a config: when they begin, minutes, and what they are."""
    from stress.conditions import conditional_on

    return [
        (overlay.at / 60, conditional_on(config.model_copy(update={"overlays": (overlay,)})))
        for overlay in config.overlays
    ]


def events_of_config(story: Story) -> Iterator[Event]:
    for minutes, words in story.schedule:
        yield story.at(minutes, "scheduled", f"the config imposes: {words}")


def falls(story: Story) -> Iterator[Event]:
    """Levels that prices pass: of each asset the venue that is there first."""
    found: dict[tuple[int, str, float], dict[str, list[str]]] = {}
    for a, asset in enumerate(story.assets):
        for words, moves in (("below", -story.move[:, a]), ("above", story.move[:, a])):
            most = np.nanmax(np.where(np.isnan(moves), -np.inf, moves), axis=1)
            passed = {level: first(most >= level) for level in LEVELS}
            for level, step in passed.items():
                deeper = [other for other in LEVELS if other > level]
                if step is None or any(passed[other] == step for other in deeper):
                    continue  # the deepest level of a step is enough
                venue = story.venues[int(np.nanargmax(moves[step]))]
                found.setdefault((step, words, level), {}).setdefault(venue, []).append(asset)
    for (step, words, level), by_venue in found.items():
        assets = [asset for some in by_venue.values() for asset in some]
        where = "; ".join(f"{listed(some)} at {venue}" for venue, some in by_venue.items())
        if len(assets) == 1:
            venue = next(iter(by_venue))
            text = f"{assets[0]} is more than {100 * level:g}% {words} its start at {venue}"
            yield story.event(step, "price", text, assets[0], venue)
        else:
            yield story.event(step, "price", f"more than {100 * level:g}% {words} their start: {where}")


def forced_flow(story: Story) -> Iterator[Event]:
    """Where forced selling and buying of each asset begin, and with whom."""
    tiers, least = story.get("forced_tier"), max(LEAST, MINOR * story.forced[-1].sum())
    for a, asset in enumerate(story.assets):
        for side, (verb, who) in enumerate(SIDE_WORDS):
            so_far = story.forced[:, a, side].sum(axis=1)
            if so_far[-1] < least:
                continue
            step = first(so_far >= BEGINS * so_far[-1])
            if step is None:
                continue
            here = story.forced_now[step, a, side]
            venue, tier = story.venues[int(here.argmax())], story.tier(tiers[step, a, side].sum(axis=0))
            text = (
                f"forced {verb} of {asset} begins at {venue}: {who} at {tier} first, "
                f"{money(here.sum())} {story.step_words} (all of the path: {money(so_far[-1])})"
            )
            yield story.event(step, "forced", text, asset, venue)


def channels(story: Story) -> Iterator[Event]:
    """When others than isolated positions begin to sell."""
    sold = story.get("sold_by")
    for c, channel in enumerate(CHANNELS[1:], 1):
        if sold[-1, c] < LEAST:
            continue
        step = first(sold[:, c] >= BEGINS * sold[-1, c])
        if step is not None:
            text = f"{CHANNEL_WORDS[channel]}: orders begin (all of the path: {money(sold[-1, c])})"
            yield story.event(step, "channel", text)


def course(story: Story) -> Iterator[Event]:
    """How far the path's forced flow has come, and its largest step."""
    so_far = story.forced.sum(axis=(1, 2, 3))
    if so_far[-1] < LEAST:
        return
    reached = {first(so_far >= share * so_far[-1]): share for share in MILESTONES}  # the last one of a step
    for step in reached:
        if step is None:
            continue
        share = so_far[step] / so_far[-1]
        longs = story.forced[step, :, 0].sum() / so_far[step]
        side = f"{percent(longs, 2)} of it longs" if longs >= 0.5 else f"{percent(1 - longs, 2)} of it shorts"
        text = f"{percent(share, 2)} of the path's forced flow is done: {money(so_far[step])}, {side}"
        yield story.event(step, "course", text)
    step = int(story.forced_now.sum(axis=(1, 2, 3)).argmax())
    now = story.forced_now[step]
    venues, assets = now.sum(axis=(0, 1)), now.sum(axis=(1, 2))
    venue, asset = story.venues[int(venues.argmax())], story.assets[int(assets.argmax())]
    text = (
        f"the largest step of forced flow: {money(now.sum())} {story.step_words}, of which {venue} "
        f"{money(venues.max())}, and of which {asset} {money(assets.max())}"
    )
    yield story.event(step, "course", text, asset, venue)


@dataclass(frozen=True)
class Steepest:
    """A cascade within a step: its first round and its last."""

    step: int
    asset: int
    first: int
    last: int
    venue: int
    """Where it moves the price most after its first round, and by how much of the log."""
    move: float
    dollars: float


def steepest(story: Story) -> Steepest | None:
    """The cascade whose rounds moved a price most within a step; None where there is none to speak of."""
    rounds = story.rounds
    if not rounds.sizes["round"]:
        return None
    step, asset = rounds.step.values, rounds.asset.values
    places = np.stack([step, asset, rounds.answer.values])
    begins = np.flatnonzero(np.r_[True, (np.diff(places) != 0).any(axis=0)])
    ends = np.r_[begins[1:], len(step)] - 1
    price, there = rounds.price.values.astype(np.float64), ~np.isnan(story.get("price")[0])
    apart = np.where(there[asset[begins]], price[ends] - price[begins], 0.0)
    i, v = np.unravel_index(np.abs(apart).argmax(), apart.shape)
    one, last = int(begins[i]), int(ends[i])
    dollars = float(rounds.flow.values[last].astype(np.float64).sum())
    if rounds.answer.values[one]:  # what the step's cascades had forced before accounts answered
        before = (step[:one] == step[one]) & (asset[:one] == asset[one])
        dollars -= float(rounds.flow.values[:one][before][-1:].astype(np.float64).sum())
    if dollars < LEAST or abs(apart[i, v]) < FLAT:
        return None
    return Steepest(int(step[one]), int(asset[one]), one, last, int(v), float(apart[i, v]), dollars)


def steepest_cascade(story: Story) -> Iterator[Event]:
    """The cascade whose rounds moved a price most within a step."""
    found = steepest(story)
    if found is None:
        return
    name, venue = story.assets[found.asset], story.venues[found.venue]
    count = found.last - found.first + 1
    text = (
        f"the steepest cascade: {count} rounds in {name} force {money(found.dollars)}; "
        f"those after the first move it by {100 * np.expm1(found.move):+.1f}% at {venue}"
    )
    yield story.event(found.step, "cascade", text, name, venue)


def depths(story: Story) -> Iterator[Event]:
    """Markets that thin out: of each asset the one that does first."""
    share, words = THIN
    left = story.get("depth_in_force") / story.steps.depth_start.values
    found: dict[int, list[tuple[str, str]]] = {}
    for a, asset in enumerate(story.assets):
        here = np.where(np.isnan(left[:, a]), np.inf, left[:, a])
        step = first(here.min(axis=1) <= share)
        if step is not None:
            found.setdefault(step, []).append((asset, story.venues[int(here[step].argmin())]))
    for step, markets in found.items():
        where = listed([f"{asset} at {venue}" for asset, venue in markets])
        one = markets[0] if len(markets) == 1 else ("", "")
        yield story.event(step, "depth", f"depth is down to {words}: {where}", *one)


def funds(story: Story) -> Iterator[Event]:
    """Insurance funds that are half gone, and spent."""
    by_market = story.get("fund")
    worth = by_market.sum(axis=1)
    spent = story.row.exhaustion_time.values
    for v, venue in enumerate(story.venues):
        step = first(worth[:, v] < 0.5 * worth[0, v])
        if step and not 0 < spent[v] <= story.minutes[step - 1]:
            left = f"{money(worth[step, v])} of {money(worth[0, v])} left"
            text = f"{possessive(venue)} fund is half gone: {left}"
            yield story.event(step - 1, "fund", text, venue=venue)
        if spent[v] > 0:
            what, start = "resources are spent", money(worth[0, v])
            if (by_market[0, :, v] > 0).sum() > 1:
                what = f"first fund of a market is spent, {start} in all of them at the start"
            elif worth[0, v] > 0:
                what = f"fund is spent, {start} at the start"
            text = f"{possessive(venue)} {what}"
            yield story.at(spent[v], "fund", text, venue=venue)


def deleveraging(story: Story) -> Iterator[Event]:
    """When auto-deleveraging begins at a venue, and ends."""
    closed = story.get("adl_tier")
    for v, venue in enumerate(story.venues):
        now = gained(closed[:, v].sum(axis=1))
        steps = np.flatnonzero(now > DUST)
        if not len(steps):
            continue
        text = f"ADL begins on {venue}: {money(float(now[steps[0]]))} of winners closed {story.step_words}"
        yield story.event(int(steps[0]), "adl", text, venue=venue)
        if len(steps) > 1:
            tiers = closed[-1, v]
            text = (
                f"the last ADL on {venue}: {money(tiers.sum())} of winners closed in all, "
                f"most of them at {story.tier(tiers)}"
            )
            yield story.event(int(steps[-1]), "adl", text, venue=venue)


def payers(story: Story) -> Iterator[Event]:
    """Whoever pays for deficits after the funds: the first time, and how much in the end."""
    final = story.row.loss
    for component, words in PAYER_WORDS.items():
        paid = story.steps.loss.sel(component=component).values.astype(np.float64).sum(axis=2)
        for v, venue in enumerate(story.venues):
            total = float(final.sel(component=component, venue=venue, tier="all"))
            if total <= DUST:
                continue
            step = first(paid[:, v] > DUST)
            step = len(paid) - 1 if step is None else step  # settled when the run ends
            text = f"{words} for deficits at {venue} (all of the path: {money(total)})"
            yield story.event(step, "payer", text, venue=venue)


def interruptions(story: Story) -> Iterator[Event]:
    """Markets that halt and trade again, venues that go down and come back."""
    for v, venue in enumerate(story.venues):
        yield from turns(story, story.get("down")[:, v] > 0, f"{venue} is down", f"{venue} is back", venue)
    halted = story.get("halted") > 0
    there = ~np.isnan(story.get("price")[0])
    for v, venue in enumerate(story.venues):
        groups: dict[bytes, list[int]] = {}
        for a in np.flatnonzero(there[:, v]):
            if halted[:, a, v].any():
                groups.setdefault(halted[:, a, v].tobytes(), []).append(int(a))
        for members in groups.values():
            everything = len(members) == there[:, v].sum()
            names = "all markets" if everything else listed([story.assets[a] for a in members])
            halts, again = f"halted at {venue}: {names}", f"traded again at {venue}: {names}"
            yield from turns(story, halted[:, members[0], v], halts, again, venue)


def turns(story: Story, on: np.ndarray, begins: str, ends: str, venue: str) -> Iterator[Event]:
    """When a state begins and ends, the first few times."""
    edges = np.diff(np.r_[False, on].astype(int))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    later = len(starts) - FEW
    more = f" (and {'once' if later == 1 else f'{later} times'} more later)" if later > 0 else ""
    for i, step in enumerate(starts[:FEW]):
        words = begins + (more if i + 1 == FEW else "")
        yield story.begin(int(step), "halt", words, venue=venue)
    for step in stops[: FEW if not more else FEW - 1]:
        yield story.begin(int(step), "halt", ends, venue=venue)


def backlogs(story: Story) -> Iterator[Event]:
    """The most that waits at a venue."""
    waits = story.get("backlog").sum(axis=(1, 2)) + story.get("backlog_accounts")
    forced = story.forced[-1].sum(axis=(0, 1))
    for v, venue in enumerate(story.venues):
        step = int(waits[:, v].argmax())
        if waits[step, v] >= max(LARGE_BACKLOG * forced[v], LEAST):
            text = f"the longest queue at {venue}: {money(waits[step, v])} triggered and not executed"
            yield story.event(step, "backlog", text, venue=venue)


def vaults(story: Story) -> Iterator[Event]:
    """The most that a backstop vault holds."""
    held = story.get("inventory")
    for v, venue in enumerate(story.venues):
        step = int(held[:, v].argmax())
        if held[step, v] >= LEAST:
            text = f"the vault of {venue} holds most: {money(held[step, v])} taken over"
            yield story.event(step, "vault", text, venue=venue)


def troughs(story: Story) -> Iterator[Event]:
    """The lowest price of each asset that fell by any level, or its highest if that is further."""
    for a, asset in enumerate(story.assets):
        move = story.move[:, a]
        if np.nanmax(np.abs(move)) < LEVELS[0]:
            continue
        rise = np.nanmax(move) > -np.nanmin(move)
        step, v = np.unravel_index(np.nanargmax(move if rise else -move), move.shape)
        name = "peak" if rise else "trough"
        text = f"{name} of {asset}: {100 * move[step, v]:+.1f}% at {story.venues[int(v)]}"
        yield story.event(int(step), name, text, asset, story.venues[int(v)])


def the_end(story: Story) -> Iterator[Event]:
    """How much of its fall each index has regained."""
    index = np.expm1(story.get("index"))
    words = []
    for a, asset in enumerate(story.assets):
        fall, end = -float(index[:, a].min()), float(index[-1, a])
        if fall >= LEVELS[0]:
            regained = percent(max((fall + end) / fall, 0.0), 2)
            words.append(f"{asset} {100 * end:+.1f}% ({regained} of its fall regained)")
    if words:
        yield story.event(len(index) - 1, "end", f"at the end: {', '.join(words)}")


Observer = Callable[[Story], Iterable[Event]]

OBSERVERS: tuple[Observer, ...] = (
    events_of_config, interruptions, falls, forced_flow, channels, depths, steepest_cascade, course, backlogs,
    vaults, funds, deleveraging, payers, troughs, the_end,
)  # fmt: skip
