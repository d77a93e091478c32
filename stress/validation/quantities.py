"""What can be observed of an event, computed path by path from traces.

Every quantity takes the traced paths and the row that asks for it, and gives one number per path; NaN where a
path has none, such as the time of a deleveraging that never came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from stress import units
from stress.units import Unit

if TYPE_CHECKING:
    from kernels.scenario import Scenario
    from stress.validation.event import Row

MATERIAL = 1e6
"""Dollars closed against winners from which deleveraging has begun: less is rounding or one odd account."""


@dataclass(frozen=True)
class Traced:
    """A block of paths of one event, with what does not differ between them.

    trace        : fields of `kernels.parts.trace`, [path, step, *dims]
    open_interest: USD at the start [asset, venue]
    reporting    : share of the forced flow of each venue that public feeds show [venue]
    """

    scenario: Scenario
    trace: dict[str, np.ndarray]
    open_interest: np.ndarray
    reporting: np.ndarray

    def assets(self, row: Row) -> list[int]:
        """Numbers of the assets that a row is about: all, if it names none."""
        names = self.scenario.shape.assets
        wanted = [row.asset] if row.asset else list(row.assets or names)
        return [names.index(name) for name in wanted]

    def venues(self, row: Row) -> list[int]:
        """Numbers of the venues that a row is about: all, if it names none."""
        names = self.scenario.shape.venues
        return [names.index(row.venue)] if row.venue else list(range(len(names)))

    def step(self, seconds: float) -> int:
        """The last step that has ended by then; the first one's number is 0."""
        ended = int(seconds / self.scenario.shape.dt_seconds + 1e-9)
        return min(ended, self.scenario.shape.n_step) - 1

    def forced(self, row: Row) -> np.ndarray:
        """Forced notional so far, in dollars at the fill [path, step, asset, side, venue]."""
        return self.trace["forced"][:, :, self.assets(row)][..., self.venues(row)]

    def price(self, row: Row) -> np.ndarray:
        """Log price of one market, or of the market-wide index, of every asset [path, step, asset]."""
        assets = self.assets(row)
        if row.venue:
            return self.trace["price"][:, :, assets, self.venues(row)[0]]
        weight = self.scenario.arrays.index_weight[assets]
        return (self.trace["price"][:, :, assets] * weight).sum(axis=-1)

    def closed(self, row: Row) -> np.ndarray:
        """Fall of open interest until then, coins x start price [path, asset, venue]."""
        n = self.step(row.until) if row.until else -1
        coins, gone = self.trace["coins"][:, n], self.trace["deleveraged"][:, n]
        psi = self.scenario.arrays.closing_share
        closed = psi * (np.maximum(coins - gone, 0.0) + self.trace["exited"][:, n]) + gone
        return closed[:, self.assets(row)][..., self.venues(row)]


def fall(paths: Traced, row: Row) -> np.ndarray:
    """Largest fall of the traded price below its start; of several assets by their open interest there."""
    fallen = 1 - np.exp(np.minimum(paths.price(row).min(axis=1), 0.0))
    weight = paths.open_interest[paths.assets(row)][:, paths.venues(row)].sum(axis=1)
    return fallen @ (weight / weight.sum()) if len(weight) > 1 else fallen[:, 0]


def regained(paths: Traced, row: Row) -> np.ndarray:
    """Share of that fall, of one asset, that is made up again at a time."""
    price = np.exp(paths.price(row)[..., 0])
    low, then = price.min(axis=1), price[:, paths.step(row.at or 0.0)]
    return np.where(low < 1, (then - low) / np.where(low < 1, 1 - low, 1.0), np.nan)


def forced(paths: Traced, row: Row) -> np.ndarray:
    """Forced notional of the whole run, in dollars at the fill."""
    return paths.forced(row)[:, -1].sum(axis=(1, 2, 3))


def shown(paths: Traced, row: Row) -> np.ndarray:
    """The same by side, as public feeds show it [path, side]."""
    return (paths.forced(row)[:, -1].sum(axis=1) * paths.reporting[paths.venues(row)]).sum(axis=-1)


def reported(paths: Traced, row: Row) -> np.ndarray:
    """Forced notional of the whole run, as public feeds show it."""
    return shown(paths, row).sum(axis=1)


def long_share(paths: Traced, row: Row) -> np.ndarray:
    """Share of longs in what public feeds show."""
    sides = shown(paths, row)
    total = sides.sum(axis=1)
    return np.where(total > 0, sides[:, 0] / np.where(total > 0, total, 1.0), np.nan)


def flow(paths: Traced, row: Row) -> np.ndarray:
    """Forced notional of every step [path, step]."""
    total = paths.forced(row).sum(axis=(2, 3, 4), dtype=np.float64)
    return np.diff(total, axis=1, prepend=0.0)


def largest_window(paths: Traced, row: Row) -> np.ndarray:
    """Largest forced notional within a window."""
    total = np.concatenate([np.zeros((len(flow(paths, row)), 1)), flow(paths, row).cumsum(axis=1)], axis=1)
    window = paths.step(row.over or 0.0) + 1
    return (total[:, window:] - total[:, :-window]).max(axis=1)


def concentration(paths: Traced, row: Row) -> np.ndarray:
    """Share of the forced notional that falls between two times."""
    total = flow(paths, row).cumsum(axis=1)
    first = total[:, paths.step(row.since)] if row.since else 0.0
    within = total[:, paths.step(row.until or 0.0)] - first
    return np.where(total[:, -1] > 0, within / np.where(total[:, -1] > 0, total[:, -1], 1.0), np.nan)


def deleveraged(paths: Traced, row: Row) -> np.ndarray:
    """Closed against winners so far, coins x start price [path, step]."""
    gone = paths.trace["deleveraged"][:, :, paths.assets(row)][..., paths.venues(row)]
    return gone.sum(axis=(2, 3))


def adl_notional(paths: Traced, row: Row) -> np.ndarray:
    """Notional closed against winners."""
    return deleveraged(paths, row)[:, -1]


def adl_share(paths: Traced, row: Row) -> np.ndarray:
    """Notional closed against winners, by forced notional in coins; within the worst window if named."""
    coins = paths.trace["coins"][:, :, paths.assets(row)][..., paths.venues(row)].sum(axis=(2, 3))
    total, gone = coins[:, -1], adl_notional(paths, row)
    if row.over:
        window = paths.step(row.over) + 1
        total, gone = (
            np.concatenate([np.zeros((len(x), 1)), x], axis=1) for x in (coins, deleveraged(paths, row))
        )
        spans = total[:, window:] - total[:, :-window]
        best = spans.argmax(axis=1)[:, None]
        gone = np.take_along_axis(gone[:, window:] - gone[:, :-window], best, axis=1)[:, 0]
        total = spans.max(axis=1)
    return np.where(total > 0, gone / np.where(total > 0, total, 1.0), np.nan)


def first_adl(paths: Traced, row: Row) -> np.ndarray:
    """Number of the step in which deleveraging begins; NaN where it never does."""
    begun = deleveraged(paths, row) > MATERIAL
    return np.where(begun.any(axis=1), begun.argmax(axis=1), np.nan)


def adl_start(paths: Traced, row: Row) -> np.ndarray:
    """Seconds from a time to the end of the step in which deleveraging begins."""
    return (first_adl(paths, row) + 1) * paths.scenario.shape.dt_seconds - (row.since or 0.0)


def adl_delay(paths: Traced, row: Row) -> np.ndarray:
    """Steps from the steepest rise of the forced flow to the beginning of deleveraging."""
    return first_adl(paths, row) - np.diff(flow(paths, row), axis=1, prepend=0.0).argmax(axis=1)


def open_interest_fall(paths: Traced, row: Row) -> np.ndarray:
    """Fall of open interest in coins, as a share."""
    held = paths.open_interest[paths.assets(row)][:, paths.venues(row)].sum()
    return paths.closed(row).sum(axis=(1, 2)) / held


def fund_draw(paths: Traced, row: Row) -> np.ndarray:
    """What funds have less when the last step begins than at the start; by market where a venue splits it."""
    worth = paths.trace["fund"][..., paths.venues(row)]
    # A common fund stands with the first asset, whichever assets are asked for.
    alone = paths.trace["fund"][:, 0, 1:][..., paths.venues(row)].sum() == 0
    fund = worth[:, :, :1] if alone else worth[:, :, paths.assets(row)]
    return (fund[:, 0] - fund[:, -1]).sum(axis=(1, 2))


@dataclass(frozen=True)
class Quantity:
    """How a quantity is named, written and computed."""

    name: str
    unit: Unit
    of: Callable[[Traced, Row], np.ndarray]
    title: str
    needs: frozenset[str] = field(default_factory=frozenset)
    takes: frozenset[str] = field(default_factory=frozenset)

    @property
    def doc(self) -> str:
        return (self.of.__doc__ or "").strip()


def _quantity(unit: Unit, of: Callable, title: str, needs: str = "", takes: str = "") -> Quantity:
    return Quantity(of.__name__, unit, of, title, frozenset(needs.split()), frozenset(takes.split()))


MARKETS = "asset assets venue"

QUANTITIES = {
    q.name: q
    for q in (
        _quantity(units.SHARE, fall, "fall", takes=MARKETS),
        _quantity(units.SHARE, regained, "regained", needs="asset at", takes="venue"),
        _quantity(units.DOLLARS, forced, "forced", takes=MARKETS),
        _quantity(units.DOLLARS, reported, "reported", takes=MARKETS),
        _quantity(units.SHARE, long_share, "longs of reported", takes=MARKETS),
        _quantity(units.DOLLARS, largest_window, "forced in the worst window", needs="over", takes=MARKETS),
        _quantity(units.SHARE, concentration, "share forced", needs="until", takes="since " + MARKETS),
        _quantity(units.DOLLARS, adl_notional, "deleveraged", takes=MARKETS),
        _quantity(units.SHARE, adl_share, "deleveraged of forced", takes="over " + MARKETS),
        _quantity(units.DURATION, adl_start, "deleveraging begins", needs="venue", takes="since"),
        _quantity(units.NUMBER, adl_delay, "steps from steepest flow to deleveraging", needs="venue"),
        _quantity(units.SHARE, open_interest_fall, "fall of open interest", takes="until " + MARKETS),
        _quantity(units.DOLLARS, fund_draw, "net draw on the fund", needs="venue", takes="asset assets"),
    )
}
"""By name, as event files write them."""
