"""Halts of one step: the specification. Equations of docs/methods/halt.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.book.step_numpy import consumption


@dataclass
class Breakers:
    """State of the circuit breakers [path, asset, venue]."""

    reference: np.ndarray  # log price that moves are measured from
    level: np.ndarray  # levels that have tripped
    until: np.ndarray  # step at which the market opens again
    touched: np.ndarray  # bool: the last step's selling came to the level


def initial(shape) -> Breakers:
    """Nothing has tripped."""
    return Breakers(np.zeros(shape), np.zeros(shape, int), np.zeros(shape, int), np.zeros(shape, bool))


def distances(part, level):
    """Falls and rises of the nearest level that has not tripped, inf past the last: [path, asset, venue]."""
    asset, venue = np.ogrid[: level.shape[1], : level.shape[2]]
    last = len(part.fall) - 1
    at = np.minimum(level, last), asset, venue
    return tuple(np.where(level > last, np.inf, bound[at]) for bound in (part.fall, part.rise))


def decide(part, breakers, price, step):
    """Markets that are halted in a step, Eqs. (1) and (2): bool [path, asset, venue].

    price: log, before anybody is forced [path, asset, venue]
    """
    trailing = part.decay < 1
    again = (breakers.until == step) & (step > 0) & trailing
    breakers.reference = np.where(again, price, breakers.reference)
    breakers.level = np.where(again, 0, breakers.level)
    fall, rise = distances(part, breakers.level)
    away = price - breakers.reference
    limited = np.isfinite(np.minimum(fall, rise))
    trips = (step >= breakers.until) & limited & ((-away >= fall) | (away >= rise) | breakers.touched)
    asset, venue = np.ogrid[: price.shape[1], : price.shape[2]]
    lasts = part.steps[np.minimum(breakers.level, len(part.steps) - 1), asset, venue]
    breakers.until = np.where(trips, step + lasts, breakers.until)
    breakers.level = breakers.level + trips
    breakers.touched = np.zeros_like(trips)
    return (step < breakers.until) | (part.closed[part.row[step]] > 0)


def bands(part, breakers, arrays, fundamental, q, depth):
    """What every book takes until its price is at the next level, Eq. (3): USD [path, asset, side, venue]."""
    fall, rise = distances(part, breakers.level)
    amounts = []
    for sign, bound in ((-1, fall), (1, rise)):
        some = np.isfinite(bound)
        level = breakers.reference + sign * np.where(some, bound, 0.0)
        x = (level - fundamental[..., None]) / PERCENT
        amount = np.maximum(sign * (consumption(x, arrays.alpha, arrays.band) - q), 0.0) * depth
        amounts.append(np.where(some, amount, np.inf))
    return np.stack(amounts, axis=2)


def remember(part, breakers, price, halted, touched):
    """References after a step, Eq. (4). price: log, at its end"""
    now = part.decay * breakers.reference + (1 - part.decay) * price
    breakers.reference = np.where(halted, breakers.reference, now)
    breakers.touched = touched
