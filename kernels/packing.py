"""The scenario as the fused engine reads it: float32, lanes last; layouts in kernels/fused.h."""

from __future__ import annotations

import dataclasses

import numpy as np

from kernels.arrays import LANES, MAX_TIER
from kernels.mechanisms.account import MAX_SLOT
from kernels.mechanisms.adl import ADL_NONE
from kernels.mechanisms.feed import MAX_PAST
from kernels.mechanisms.feed.step_numpy import longest
from kernels.mechanisms.flow import MAX_COMPANY, MAX_SOURCE
from kernels.mechanisms.overlay import MAX_EVENT
from kernels.parts.table.table_numpy import EDGES
from kernels.scenario import MAX_GROUP, NEEDED_PARTS, PARTS, Parts, Scenario, ScenarioArrays

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

WIDTH = {"venue": LANES, "target": LANES, "tier": MAX_TIER}
"""Last axes of parts that are padded, and how wide they become."""

CARRIED = {np.float64: np.float32, np.int32: np.int32, np.uint64: np.uint64}
"""Types of leaves and what they are handed over as."""


def lanes(array: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """The trailing venue axis padded to LANES."""
    return padded(array, LANES, fill)


def padded(array: np.ndarray, width: int, fill: float = 0.0) -> np.ndarray:
    """The trailing axis padded to `width`."""
    pad = [(0, 0)] * (array.ndim - 1) + [(0, width - array.shape[-1])]
    return np.pad(array, pad, constant_values=fill)


def pack(scenario: Scenario, names: list[str]) -> dict[str, np.ndarray]:
    """The arrays `names` of a scenario; those of parts that it does without are empty.

    raises: ValueError where there are more venues, assets, tiers, slots of accounts or sources of flows than
            the fused engine holds, or the exogenous process lacks its part
    """
    shape, arrays = scenario.shape, scenario.arrays
    if shape.n_venue > LANES or shape.n_tier > MAX_TIER or shape.n_asset > LANES:
        raise ValueError(f"the fused engine holds {LANES} venues, {LANES} assets and {MAX_TIER} tiers")
    parts = scenario.parts
    if parts.account is not None and len(parts.account.channel) > MAX_SLOT:
        raise ValueError(f"the fused engine holds {MAX_SLOT} slots of accounts")
    if parts.flow is not None and len(parts.flow.channel) > MAX_SOURCE:
        raise ValueError(f"the fused engine holds {MAX_SOURCE} sources of frozen flows")
    if parts.premium is not None and len(parts.premium.source) > MAX_COMPANY:
        raise ValueError(f"the fused engine holds {MAX_COMPANY} companies with a premium")
    if parts.event is not None and len(parts.event.share) > MAX_EVENT:
        raise ValueError(f"the fused engine holds {MAX_EVENT} events of drawn size")
    if longest(parts.feed) * shape.n_asset > MAX_PAST:
        raise ValueError(f"the fused engine holds {MAX_PAST} marks of earlier steps, steps times assets")
    needed = NEEDED_PARTS.get(shape.process)
    if needed and getattr(scenario.parts, needed) is None:
        raise ValueError(f"the exogenous process needs the part {needed}")
    if scenario.parts.adl is None and (arrays.adl_policy != ADL_NONE).any():
        raise ValueError("a venue deleverages, but the part adl, where winners stand, is not there")
    packed, types = part_arrays(scenario)
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
    for name in names:
        if name not in packed:
            packed[name] = getattr(arrays, name) if hasattr(arrays, name) else ABSENT
        packed[name] = aligned(packed[name], types.get(name) or integers.get(name, np.float32))
    return packed


ABSENT = np.zeros(0)
"""Stands for an array of a part that is not there."""


def part_arrays(scenario: Scenario) -> tuple[dict[str, np.ndarray], dict[str, type]]:
    """Arrays of the parts by `<part>_<leaf>`, trailing axes padded; and the types of all that could be."""
    packed, types = {}, {}
    for part in dataclasses.fields(Parts):
        held = getattr(scenario.parts, part.name)
        for f in dataclasses.fields(PARTS[part.name]):
            name = f"{part.name}_{f.name}"
            types[name] = CARRIED[f.metadata["dtype"]]
            if held is not None:
                value = getattr(held, f.name)
                width = WIDTH.get(f.metadata["dims"][-1])
                if value.dtype == np.float64:
                    value = np.clip(value, -FAR, FAR)
                packed[name] = padded(value, width) if width else value
    return packed, types


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
