"""Frozen flows: orders of a step that were decided before it. docs/methods/flow.md.

A market maker's book that is wound up, treasuries by the calendar: whoever sends orders whatever the price
does within the step; redemptions and momentum, which answer the returns of the steps before it; and companies
that buy or sell by the premium of their shares. Where books do not take all of it, the rest waits for the
next step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

MAX_SOURCE = 8
MAX_COMPANY = 16


@dataclass(frozen=True)
class Flow:
    """Orders by source: net purchases, negative where it sells."""

    row: np.ndarray = leaf("step", "1", "row of `level` in force; row 0 has no orders", np.int32)
    level: np.ndarray = leaf("row source asset venue", "USD", "net purchases in a step, start dollars")
    channel: np.ndarray = leaf("source", "1", "whose orders these are, see kernels.outcome", np.int32)


@dataclass(frozen=True)
class Response:
    """What sources of `Flow` order besides, in answer to the returns that they remember."""

    decay: np.ndarray = leaf("source", "1", "factor on remembered returns per step")
    start: np.ndarray = leaf("source asset", "1", "log returns remembered at the start")
    lowest: np.ndarray = leaf("source asset", "1", "remembered returns below this are answered like it")
    highest: np.ndarray = leaf("source asset", "1", "remembered returns above this are answered like it")
    rate: np.ndarray = leaf("source asset venue", "USD", "net purchases in a step per remembered return")


@dataclass(frozen=True)
class Premium:
    """What treasury companies order besides, by their mNAV, market value over holdings."""

    source: np.ndarray = leaf("company", "1", "source of `Flow` that its orders are sent by", np.int32)
    share: np.ndarray = leaf("company asset", "1", "what its holdings are made of, by value at the start")
    above: np.ndarray = leaf("company", "1", "value of its holdings over the start beyond which it buys")
    below: np.ndarray = leaf("company", "1", "value of its holdings over the start under which it sells")
    buys: np.ndarray = leaf("company asset venue", "USD", "what it buys in a step, start dollars")
    sells: np.ndarray = leaf("company asset venue", "USD", "what it sells in a step, start dollars")
    most: np.ndarray = leaf("company", "USD", "what it sells in all, start dollars")
