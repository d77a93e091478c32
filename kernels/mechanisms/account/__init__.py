"""Accounts: holders whose need or worth depends on several prices, or who sell elsewhere than they hold.

docs/methods/account.md. Cross-margin portfolios, coin-margined positions, baskets of collateral, loans,
treasury companies, stop orders: one `slot` is one kind of holder, with one composition on every venue.
A holder is its threshold k, equity over notional (or collateral over debt) at the start; it must trade
when the slot's margin stress z reaches k. Distances in tables are k less the stress at the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

MAX_SLOT = 16
MAX_PASS = 16
"""Times that accounts and cascades answer each other within a step, at most."""

LATER = 1e-3
"""Share of depth. New orders below it on every book are left to the next step; cascades go on for what was
sent once they have not seen more than it, and else at the end of the step."""

UNANSWERED_SHARE = 1e-1
"""A step that is cut while orders are above this share of a book's depth is said to be so."""


@dataclass(frozen=True)
class Account:
    """Accounts by slot; per dollar of gross notional at the start. Prices m are relative to the start."""

    need: np.ndarray = leaf("slot asset venue", "1", "what the trigger's numerator gains with a mark")
    need_fixed: np.ndarray = leaf("slot venue", "1", "the numerator's constant")
    value: np.ndarray = leaf("slot asset venue", "1", "haircut worth of a starting dollar, by mark")
    value_fixed: np.ndarray = leaf("slot venue", "1", "its constant: the share in cash")
    loss: np.ndarray = leaf("slot asset venue", "1", "loss and debt per dollar, by fill")
    loss_fixed: np.ndarray = leaf("slot venue", "1", "its constant")
    worth: np.ndarray = leaf("slot asset venue", "1", "realisable worth of a starting dollar, by fill")
    worth_fixed: np.ndarray = leaf("slot venue", "1", "its constant")
    lean: np.ndarray = leaf("slot asset venue", "1", "-1 where a fall hurts, 1 where a rise does, else 0")
    start: np.ndarray = leaf("slot venue", "1", "margin stress at the start, where every mark is 1")
    forced: np.ndarray = leaf("slot venue edge tier", "USD", "notional forced by a distance, cumulative")
    size: np.ndarray = leaf("slot venue", "1", "notional forced per dollar of face, per threshold k, Eq. (7)")
    size_fixed: np.ndarray = leaf("slot venue", "1", "its constant: 1 where notional and face are one")
    sold: np.ndarray = leaf(
        "slot venue asset target", "1", "start dollars sold on another venue's book per dollar forced"
    )
    legs: np.ndarray = leaf(
        "slot asset venue", "1", "positions in the venue's own markets, which it may deleverage"
    )
    inverse: np.ndarray = leaf(
        "slot venue", "1", "1: contracts whose face is in dollars, and constant; else 0"
    )
    borrowed: np.ndarray = leaf("slot venue", "1", "1: face is a debt, and margin what exceeds it; else 0")
    response: np.ndarray = leaf("slot venue", "1", "share of what is due that is sold in a step")
    throughput: np.ndarray = leaf("slot venue", "USD", "most notional forced in a step; inf")
    bonus: np.ndarray = leaf("slot venue", "1", "log discount of books to marks from which nobody acts; inf")
    losing: np.ndarray = leaf("slot venue", "1", "whether it is a liquidation, with losses", np.int32)
    channel: np.ndarray = leaf("slot", "1", "whose sales these are, see kernels.outcome", np.int32)
