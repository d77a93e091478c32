"""What each mechanism adds: the same paths again, with one mechanism switched off at a time.

The draws of a path depend on seed, path, step and site alone, so every variant meets the same news;
differences are taken path by path, and their intervals are far narrower than those of the levels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels import engines
from kernels.mechanisms.adl import ADL_NONE
from kernels.outcome import CHANNELS, COMPONENTS, FAILED, Layout
from kernels.scenario import GBM, NEEDED_PARTS, Scenario
from stress.jobs import Job
from stress.shards import machine_errors

NORMAL_95 = 1.959964
"""Half-width of a 95% interval, in standard errors."""


@dataclass(frozen=True)
class Switch:
    """One mechanism, and the scenario without it; the same object where it has none."""

    name: str
    without: Callable[[Scenario], Scenario]


def with_arrays(**changes: float) -> Callable[[Scenario], Scenario]:
    """Arrays filled with numbers."""

    def without(scenario: Scenario) -> Scenario:
        arrays = scenario.arrays
        new = {
            name: np.full_like(getattr(arrays, name), value)
            for name, value in changes.items()
            if (getattr(arrays, name) != value).any()
        }
        return dataclasses.replace(scenario, arrays=arrays.replace(**new)) if new else scenario

    return without


def own_marks(scenario: Scenario) -> Scenario:
    """Every venue marks to its own last price."""
    arrays = scenario.arrays
    own = np.broadcast_to(np.eye(scenario.shape.n_venue), arrays.mark_weight.shape)
    listed = arrays.listed[:, :, None]
    weight = np.where(listed, own, arrays.mark_weight)
    parts = scenario.parts
    if (weight == arrays.mark_weight).all() and parts.marking is None:
        return scenario
    arrays, parts = arrays.replace(mark_weight=weight), parts.replace(marking=None)
    return dataclasses.replace(scenario, arrays=arrays, parts=parts)


def nobody_isolated(scenario: Scenario) -> Scenario:
    """No isolated position is ever forced; open interest stays, as winners."""
    arrays = scenario.arrays
    empty = {name: np.zeros_like(getattr(arrays, name)) for name in ("forced", "margin", "forced_total")}
    return dataclasses.replace(scenario, arrays=arrays.replace(**empty))


def without_channel(channel: int) -> Callable[[Scenario], Scenario]:
    """Accounts of one channel are never forced."""

    def without(scenario: Scenario) -> Scenario:
        part = scenario.parts.account
        if part is None or not (part.channel == channel).any():
            return scenario
        forced = np.where((part.channel == channel)[:, None, None, None], 0.0, part.forced)
        parts = scenario.parts.replace(account=dataclasses.replace(part, forced=forced))
        return dataclasses.replace(scenario, parts=parts)

    return without


def without_part(name: str) -> Callable[[Scenario], Scenario]:
    """A part that is not there."""

    def without(scenario: Scenario) -> Scenario:
        if getattr(scenario.parts, name) is None:
            return scenario
        return dataclasses.replace(scenario, parts=scenario.parts.replace(**{name: None}))

    return without


def geometric(scenario: Scenario) -> Scenario:
    """Geometric Brownian motion at the volatilities and the correlation of the scenario's arrays."""
    shape = dataclasses.replace(scenario.shape, process=GBM)
    none = dict.fromkeys((*NEEDED_PARTS.values(), "correlation"))
    return dataclasses.replace(scenario, shape=shape, parts=scenario.parts.replace(**none))


def switches(scenario: Scenario) -> Iterator[Switch]:
    """All mechanisms that can be switched off, in the order of a step."""
    yield Switch("imposed price shocks", with_arrays(shock=0.0))
    yield Switch("imposed volatility", with_arrays(volatility_level=1.0))
    yield Switch("imposed depth", with_arrays(depth_level=1.0))
    yield Switch("withdrawal of quotes", with_arrays(withdrawal=0.0))
    yield Switch("permanent impact", with_arrays(permanent=0.0))
    yield Switch("arbitrage", with_arrays(arbitrage=0.0))
    yield Switch("marks of other venues", own_marks)
    yield Switch("monitoring within steps", with_arrays(monitoring=0.0))
    yield Switch("limits of throughput", with_arrays(throughput=np.inf))
    yield Switch("liquidation fees", with_arrays(fee_rate=0.0))
    yield Switch("auto-deleveraging", with_arrays(adl_policy=ADL_NONE))
    yield Switch("isolated positions", nobody_isolated)
    for channel, name in enumerate(CHANNELS):
        yield Switch(name.replace("_", " "), without_channel(channel))
    process = NEEDED_PARTS.get(scenario.shape.process)
    if process:
        yield Switch(process.replace("_", " "), geometric)
    for part in dataclasses.fields(scenario.parts):
        # Those left out have switches of their own, or, as cover, move nothing.
        if part.name not in ("account", "adl", "cover", process):
            yield Switch(part.name.replace("_", " "), without_part(part.name))


@dataclass(frozen=True)
class Figures:
    """What the table is made of, path by path: float64 [path] each."""

    liquidated: np.ndarray
    fund_draw: np.ndarray
    bad_debt: np.ndarray
    fall: np.ndarray


def figures(job: Job, scenario: Scenario, threads: int) -> Figures:
    """Run the job's paths in a scenario."""
    run = job.config.run
    with machine_errors():
        batch = engines.Engine(job.backend, scenario).run_paths(run.seed, 0, run.paths, threads)
    layout, sound = Layout(scenario.shape), (batch.status & FAILED) == 0
    rows = np.where(sound[:, None], batch.rows, np.nan).astype(float)
    loss = layout.view(rows, "loss")[..., -1, -1]
    return Figures(
        liquidated=layout.view(rows, "liquidated")[:, -1, -1, -1],
        fund_draw=loss[:, COMPONENTS.index("fund_draw")],
        bad_debt=loss[:, COMPONENTS.index("bad_debt")],
        fall=layout.view(rows, "index_fall")[:, 0],
    )


def change(base: np.ndarray, without: np.ndarray) -> dict[str, float]:
    """Mean of base less without, path by path, with the half-width of its 95% interval."""
    difference = base - without
    difference = difference[np.isfinite(difference)]
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.nan
    return {"mean": float(difference.mean()), "interval": float(NORMAL_95 * error)}


def ablate(job: Job, threads: int = 0, say: Callable[[str], None] = print) -> dict[str, Any]:
    """The levels with everything on, and what every mechanism adds to them.

    say: told what is going on
    """
    base = figures(job, job.scenario, threads)
    names = [f.name for f in dataclasses.fields(Figures)]
    levels = {
        name: {"median": float(np.nanmedian(value)), "mean": float(np.nanmean(value))}
        for name in names
        for value in (getattr(base, name),)
    }
    rows = []
    for switch in switches(job.scenario):
        scenario = switch.without(job.scenario)
        if scenario is job.scenario:
            continue
        say(switch.name)
        found = figures(job, scenario, threads)
        adds = {name: change(getattr(base, name), getattr(found, name)) for name in names}
        median = {name: float(np.nanmedian(getattr(found, name))) for name in names}
        rows.append({"without": switch.name, "median": median, "adds": adds})
    return {
        "config": job.name,
        "paths": job.config.run.paths,
        "asset": job.scenario.shape.assets[0],
        "all_on": levels,
        "switched_off": rows,
    }


def write(found: dict[str, Any]) -> str:
    """The table as text; amounts in billions of dollars."""
    billion, percent = 1e9, 0.01

    def row(name: str, cells: list[str]) -> str:
        return f"{name:32}" + "".join(f"{cell:>22}" for cell in cells)

    def with_interval(adds: dict[str, float], unit: float, digits: int) -> str:
        return f"{adds['mean'] / unit:+.{digits}f} ± {adds['interval'] / unit:.{digits}f}"

    heads = ["liquidated, median", "adds to liquidated", "to fund draw", "to bad debt"]
    lines = [row("$B", [*heads, f"to {found['asset']} fall, points"])]
    on = found["all_on"]
    lines.append(row("all on", [f"{on['liquidated']['median'] / billion:.3f}"]))
    for entry in found["switched_off"]:
        adds = entry["adds"]
        cells = [f"{entry['median']['liquidated'] / billion:.3f}"]
        cells += [with_interval(adds[name], billion, 3) for name in ("liquidated", "fund_draw", "bad_debt")]
        lines.append(row(f"without {entry['without']}", [*cells, with_interval(adds["fall"], percent, 2)]))
    return "\n".join(lines)
