"""The cube: what a tally says, as labelled arrays with units, definitions and intervals.

`fields.yml` owns every name; one that is not in it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr
import yaml

from kernels.mechanisms.adl import HORIZONS
from kernels.mechanisms.clearing import prefunded_resources
from kernels.outcome import CHANNELS, COMPONENTS, COUNTERS, DEFAULTS, SIDES, STATUS
from kernels.scenario import Scenario, ScenarioShape
from stress.measures import UNDEFINED, Estimate, amplification, moments, probability
from stress.measures.distribution import NOTHING, Distribution, distribution
from stress.measures.expected_shortfall import FEW, expected_shortfall, n_beyond
from stress.measures.quantile import quantile
from stress.tally import Tally
from stress.worst import N_WORST

ALL = "all"
PURE = "1"
THRESHOLDS = tuple(m * 10.0**e for e in range(6, 12) for m in (1, 2, 5))


@cache
def definitions() -> dict[str, dict[str, Any]]:
    """The contents of fields.yml."""
    return yaml.safe_load(resources.files("stress").joinpath("fields.yml").read_text("utf-8"))


def cube(
    tally: Tally,
    scenario: Scenario,
    name: str,
    levels: Sequence[float],
    confidence: float,
    static: Any = None,
    open_interest: np.ndarray | None = None,
) -> xr.Dataset:
    """Everything the run's paths say: a dataset whose variables are those of fields.yml.

    levels, confidence: of quantiles and expected shortfalls, of intervals
    static            : the static response of the scenario, see `stress.static_response`
    open_interest     : at the start, USD [asset, venue]; that of isolated positions where it is None
    """
    builder = Builder(tally, scenario.shape, levels, confidence)
    unlisted = {"fall": ~scenario.arrays.listed}
    unlisted |= dict.fromkeys(("cover_listed", "cover_shortfall"), ~with_lists(scenario))
    for field in definitions()["fields"]:
        builder.add_field(field, unlisted.get(field))
    isolated = scenario.arrays.tier_notional[:, 0].sum(axis=-1)
    add_shares(builder, isolated if open_interest is None else open_interest)
    add_probabilities(builder)
    add_cover(builder, scenario)
    add_amplification(builder)
    add_counts(builder)
    if static is not None:
        add_static_response(builder, static)
    return builder.dataset(name)


def coordinates(shape: ScenarioShape, levels: Sequence[float]) -> dict[str, Any]:
    """Labels of every dim that does not depend on what is in the run."""
    return {
        "component": list(COMPONENTS),
        "channel": list(CHANNELS),
        "venue": [*shape.venues, ALL],
        "other_venue": [*shape.venues, ALL],
        "asset": [*shape.assets, ALL],
        "side": [*SIDES, "both"],
        "tier": [*shape.tiers, ALL],
        "horizon": np.array(HORIZONS, np.float64),
        "level": np.array(levels, np.float64),
        "threshold": np.array(THRESHOLDS),
        "n_exhausted": np.arange(1, shape.n_venue + 1),
        "rank": np.arange(1, N_WORST + 1),
        "defaults": list(DEFAULTS),
        "path_status": ["ok", *(word for word, _ in STATUS.values())],
        "counter": list(COUNTERS),
    }


class Builder:
    """Puts variables together; each must be in fields.yml and have the dims it has there."""

    def __init__(self, tally: Tally, shape: ScenarioShape, levels: Sequence[float], confidence: float):
        self.tally, self.shape, self.confidence = tally, shape, confidence
        self.levels = tuple(levels)
        self.labels = coordinates(shape, levels)
        self.variables: dict[str, xr.Variable] = {}
        self.n_path = tally.n_counted

    def distributions(self, field: str, over: str | None = None) -> np.ndarray:
        """The distribution of every cell of a field, an array of objects in the row's own shape."""
        cells = np.arange(self.tally.layout.n_cell)[self.tally.layout.slices[field]]
        found = np.empty(len(cells), object)
        for i, cell in enumerate(cells):
            found[i] = distribution(self.tally, cell, self._n_over(over, cell, i))
        return found.reshape(self.tally.layout.shapes[field])

    def _n_over(self, over: str | None, cell: int, asset: int) -> int | None:
        """How many paths count: None for all; those in stress; those in which the cell is not zero."""
        if over is None:
            return None
        if over == "stressed":
            cell = self.tally.layout.slices["stressed_exogenous_trough"].start + asset
        return self.n_path - int(self.tally.counts[cell, 0])

    def add_field(self, field: str, undefined: np.ndarray | None = None) -> None:
        """All statistics of one block of the row; none of the cells that are `undefined`."""
        cells = self.distributions(field, definitions()["fields"][field].get("over"))
        if undefined is not None:
            cells[undefined] = NOTHING
        for statistic, measure in STATISTICS.items():
            by_level = "level" in definitions()["statistics"][statistic].get("dims", ())
            found = self.estimate(cells, partial(measure, self), by_level)
            self.add(
                f"{field}_{statistic}", found, few_beyond(cells, self.levels) if statistic == "es" else {}
            )

    def estimate(self, cells, measure: Callable[[Distribution], Estimate], by_level=False) -> Estimate:
        """One measure of every cell, [*cells, level?]."""
        found = [measure(cell) for cell in cells.ravel()]
        shape = cells.shape + ((len(self.levels),) if by_level else ())
        parts = ("value", "lower", "upper")
        return Estimate(*(np.array([getattr(e, p) for e in found]).reshape(shape) for p in parts))

    def add(
        self, name: str, values: Estimate | np.ndarray, warning: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """One variable, and the ends of its interval if it is an estimate.

        warning: attributes in addition to those of fields.yml
        """
        attributes = describe(name)
        dims = attributes.pop("dims")
        if not isinstance(values, Estimate):
            self.variables[name] = self._variable(dims, values, attributes)
            return
        attributes["ancillary_variables"] = f"{name}_lower {name}_upper"
        attributes |= warning
        self.variables[name] = self._variable(dims, values.value, attributes)
        for end, bound in (("lower", values.lower), ("upper", values.upper)):
            self.variables[f"{name}_{end}"] = self._variable(
                dims, bound, describe_bound(name, attributes, end, self.confidence)
            )

    def _variable(self, dims: Sequence[str], values, attributes: dict[str, Any]) -> xr.Variable:
        values = np.asarray(values)
        for axis, dim in enumerate(dims):
            n_label = len(self.labels.get(dim, ())) or values.shape[axis]
            if values.shape[axis] == n_label - 1:  # no total of this one
                padding = [(0, 0)] * values.ndim
                padding[axis] = (0, 1)
                values = np.pad(values, padding, constant_values=np.nan)
        return xr.Variable(("scenario", *dims), values[None], attributes)

    def dataset(self, name: str) -> xr.Dataset:
        """All variables, with the coordinates that they use."""
        used = {dim for variable in self.variables.values() for dim in variable.dims}
        coords = {"scenario": [name]} | {dim: v for dim, v in self.labels.items() if dim in used}
        variables = {dim: xr.Variable(dim, values, describe_label(dim)) for dim, values in coords.items()}
        return xr.Dataset(self.variables, variables)


STATISTICS: dict[str, Callable[[Builder, Distribution], Estimate]] = {
    "mean": lambda builder, values: moments.mean(values, builder.confidence),
    "sd": lambda builder, values: moments.standard_deviation(values, builder.confidence),
    "median": lambda builder, values: first(quantile(values, [0.5], builder.confidence)),
    "var": lambda builder, values: quantile(values, builder.levels, builder.confidence),
    "es": lambda builder, values: expected_shortfall(values, builder.levels, builder.confidence),
}


def first(estimate: Estimate) -> Estimate:
    """The first of an array of estimates."""
    return Estimate(estimate.value[0], estimate.lower[0], estimate.upper[0])


def few_beyond(cells: np.ndarray, levels: Sequence[float]) -> dict[str, str]:
    """What to say where few paths lie beyond a level: of those that count in the smallest cell."""
    n_path = min((values.n for values in cells.ravel() if values.n), default=0)
    few = [f"{level:.6g}" for level in levels if n_beyond(n_path, level) < FEW]
    if not few or not n_path:
        return {}
    named = ", ".join(few)
    return {"warning": f"fewer than {FEW} paths lie beyond level {named}: intervals are a rough guide"}


def add_shares(builder: Builder, open_interest: np.ndarray) -> None:
    """Open interest, how much of it was liquidated, and how much of that was long."""
    notional = open_interest.T
    notional = np.concatenate([notional, notional.sum(axis=0, keepdims=True)])
    notional = np.concatenate([notional, notional.sum(axis=1, keepdims=True)], axis=1)
    builder.add("open_interest", notional)
    per_dollar = np.where(notional > 0, 1 / np.where(notional > 0, notional, 1.0), np.nan)
    cells = builder.distributions("liquidated_coins")
    for statistic in ("mean", "median", "var"):
        by_level = statistic == "var"
        found = builder.estimate(cells, partial(STATISTICS[statistic], builder), by_level)
        builder.add(
            f"liquidated_share_{statistic}", found.scaled(per_dollar[..., None] if by_level else per_dollar)
        )
    sides = builder.distributions("liquidated")
    shares = [
        stacked([moments.share(longs, shorts, both, builder.confidence) for longs, shorts, both in venue])
        for venue in sides
    ]
    builder.add("long_share", stacked(shares))


def add_probabilities(builder: Builder) -> None:
    """Exceedance of losses; exhaustion of funds, one by one and together."""
    confidence, n_venue = builder.confidence, builder.shape.n_venue
    losses = builder.distributions("loss")[0, :, -1]
    found = [probability.exceedance(values, THRESHOLDS, confidence) for values in losses]
    builder.add("loss_exceedance", stacked(found))
    funds = [*builder.distributions("exhaustion_time"), builder.distributions("venues_exhausted").item()]
    builder.add("exhaustion_probability", stacked([probability.exhaustion(f, confidence) for f in funds]))
    builder.add("joint_exhaustion_probability", probability.at_least(funds[-1], n_venue, confidence))
    pairs = probability.pairs(builder.tally.exhausted, n_venue)
    builder.add("pair_exhaustion_probability", probability.proportion(pairs, builder.n_path, confidence))


def with_lists(scenario: Scenario) -> np.ndarray:
    """Venues that know their accounts one by one, and whether any does: bool [venue+]."""
    part, n_venue = scenario.parts.cover, scenario.shape.n_venue
    found = np.isin(np.arange(n_venue), [] if part is None else part.venue)
    return np.append(found, found.any())


def add_cover(builder: Builder, scenario: Scenario) -> None:
    """What is prefunded at every venue, and how often it would not cover its largest listed accounts."""
    held = prefunded_resources(scenario.arrays.fund, scenario.parts.clearing)
    builder.add("prefunded", np.append(held, held.sum()))
    cells = builder.distributions("cover_shortfall")
    cells[~with_lists(scenario)] = NOTHING
    found = [[probability.exhaustion(cell, builder.confidence) for cell in venue] for venue in cells]
    builder.add("cover_shortfall_probability", stacked([stacked(venue) for venue in found]))


def add_amplification(builder: Builder) -> None:
    """Stressed paths, and how much deeper their troughs are for the cascades."""
    index = builder.distributions("stressed_index_trough", "stressed")
    exogenous = builder.distributions("stressed_exogenous_trough", "stressed")
    builder.add("stressed_paths", np.array([float(values.n) for values in exogenous]))
    found = [
        amplification.ratio_of_medians(*pair, builder.confidence) if pair[1].n else UNDEFINED
        for pair in zip(index, exogenous, strict=True)
    ]
    builder.add("amplification_ratio", stacked(found))


def add_counts(builder: Builder) -> None:
    """Paths by status and work done: counts, not estimates."""
    builder.add("n_path", np.array(builder.tally.n_path))
    builder.add("status_count", builder.tally.status)
    builder.add("work", builder.tally.counters)


def add_static_response(builder: Builder, static: Any) -> None:
    """The response to a common shock before the run."""
    builder.labels["shock"] = np.asarray(static.shock)
    builder.add("static_response", np.asarray(static.index_fall))
    builder.add("critical_shock", np.array(static.critical_shock, np.float64))


def stacked(found: Sequence[Estimate]) -> Estimate:
    """Estimates one after the other, along a new first axis."""
    return Estimate(*(np.stack([getattr(e, part) for e in found]) for part in ("value", "lower", "upper")))


def describe(name: str) -> dict[str, Any]:
    """Dims and attributes of a variable, from fields.yml; `KeyError` for a name that is not in it."""
    known = definitions()
    if name in known["outputs"]:
        entry, statistic = known["outputs"][name], {}
    else:
        field, _, suffix = name.rpartition("_")
        if field not in known["fields"] or suffix not in known["statistics"]:
            raise KeyError(f"{name} is not defined in fields.yml")
        entry, statistic = known["fields"][field], known["statistics"][suffix]
    both = (entry, statistic)
    found = {
        "dims": (*entry["dims"], *statistic.get("dims", ())),
        "units": entry["unit"],
        "long_name": ", ".join(part["long_name"] for part in both if part),
        "definition": ". ".join(part["definition"] for part in both if part) + ".",
    }
    return found | ({"references": statistic["reference"]} if "reference" in statistic else {})


def describe_bound(name: str, attributes: dict[str, Any], end: str, confidence: float) -> dict[str, Any]:
    """Attributes of the end of an interval: of what, and at which confidence."""
    return {
        "units": attributes["units"],
        "long_name": f"{attributes['long_name']}, {end} end of interval",
        "definition": f"{end.capitalize()} end of the {100 * confidence:.6g}% confidence interval of {name}. "
        f"{name}: {attributes['definition']}",
        "confidence": confidence,
    }


def describe_label(dim: str) -> dict[str, str]:
    """Attributes of a coordinate, from fields.yml."""
    entry = definitions()["coordinates"][dim]
    return described(entry)


def describe_group(group: str, dataset: xr.Dataset) -> xr.Dataset:
    """A dataset of one of the groups beside the cube, with what fields.yml says of its variables."""
    known = definitions()["groups"][group]
    for name, variable in dataset.variables.items():
        if name in dataset.coords and name not in known:
            variable.attrs |= describe_label(str(name))
        else:
            variable.attrs |= described(known[str(name)])
    return dataset


def described(entry: Mapping[str, str]) -> dict[str, str]:
    """Attributes of a label or of what a group holds; text has the unit of a pure number."""
    words = {"long_name": entry["long_name"], "definition": entry["definition"]}
    return {"units": entry["unit"] or PURE} | words


def names() -> Iterator[str]:
    """Every name that a cube may hold, without the ends of intervals."""
    known = definitions()
    yield from (f"{field}_{statistic}" for field in known["fields"] for statistic in known["statistics"])
    yield from known["outputs"]
