"""Order books: shape, refill, withdrawal of quotes; for all markets, or for one."""

from __future__ import annotations

from stress.config.base import (
    Duration,
    DurationOrNever,
    NonNegativeNumber,
    PositiveNumber,
    PositivePercentage,
    Share,
    Strict,
)


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
