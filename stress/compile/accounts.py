"""Accounts by kind become the slots that engines walk: each entry a kind of holder on one venue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kernels.mechanisms.account import MAX_SLOT, Account
from kernels.parts.table import N_EDGE
from kernels.parts.table.table_numpy import EDGES
from kernels.scenario import ScenarioShape


@dataclass(frozen=True)
class Entry:
    """One kind of holder on one venue, per dollar of gross notional at the start; prices m from 1.

    Arrays over assets; docs/methods/account.md, Eqs. (2) to (6).
    """

    venue: int
    channel: int
    need: np.ndarray
    need_fixed: float
    loss: np.ndarray
    loss_fixed: float
    sold: np.ndarray
    """Start dollars sold (negative: bought) on each book per dollar forced [asset, target venue]."""
    forced: np.ndarray
    """Cumulative notional by distance k - start [edge, tier]."""
    legs: np.ndarray | float = 0.0
    """Positions in the venue's own markets, which it may deleverage; longs positive [asset]."""
    value: np.ndarray | float = 0.0
    value_fixed: float = 1.0
    worth: np.ndarray | float = 0.0
    worth_fixed: float = 1.0
    size: float = 0.0
    size_fixed: float = 1.0
    inverse: bool = False
    borrowed: bool = False
    response: float = 1.0
    throughput: float = np.inf
    bonus: float = np.inf
    losing: bool = True
    where: tuple[str | int, ...] = field(default=(), compare=False)
    """Its place in the config, for errors."""

    @property
    def start(self) -> float:
        """Margin stress at the start, where every price is 1."""
        above = self.need_fixed + float(np.sum(self.need))
        return above / (self.value_fixed + float(np.sum(self.value)))

    @property
    def lean(self) -> np.ndarray:
        """Which way each price hurts, near the start: -1 a fall, 1 a rise [asset]."""
        return np.sign(np.asarray(self.need) - self.start * np.asarray(self.value))


def spread(start: float, bands: Sequence[tuple[float, float]], notional: Sequence[float]) -> np.ndarray:
    """Cumulative notional of tiers log-uniform in their threshold: USD [edge, tier].

    start   : margin stress at the start; holders at or below it would be forced at once
    bands   : smallest and largest threshold k of each tier; notional: USD of each tier
    raises  : ValueError(tier index) where all of a tier that holds anything would be
    """
    table = np.zeros((N_EDGE, len(bands)))
    for t, ((low, high), amount) in enumerate(zip(bands, notional, strict=True)):
        if amount == 0:
            continue
        low = max(low, start)
        if low >= high:
            raise ValueError(t)
        # Nobody starts at zero distance: the share below it is zero by the cut above.
        share = np.log(np.maximum(start + EDGES, low) / low) / np.log(high / low)
        table[:, t] = amount * np.clip(share, 0.0, 1.0)
    return table


def pack(entries: Sequence[Entry], shape: ScenarioShape) -> Account | None:
    """Slots of entries: each takes the first slot of its channel that is free on its venue.

    raises: ValueError where there are more kinds than slots
    """
    if not entries:
        return None
    placed: list[tuple[int, Entry]] = []
    channels: list[int] = []
    taken: set[tuple[int, int]] = set()
    for entry in entries:
        free = (s for s, c in enumerate(channels) if c == entry.channel and (s, entry.venue) not in taken)
        slot = next(free, len(channels))
        if slot == len(channels):
            channels.append(entry.channel)
        taken.add((slot, entry.venue))
        placed.append((slot, entry))
    if len(channels) > MAX_SLOT:
        raise ValueError(f"{len(channels)} kinds of accounts side by side; at most {MAX_SLOT} are possible")
    n_slot, n_asset, n_venue = len(channels), shape.n_asset, shape.n_venue
    market, fixed = (n_slot, n_asset, n_venue), (n_slot, n_venue)
    arrays = {name: np.zeros(market) for name in ("need", "value", "loss", "worth", "lean", "legs")}
    arrays |= {name: np.zeros(fixed) for name in ("need_fixed", "loss_fixed", "start", "response")}
    arrays |= {name: np.ones(fixed) for name in ("value_fixed", "worth_fixed", "size_fixed")}
    arrays |= {name: np.full(fixed, np.inf) for name in ("throughput", "bonus")}
    arrays |= {"inverse": np.zeros(fixed)}
    arrays |= {"losing": np.zeros(fixed, np.int32), "size": np.zeros(fixed), "borrowed": np.zeros(fixed)}
    arrays |= {"forced": np.zeros((*fixed, N_EDGE, shape.n_tier)), "channel": np.array(channels, np.int32)}
    arrays["sold"] = np.zeros((n_slot, n_venue, n_asset, n_venue))
    for slot, entry in placed:
        for name in ("need", "value", "loss", "worth", "lean", "legs"):
            arrays[name][slot, :, entry.venue] = getattr(entry, name)
        for name in (
            "need_fixed", "value_fixed", "loss_fixed", "worth_fixed", "start", "response", "throughput",
            "bonus", "size", "size_fixed", "inverse", "borrowed", "losing", "forced", "sold",
        ):  # fmt: skip
            arrays[name][slot, entry.venue] = getattr(entry, name)
    return Account(**arrays)
