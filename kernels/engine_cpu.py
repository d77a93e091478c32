"""The fused engine on the processor: pack the scenario, hand path ranges to threads, collect rows."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from kernels.batch import Batch
from kernels.outcome import COUNTERS, Layout
from kernels.parts.table.table_numpy import EDGES
from kernels.scenario import LANES, MAX_GROUP, MAX_TIER, Scenario, ScenarioArrays

FAR = 1e30
"""Stands for infinity in float32: finite, so that products with zero stay zero."""

PADDED_ONE = ("alpha", "refill", "withdrawal_decay", "depth_floor")
"""Books in lanes without a venue: at rest, linear, never displaced."""


CACHE_LINE = 64  # bytes

BY_VENUE = tuple(
    f.name
    for f in dataclasses.fields(ScenarioArrays)
    if f.metadata["dims"][-1] == "venue" and f.name not in ("mark_weight", "adl_policy")
)
"""Arrays whose last axis becomes the lanes."""


def missing() -> str | None:
    """Why the fused engine is not there, in a sentence; None if it is."""
    try:
        from kernels import _fused  # noqa: F401
    except ImportError as error:
        return f"the compiled module kernels._fused cannot be imported ({error})"
    return None


def lanes(array: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """The trailing venue axis padded to LANES."""
    pad = [(0, 0)] * (array.ndim - 1) + [(0, LANES - array.shape[-1])]
    return np.pad(array, pad, constant_values=fill)


def pack(scenario: Scenario) -> dict[str, np.ndarray]:
    """The scenario as the fused engine reads it; layouts in kernels/fused.h."""
    shape, arrays = scenario.shape, scenario.arrays
    if shape.n_venue > LANES or shape.n_tier > MAX_TIER or shape.n_asset > LANES:
        raise ValueError(f"the fused engine holds {LANES} venues, {LANES} assets and {MAX_TIER} tiers")
    packed = {}
    for name in BY_VENUE:
        fill = 1.0 if name in PADDED_ONE else FAR if name in ("hard_end", "band") else 0.0
        packed[name] = lanes(np.minimum(getattr(arrays, name), FAR), fill)
    # One vector per source venue: its weight in the mark of every venue.
    packed["mark_weight"] = lanes(np.swapaxes(arrays.mark_weight, 1, 2))
    packed["forced_lines"] = forced_lines(arrays.forced_total)
    tiers = [(0, 0)] * 5 + [(0, MAX_TIER - shape.n_tier)]
    packed["rows"] = np.concatenate([np.pad(arrays.forced, tiers), np.pad(arrays.margin, tiers)], axis=-1)
    # What each bin holds, by tier: a slice of a book reads one short row per bin that it crosses.
    held = np.pad(np.diff(arrays.forced, axis=4), [(0, 0)] * 4 + [(0, 1), (0, 0)])
    packed["held"] = np.pad(held, tiers)
    packed["slices"] = slices(scenario, held)
    whole = ~arrays.group_partial & (arrays.forced[..., -1, :] > 0).any(axis=-1)
    packed["group_whole"] = by_group(-whole.astype(np.int32), 2)
    packed["group_keep"] = by_group(np.where(arrays.group_partial, 0.0, arrays.surplus_share), 2)
    packed["group_empty"] = lanes((arrays.forced[..., -1, :] == 0).all(axis=-1), 1)
    packed["tier_notional"] = np.pad(arrays.tier_notional, tiers[2:])
    packed["edge_fall"], packed["edge_rise"] = np.exp(-EDGES), np.exp(EDGES)
    integers = {"volatility_row": np.int32, "depth_row": np.int32, "adl_policy": np.int32,
                "listed": np.int32, "group_partial": np.int32, "group_empty": np.int32,
                "group_whole": np.int32,
                "common_jump_count": np.uint64, "own_jump_count": np.uint64}  # fmt: skip
    for name in _module().array_names():
        value = packed[name] if name in packed else getattr(arrays, name)
        packed[name] = aligned(value, integers.get(name, np.float32))
    return packed


def aligned(array: np.ndarray, dtype: type) -> np.ndarray:
    """A contiguous copy that starts on a cache line, as rows of tables fill whole ones."""
    count = np.size(array) * np.dtype(dtype).itemsize
    room = np.empty(count + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    copy = room[start : start + count].view(dtype).reshape(np.shape(array))
    copy[...] = array
    return copy


def by_group(array: np.ndarray, axis: int) -> np.ndarray:
    """The group axis put last and padded to MAX_GROUP."""
    array = np.moveaxis(array, axis, -1)
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, MAX_GROUP - array.shape[-1])])


def forced_lines(forced_total: np.ndarray) -> np.ndarray:
    """Forced notional as a straight line in every bin; see kernels/fused.h.

    forced_total: [asset, side, venue, edge]
    """
    slope = np.diff(forced_total) / np.diff(EDGES)
    flat = [(0, 0)] * (slope.ndim - 1) + [(0, 1)]  # beyond the table nothing more comes
    slope = np.pad(slope, flat)
    end = np.broadcast_to(np.append(EDGES[1:], FAR), slope.shape)
    return np.stack([forced_total - slope * EDGES, slope, end, np.zeros_like(slope)], axis=-1)


def slices(scenario: Scenario, held: np.ndarray) -> np.ndarray:
    """All that the losses of a slice need of one bin, groups side by side; see kernels/fused.h.

    held: [asset, side, group, venue, edge, tier], what each tier holds in a bin
    """
    sign = np.array([1.0, -1.0])[:, None, None, None]
    rate, deduction = (getattr(scenario.arrays, n)[..., None] for n in ("group_rate", "group_deduction"))
    # Margin left at a threshold, against the start price: straight between two edges.
    margin = sign - deduction - (sign - rate) * np.exp(-sign * EDGES)
    rise = np.diff(margin, axis=-1, append=0.0)
    fields = np.stack([held.sum(axis=-1), margin, rise, bin_tier(held)], axis=-1)
    return by_group(fields, 2)


def bin_tier(held: np.ndarray) -> np.ndarray:
    """Whose a bin is: tier t plus the share w of tier t + 1, or -1; see kernels/fused.h.

    held: [..., tier], what each tier holds in a bin
    """
    some = held > 0
    lowest = np.where(some.any(axis=-1), some.argmax(axis=-1), 0)
    above = np.take_along_axis(held, np.minimum(lowest + 1, held.shape[-1] - 1)[..., None], axis=-1)[..., 0]
    total = held.sum(axis=-1)
    share = np.where(lowest + 1 < held.shape[-1], above, 0.0) / np.where(total > 0, total, 1.0)
    neighbours = (np.arange(held.shape[-1]) >= lowest[..., None]) & (
        np.arange(held.shape[-1]) <= lowest[..., None] + 1
    )
    # A share that rounds to one would name the wrong tier.
    share = np.where(share > 1 - 1e-6, 1.0, share)
    return np.where((some & ~neighbours).any(axis=-1), -1.0, lowest + share)


def _module():
    from kernels import _fused

    return _fused


class Prepared:
    """A packed scenario with the compiled engine bound to it."""

    def __init__(self, scenario: Scenario, gate: bool = True, isa: str = ""):
        shape = scenario.shape
        self.n_cell = Layout(shape).n_cell
        counts = {
            "n_step": shape.n_step, "n_asset": shape.n_asset, "n_venue": shape.n_venue,
            "n_tier": shape.n_tier, "n_group": shape.n_group, "process": shape.process,
            "window_steps": shape.window_steps, "n_mixing": scenario.arrays.mixing.shape[-1],
            "n_cell": self.n_cell,
        }  # fmt: skip
        self.engine = _module().Engine(pack(scenario), counts, shape.dt_seconds / 60, gate, isa)

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """Rows float32 [count, cell]; see `kernels.engines.run_paths`."""
        rows = np.empty((count, self.n_cell), np.float32)
        status = np.empty(count, np.uint32)
        counters = np.zeros(len(COUNTERS), np.int64)
        threads = n_thread or len(os.sched_getaffinity(0))
        self.engine.run(seed, first, rows, status, counters, threads)
        return Batch(rows, status, counters)
