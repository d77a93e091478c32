"""Whether and how markets trade in a step: halts and outages, decided once, before anybody is forced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.arbitrage import step_numpy as arbitrage
from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book import step_numpy as book
from kernels.mechanisms.feed import step_numpy as feed
from kernels.mechanisms.halt import step_numpy as halt
from kernels.mechanisms.mark import step_numpy as mark
from kernels.mechanisms.outage import step_numpy as outage


@dataclass
class Trading:
    """What is frozen for the step."""

    halted: np.ndarray  # neither triggers nor trades, bool [path, asset, venue]
    out: np.ndarray  # left out of arbitrage, and of indices that say so, bool [path, asset, venue]
    depth: np.ndarray  # what outages leave of it [path, 1, venue]
    throughput: np.ndarray  # the same [path, 1, venue]
    down: np.ndarray  # venues, bool [path, venue]
    band: np.ndarray | None = None  # what books take up to a breaker's level, USD [path, asset, side, venue]

    def traded(self, last, price):
        """Prices, those of halted markets as they last were."""
        return np.where(self.halted, last, price)


def begin(scenario, state, q, n, drawn) -> Trading:
    """Who trades in step n, from prices before anybody is forced. drawn: see `outage.draw`"""
    arrays, parts = scenario.arrays, scenario.parts
    halted, none = np.zeros(q.shape, bool), np.ones((len(q), 1, q.shape[2]))
    if parts.halt is not None:
        moved = book.displacement(q, arrays.alpha, arrays.band)
        price = state.fundamental[..., None] + PERCENT * moved
        halted = arrays.listed & halt.decide(parts.halt, state.breakers, price, n)
    if parts.outage is None:
        return Trading(halted, halted, none, none, np.zeros((len(q), q.shape[2]), bool))
    down, throughput, depth = outage.decide(parts.outage, state.failures, n, drawn)
    return Trading(halted, halted | down[:, None], depth[:, None], throughput[:, None], down)


def even_out(arrays, trading, q, depth):
    """Consumption after arbitrage among the markets that trade [path, asset, venue]."""
    at = np.nonzero((q != 0).any(axis=-1))
    asset, out = at[1], trading.out[at]
    held, deep = (np.where(out, 0.0, x[at]) for x in (q, depth))
    moved = arbitrage.step(held, deep, arrays.alpha[asset], arrays.band[asset], arrays.arbitrage[asset, None])
    evened = q.copy()
    evened[at] = np.where(out, q[at], moved)
    return evened


def marks(scenario, state, trading, price, before, n) -> mark.Marks:
    """The rules of the step's marks; those of halted markets and of stale feeds stand still.

    price : log prices at round 0 [path, asset, venue]
    before: fundamental and displacements at the end of the step before
    """
    arrays, parts = scenario.arrays, scenario.parts
    frozen, error, late = trading.halted, None, None
    if parts.feed is not None:
        error = feed.error(parts.feed, n)
        frozen = frozen | (arrays.listed & feed.stale(parts.feed, n))
        lag = feed.behind(parts.feed, n)
        late = lag if lag.any() else None
    special = frozen.any() or error is not None or late is not None
    halted = trading.halted if special else None
    out = trading.out if trading.out.any() else None
    rules = mark.freeze(arrays, parts.marking, state.basis, price, halted, out, error)
    if late is not None:
        assert rules.special is not None
        rules.special.late = np.broadcast_to(late > 0, price.shape)
        rules.special.shown = feed.shown(np.maximum(late, 1), state.past, n)
    if frozen.any():
        held = np.where(state.frozen, state.held, rules.price(*before))
        if rules.special is not None:
            rules.special.frozen, rules.special.held = frozen, held
        state.held = held
    state.frozen = frozen
    return rules


def end(scenario, state, trading, sold, rules, moved, n) -> None:
    """What halts, outages and feeds remember of a step. moved: displacements at its end"""
    parts = scenario.parts
    if len(state.past):
        state.past[n % len(state.past)] = rules.on_time().price(state.fundamental, moved)
    pushed = book.by_side(sold.extra, 2)
    if parts.halt is not None:
        touched = (sold.into_books(sold.wanted) + pushed > trading.band) & (trading.band <= sold.limit)
        touched = touched.any(axis=2) & ~trading.halted
        halt.remember(parts.halt, state.breakers, state.price, trading.halted, touched)
    if parts.outage is not None:
        outage.remember(parts.outage, state.failures, (sold.flow + pushed).sum(axis=(1, 2)))
