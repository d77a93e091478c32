"""A replayed path as datasets: every variable with its dims, unit and definition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from kernels.outcome import CHANNELS, COMPONENTS, FIELDS, SIDES, Layout
from kernels.parts import trace
from kernels.scenario import Scenario, ScenarioShape
from stress.cube import ALL, coordinates, describe_label

LONG_NAMES = {
    "exogenous": "Exogenous price", "price": "Traded price", "depth": "Depth without overlays",
    "frontier": "Frontier", "forced": "Forced so far", "coins": "Forced coins so far",
    "deleveraged": "Auto-deleveraged so far", "exited": "Left early so far", "fund": "Insurance funds",
    "fundamental": "Fundamental price", "index": "Index price", "mark": "Mark price",
    "depth_in_force": "Depth in force", "flow": "Executed forced orders", "others": "Orders of others",
    "fill": "Price of fills", "backlog": "Backlog", "backlog_accounts": "Backlog of accounts",
    "forced_tier": "Forced so far by tier", "adl_tier": "Auto-deleveraged so far by tier",
    "loss": "Loss so far", "owed": "Deficits still owed", "inventory": "Inventory of the vault",
    "sold_by": "Orders so far by channel", "halted": "Halted", "down": "Down",
    "deleveraging": "Auto-deleveraging on",
}  # fmt: skip

OF_LISTED = ("price", "depth", "mark", "depth_in_force", "fill")
"""Variables of a market that mean nothing where a venue does not list the asset."""

PLACES = {
    "step": "Number of the step, from 0",
    "asset": "Number of the asset in the root group, from 0",
    "answer": "How often the cascades of the step had come to an end before, and accounts had answered",
    "number": "Number of the round within its answer, from 1",
}


def steps(told: trace.Replay, scenario: Scenario) -> xr.Dataset:
    """What stood after every step: the root group."""
    shape, arrays = scenario.shape, scenario.arrays
    variables = {}
    for field in (*trace.FIELDS, *trace.DETAIL):
        values = told.steps[field.name]
        if field.name in OF_LISTED:
            values = np.where(arrays.listed, values, np.array(np.nan, values.dtype))
        if field.name == "fill":
            values = np.where(values > 0, values, np.array(np.nan, values.dtype))
        variables[field.name] = xr.Variable(("time", *field.dims), values, described(field))
    variables["depth_start"] = xr.Variable(
        ("asset", "venue"), np.where(arrays.listed, arrays.depth, np.nan),
        {"units": "USD", "long_name": "Depth at the start", "definition": "What moves a market by 1%"},
    )  # fmt: skip
    return xr.Dataset(variables, labels(shape, ("asset", "venue", "side", "tier", "component", "channel")))


def labels(shape: ScenarioShape, dims: Sequence[str]) -> dict[str, xr.Variable]:
    """Coordinates of a path, times among them; none of them has an entry for all."""
    known: dict[str, Sequence[str]] = {
        "asset": shape.assets, "venue": shape.venues, "side": SIDES, "tier": shape.tiers,
        "component": COMPONENTS, "channel": CHANNELS,
    }  # fmt: skip
    found = {dim: xr.Variable(dim, list(known[dim]), describe_label(dim)) for dim in dims}
    minutes = np.arange(1, shape.n_step + 1) * (shape.dt_seconds / 60)
    words = {
        "long_name": "Time",
        "definition": "Minutes from the start to the end of the step",
        "units": "min",
    }
    return {"time": xr.Variable("time", minutes, words), **found}


def described(field: trace.TraceField) -> dict[str, str]:
    """Attributes of a variable."""
    definition = field.doc[0].upper() + field.doc[1:]
    long_name = LONG_NAMES.get(field.name, field.name)
    return {"units": field.unit, "long_name": long_name, "definition": definition}


def rounds(told: trace.Rounds, shape: ScenarioShape) -> xr.Dataset:
    """Every round of every cascade, in order."""
    places: dict[str, Any] = {
        name: xr.Variable(
            "round", getattr(told, name), {"units": "1", "long_name": name.capitalize(), "definition": words}
        )
        for name, words in PLACES.items()
    }
    numbers = {
        field.name: xr.Variable(("round", *field.dims), told.fields[field.name], described(field))
        for field in trace.ROUND_FIELDS
    }
    coords = labels(shape, ("venue", "side"))
    return xr.Dataset(places | numbers, {dim: coords[dim] for dim in ("venue", "side")})


def row(values: np.ndarray, shape: ScenarioShape) -> xr.Dataset:
    """The outcome row of the path, by field; labels as in the cube, `all` among them."""
    layout, known = Layout(shape), coordinates(shape, ())
    variables, used = {}, set()
    for field in FIELDS:
        dims = tuple(dim.removesuffix("+") for dim in field.dims)
        block = layout.view(values, field.name)
        # A quantity that has no total has none here, either.
        missing = [(0, len(known[dim]) - size) for dim, size in zip(dims, block.shape, strict=True)]
        block = np.pad(block, missing, constant_values=np.nan) if dims else block
        words = {"units": field.unit, "long_name": field.name.replace("_", " ").capitalize()}
        words["definition"] = field.doc[0].upper() + field.doc[1:]
        variables[field.name] = xr.Variable(dims, block, words)
        used |= set(dims)
    coords = {dim: xr.Variable(dim, known[dim], describe_label(dim)) for dim in known if dim in used}
    return xr.Dataset(variables, coords)


def cell(row: xr.Dataset, component: str = "total", venue: str = ALL, tier: str = ALL) -> np.generic:
    """One loss of the row, as the engine has it."""
    return row.loss.sel(component=component, venue=venue, tier=tier).values[()]
