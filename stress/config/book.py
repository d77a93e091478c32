"""Order books: shape, refill, withdrawal of quotes; for all markets, or for one."""

from __future__ import annotations

import math
from collections.abc import Iterator

from stress import units
from stress.config.base import (
    Duration,
    DurationOrNever,
    NonNegativeNumber,
    PositiveNumber,
    PositivePercentage,
    Share,
    Strict,
)
from stress.config.origin import Path

LEAST_DENSITY = 0.05
"""Density at the band of a book of shape above 1, as a share of that at rest, at least."""


class Withdrawal(Strict):
    """How market makers take quotes away when prices have moved."""

    sensitivity: NonNegativeNumber
    """Theta: depth falls as 1/(1 + theta^2 S^2), S^2 the decaying sum of squared log returns."""
    half_life: Duration
    """Half-life of the memory S^2."""
    floor: Share
    """Smallest depth, as a share of the depth at rest."""


class Book(Strict):
    """The order book of one market, overrides applied."""

    shape: PositiveNumber
    """Alpha: 1 is a linear book, toward 0 a square-root one, above 1 a book that thins out."""
    band: PositivePercentage | None = None
    """Displacement to which a book of shape above 1 thins out; then its density stays."""
    hard_end: PositivePercentage | None = None
    """Displacement at which the book ends; orders past it wait. Needed with a shape above 1."""
    refill_half_life: DurationOrNever
    """Half-life in which the book refills what orders consumed."""
    withdrawal: Withdrawal


class Books(Book):
    """Order books of all markets; `book` in a market overrides them there."""

    arbitrage_half_life: DurationOrNever
    """Half-life in which arbitrage evens out a gap between venues; `never` for none."""
    permanent_impact: Share
    """Share of the at-rest 1% displacement that a market-wide order leaves for good."""


class WithdrawalOverride(Strict):
    """What is different about the market makers of one market."""

    sensitivity: NonNegativeNumber | None = None
    """In place of `books.withdrawal.sensitivity`."""
    half_life: Duration | None = None
    """In place of `books.withdrawal.half_life`."""
    floor: Share | None = None
    """In place of the floor of its venue or `books.withdrawal.floor`."""


class BookOverride(Strict):
    """What is different about the book of one market."""

    shape: PositiveNumber | None = None
    """In place of `books.shape`."""
    band: PositivePercentage | None = None
    """In place of `books.band`."""
    hard_end: PositivePercentage | None = None
    """In place of `books.hard_end`."""
    refill_half_life: Duration | None = None
    """In place of `books.refill_half_life`."""
    withdrawal: WithdrawalOverride | None = None
    """In place of single values of `books.withdrawal`."""


def apply(book: Book, override: BookOverride | None, floor: float | None = None) -> Book:
    """`book` with the depth `floor` of obliged market makers, then with a market's own values."""
    changes = {key: getattr(book, key) for key in Book.model_fields}
    withdrawal = {} if floor is None else {"floor": floor}
    if override:
        own = {key: getattr(override, key) for key in BookOverride.model_fields}
        given = {key: value for key, value in own.items() if value is not None}
        withdrawal |= given.pop("withdrawal", WithdrawalOverride()).model_dump(exclude_none=True)
        changes |= given
    changes["withdrawal"] = book.withdrawal.model_copy(update=withdrawal)
    return Book.model_construct(**changes)


def flaws(path: Path, found: Book) -> Iterator[tuple[Path, str, str, str]]:
    """`band` and `hard_end` where the shape needs or allows them: path, problem, why, suggestion."""
    if found.shape > 1:
        for key in ("band", "hard_end"):
            if getattr(found, key) is None:
                why = "a book of shape above 1 thins out, and must say how far and where it ends"
                yield (*path, key), "is missing", why, ""
    elif found.band is not None:
        why = "a book of shape 1 or below does not thin out, so no band is used"
        yield (*path, "band"), f"a band with shape {found.shape:g}", why, "Remove it."
        return
    if found.band is None:
        return
    if found.band > (limit := largest_band(found.shape)):
        shown = f"{units.SHARE.format(found.band)} is too wide for shape {found.shape:g}"
        why = f"the book would have thinned out to less than {LEAST_DENSITY:.0%} of its density at rest"
        yield (*path, "band"), shown, why, f"At most {rounded_down(limit)} is possible."
    if found.hard_end is not None and found.band > found.hard_end:
        shown = units.SHARE.format(found.hard_end)
        yield (*path, "band"), f"is beyond the end of the book, {shown}", "nothing is observed there", ""


def largest_band(shape: float) -> float:
    """Displacement, as a share, at which alpha + 2 (1 - alpha) x has fallen to the least density."""
    limit = 0.01 * (1 - LEAST_DENSITY) * shape / (2 * (shape - 1))
    return limit * (1 + 1e-9)  # a band that is written as the limit is not above it


def rounded_down(share: float) -> str:
    """Four digits of a share, as a percentage that is not above it."""
    unit = 10.0 ** (math.floor(math.log10(100 * share)) - 3)
    return f"{math.floor(100 * share / unit) * unit:.4g}%"
