"""What results rest on: a register of assumptions, moved one at a time and all together.

Every entry scales an input of the compiled market by a factor within a range. One at a time says how far
the answer moves if that one is wrong; Sobol's indices, over all ranges at once, say which share of the
variance of the answer comes from each: alone (first order) and with all that it does together with others
(total).
Saltelli et al. (2010), Computer Physics Communications 181, 259-270; the sampling is scipy's.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from kernels import engines
from kernels.outcome import CHANNELS, COMPONENTS, FAILED, Layout
from kernels.scenario import Scenario
from stress.config import tree
from stress.config.base import PositiveNumber, Strict, Text
from stress.config.loader import read_mapping
from stress.config.validate import modelled
from stress.errors import BackendError, ConfigError, quoted, suggest
from stress.jobs import Job
from stress.numbers import money, percent, plain
from stress.shards import machine_errors
from stress.terminal.tables import add_row, rendered, table

Scale = Callable[[Scenario, float], Scenario]

MEASURES = ("liquidated", "fall", "deficit", "deleveraged")
"""What moves: means over paths, of all venues; the fall is that of the first asset's index."""


FREE_WILL = ("retail_exit", "stop_loss", "momentum", "treasury")
"""Channels of accounts that nobody forces."""


def arrays(scenario: Scenario, **changes: np.ndarray) -> Scenario:
    """The scenario with other arrays."""
    return dataclasses.replace(scenario, arrays=scenario.arrays.replace(**changes))


def scaled(*names: str, power: float = 1.0) -> Scale:
    """Arrays times a power of the factor."""
    return lambda s, x: arrays(s, **{name: getattr(s.arrays, name) * x**power for name in names})


def half_life(name: str, keeps: bool) -> Scale:
    """A half-life times the factor, behind a factor of what is kept, or lost, in a step."""

    def scale(scenario: Scenario, x: float) -> Scenario:
        value = getattr(scenario.arrays, name)
        return arrays(scenario, **{name: value ** (1 / x) if keeps else 1 - (1 - value) ** (1 / x)})

    return scale


def shape(scenario: Scenario, x: float) -> Scenario:
    """The linear share of the books; at most one."""
    alpha = scenario.arrays.alpha
    return arrays(scenario, alpha=np.where(alpha < 1, np.minimum(alpha * x, 1.0), alpha))


def leverage(scenario: Scenario, x: float) -> Scenario:
    """What can be forced, at most all open interest; who sells by choice is left as he is."""
    a = scenario.arrays
    can, held = a.forced_total[..., -1], a.tier_notional.sum(axis=-1)
    most = np.where(can > 0, held / np.where(can > 0, can, 1.0), 1.0)
    factor = np.minimum(x, np.maximum(most, 1.0))
    wide = factor[:, :, None, :, None, None]
    found = arrays(
        scenario,
        forced=a.forced * wide,
        margin=a.margin * wide,
        forced_total=a.forced_total * factor[..., None],
    )
    return accounts(found, x, lambda channel: ~np.isin(channel, [CHANNELS.index(name) for name in FREE_WILL]))


def channel(name: str) -> Scale:
    """Notional of the accounts of one channel."""
    return lambda scenario, x: accounts(scenario, x, lambda channel: channel == CHANNELS.index(name))


def accounts(scenario: Scenario, x: float, which: Callable[[np.ndarray], np.ndarray]) -> Scenario:
    """Notional of the accounts of some channels."""
    part = scenario.parts.account
    if part is None:
        return scenario
    factor = np.where(which(part.channel), x, 1.0)[:, None, None, None]
    part = dataclasses.replace(part, forced=part.forced * factor)
    return dataclasses.replace(scenario, parts=scenario.parts.replace(account=part))


def closing(scenario: Scenario, x: float) -> Scenario:
    """The share of takers' positions that close; at most all."""
    return arrays(scenario, closing_share=np.minimum(scenario.arrays.closing_share * x, 1.0))


INPUTS: dict[str, tuple[str, Scale]] = {
    "depth": ("depth of all books", scaled("depth")),
    "shape": ("shape of books, to linear", shape),
    "refill": ("half-life of refill", half_life("refill", keeps=True)),
    "withdrawal": ("withdrawal of quotes", scaled("withdrawal", power=2.0)),
    "permanent_impact": ("impact that stays", scaled("permanent")),
    "arbitrage": ("half-life of venue gaps", half_life("arbitrage", keeps=False)),
    "leverage": ("notional that can be forced", leverage),
    "early_exits": ("notional that leaves early", channel("retail_exit")),
    "stops": ("stop orders", channel("stop_loss")),
    "news": ("size of imposed price shocks", scaled("shock")),
    "volatility": ("volatility", scaled("volatility", "monitoring")),
    "throughput": ("throughput of engines", scaled("throughput")),
    "funds": ("insurance funds", scaled("fund", "adl_below")),
    "fees": ("liquidation fees", scaled("fee_rate")),
    "closing_share": ("takers whose position closes", closing),
}
"""What can be moved: what it is, and how."""


class Assumption(Strict):
    """One entry of the register."""

    input: Text
    """What is moved."""
    kind: Literal["observed", "estimated", "assumed"]
    """Observed in public records, estimated from them, or assumed."""
    range: Annotated[tuple[PositiveNumber, PositiveNumber], Field(min_length=2, max_length=2)]
    """Factors between which the true value is thought to lie, with the config's at 1."""
    basis: Text
    """What the value and the range rest on."""


class Register(Strict):
    """What a market's results rest on."""

    title: Text
    assumptions: tuple[Assumption, ...] = Field(min_length=1, max_length=30)


def load_register(path: str | os.PathLike[str]) -> Register:
    """Read a register; `ConfigError` with every problem found."""
    root, origin = read_mapping(path)
    register, problems = modelled(Register, root, tree.plain(root), set(), origin)
    for i, entry in enumerate(register.assumptions if register else ()):
        at = ("assumptions", i)
        if entry.input not in INPUTS:
            what = f"{quoted(entry.input)} is not known"
            problems.append(origin.problem((*at, "input"), what, *suggest(entry.input, INPUTS)))
        if not entry.range[0] <= 1 <= entry.range[1] or entry.range[0] == entry.range[1]:
            why = "the config's own value is the factor 1"
            problems.append(origin.problem((*at, "range"), "does not reach over 1", why))
    if register is None or problems:
        raise ConfigError.of(problems)
    return register


def measured(job: Job, scenario: Scenario, threads: int = 0) -> np.ndarray:
    """Means over the job's paths that did not fail, in the order of `MEASURES`."""
    run = job.config.run
    with machine_errors():
        batch = engines.Engine(job.backend, scenario).run_paths(run.seed, 0, run.paths, threads)
    layout, sound = Layout(scenario.shape), batch.rows[(batch.status & FAILED) == 0]
    if not len(sound):
        raise BackendError("every path failed. Look at the run itself: `stress run` says why")
    rows = {name: sound[:, where].astype(np.float64) for name, where in layout.slices.items()}
    loss = rows["loss"].reshape(len(sound), len(COMPONENTS), -1)
    found = {
        "liquidated": rows["liquidated"][:, -1],
        "fall": rows["index_fall"][:, 0],
        "deficit": loss[:, COMPONENTS.index("deficit"), -1],
        "deleveraged": rows["adl_notional"][:, -1],
    }
    return np.array([found[name].mean() for name in MEASURES])


def one_at_a_time(
    job: Job, register: Register, threads: int = 0, progress: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Every assumption at both ends of its range, on the same paths."""
    base = measured(job, job.scenario, threads)
    entries = []
    for entry in register.assumptions:
        words, scale = INPUTS[entry.input]
        progress(words)
        ends = [measured(job, scale(job.scenario, x), threads) for x in entry.range]
        moved = {
            name: {"low": float(ends[0][i]), "high": float(ends[1][i])} for i, name in enumerate(MEASURES)
        }
        entries.append({**entry.model_dump(mode="json"), "words": words, "moved": moved})
    return {
        "n_path": job.config.run.paths,
        "base": dict(zip(MEASURES, map(float, base), strict=True)),
        "assumptions": entries,
    }


def sobol(
    job: Job, register: Register, n: int, threads: int = 0, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Sobol's indices of all assumptions, log-uniform over their ranges, with 95% bootstrap intervals.

    n: base samples, a power of two; the market is run n (k + 2) times, for k assumptions
    """
    from scipy.stats import DegenerateDataWarning, loguniform, sobol_indices

    scales = [INPUTS[entry.input][1] for entry in register.assumptions]
    done, total = 0, n * (len(scales) + 2)

    def of(samples: np.ndarray) -> np.ndarray:
        nonlocal done
        found: list[np.ndarray] = []
        for x in samples.T:
            scenario = job.scenario
            for scale, factor in zip(scales, x, strict=True):
                scenario = scale(scenario, float(factor))
            found.append(measured(job, scenario, threads))
            done += 1
            if progress:
                progress(done, total)
        return np.array(found).T

    spread = [loguniform(*entry.range) for entry in register.assumptions]
    seed = np.random.default_rng(job.config.run.seed)
    # What never moves has no variance to share.
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = sobol_indices(func=of, n=n, dists=spread, rng=seed)
        sure = found.bootstrap(n_resamples=1000)
    result: dict[str, Any] = {"n": n, "runs": total, "n_path": job.config.run.paths, "indices": {}}
    for i, measure in enumerate(MEASURES):
        result["indices"][measure] = [
            {
                "input": entry.input,
                "first": index(found.first_order, sure.first_order, i, k),
                "total": index(found.total_order, sure.total_order, i, k),
            }
            for k, entry in enumerate(register.assumptions)
        ]
    return result


def index(values: np.ndarray, sure: Any, i: int, k: int) -> dict[str, float | None]:
    """One index with its interval; None where the measure never moves."""
    low, high = (float(end[i, k]) for end in sure.confidence_interval)
    return {"value": plain(float(values[i, k])), "lower": plain(low), "upper": plain(high)}


def write(alone: dict[str, Any], together: dict[str, Any] | None = None, measure: str = "liquidated") -> str:
    """The register as a table: what each entry moves, and its indices where they were computed."""
    base = alone["base"]
    title = f"{alone['n_path']:,} paths: {money(base['liquidated'])} forced, the first asset falls by "
    heads = ["", "kind", "range", "forced", "fall", *(("alone", "with others") if together else ())]
    made = table(title + percent(base["fall"]), *heads)
    by_input = {x["input"]: x for x in together["indices"][measure]} if together else {}
    for entry in alone["assumptions"]:
        low, high = entry["range"]
        cells = [entry["kind"], f"{low}–{high}x"]
        for name, show in (("liquidated", money), ("fall", percent)):
            ends = entry["moved"][name]
            cells.append(f"{show(ends['low'])} to {show(ends['high'])}")
        for order in ("first", "total") if together else ():
            x = by_input[entry["input"]][order]
            value, low, high = (x[end] for end in ("value", "lower", "upper"))
            sure = "" if low is None or high is None else f" ± {(high - low) / 2:.2f}"
            cells.append("" if value is None else f"{value:.2f}{sure}")
        add_row(made, entry["words"], *cells)
    return rendered(made)


def ranked(found: dict[str, Any], measure: str = "liquidated") -> Sequence[str]:
    """Inputs by how far the measure moves over their range, the farthest first."""
    spans = {
        entry["input"]: abs(entry["moved"][measure]["high"] - entry["moved"][measure]["low"])
        for entry in found["assumptions"]
    }
    return sorted(spans, key=lambda name: -spans[name])
