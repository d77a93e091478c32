"""The engine in JAX: a differentiable twin of the reference, on the same arrays and the same draws.

One path is written out, in the order of engine_numpy.py; all paths of a batch are one `vmap` of it, and
steps are one `scan`. docs/differentiable.md says what its gradients mean.
"""

from __future__ import annotations

import dataclasses
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from kernels import outcome
from kernels.batch import Batch, EngineError
from kernels.mechanisms.cascade import MAX_ROUNDS, TOLERANCE
from kernels.parts.record import record_jax as recording
from kernels.path_jax import path_of
from kernels.scenario import PARTS, Parts, Scenario, ScenarioArrays
from kernels.state_jax import Rules, market_of
from kernels.state_jax import drawn as drawn_of

BLOCK = 128
"""Paths that are run together, from its multiples on: a path has the same bits in any range."""


KNOWN = (
    "account",
    "adl",
    "bootstrap",
    "clearing",
    "correlation",
    "cover",
    "event",
    "feed",
    "flow",
    "funding",
    "halt",
    "leverage",
    "margin_raise",
    "marking",
    "outage",
    "premium",
    "regimes",
    "response",
    "stochastic_volatility",
    "vault",
    "waterfall",
    "whale",
)
"""Parts that this engine has."""


def unsupported(scenario: Scenario) -> str | None:
    """What this engine lacks for a scenario, in a sentence; None if nothing."""
    lacking = [name for name in PARTS if name not in KNOWN and getattr(scenario.parts, name) is not None]
    if not lacking:
        return None
    return (
        f"the engine jax does not have these mechanisms yet: {', '.join(lacking)}. "
        "Leave them out, or take another engine"
    )


def simulate(shape, rules, fixed, floats, seed, path):
    """Every field of the outcome of paths, by name, with `status` and `counters`; all [path, ...].

    fixed : what is no float, and so no number to differentiate by, in NumPy by name, and `thinning`
    floats: the scenario's float arrays by name: the function is differentiable in each of them
    seed  : low and high word, uint32; path: the same, [path] each
    """
    whole = fixed | floats
    arrays = ScenarioArrays(**{name: whole[name] for name in leaves(ScenarioArrays)})
    parts = Parts(
        **{
            part: kind(**{name: whole[f"{part}.{name}"] for name in leaves(kind)})
            for part, kind in PARTS.items()
            if f"{part}.{leaves(kind)[0]}" in whole
        }
    )
    market = market_of(arrays, parts, fixed["thinning"])
    return jax.vmap(lambda path: path_of(shape, rules, market, drawn_of(market, seed, path)))(path)


def leaves(kind) -> list[str]:
    """Names of the arrays of a part, or of the scenario's own."""
    return [f.name for f in dataclasses.fields(kind)]


def named(scenario: Scenario) -> dict[str, np.ndarray]:
    """All arrays of a scenario by name; those of parts are called `part.leaf`."""
    found = {name: getattr(scenario.arrays, name) for name in leaves(ScenarioArrays)}
    for part, kind in PARTS.items():
        held = getattr(scenario.parts, part)
        if held is not None:
            found |= {f"{part}.{name}": getattr(held, name) for name in leaves(kind)}
    return found


@cache
def compiler_options() -> dict[str, bool]:
    """Options of XLA that halve the time it takes to compile and cost nothing later, where it knows them."""
    options = {"xla_cpu_use_fusion_emitters": False}
    try:
        jax.jit(lambda x: x + 1, compiler_options=options)(np.zeros(1, np.float32))
    except Exception:  # an option that this version does not have; XLA has types of its own for that
        return {}
    return options


def halves(number):
    """Low and high word of integers below 2**64."""
    number = np.asarray(number, np.uint64)
    return (number & np.uint64(0xFFFFFFFF)).astype(np.uint32), (number >> np.uint64(32)).astype(np.uint32)


class Engine:
    """The engine bound to one scenario.

    precision: "float64", which agrees with the reference to rounding, or "float32"
    tolerance: of the rounds, as a share of depth; gradients are those of the limit, where it is zero
    """

    def __init__(
        self,
        scenario: Scenario,
        precision: str = "float64",
        tolerance: float = TOLERANCE,
        max_rounds: int = MAX_ROUNDS,
    ):
        if reason := unsupported(scenario):
            raise EngineError(reason)
        self.scenario, self.precision = scenario, precision
        values = named(scenario)
        self.floats = {name: x for name, x in values.items() if x.dtype == np.float64}
        """The arrays that a gradient is taken by, NumPy float64 by name."""
        fixed = {name: x for name, x in values.items() if name not in self.floats}
        fixed["thinning"] = np.asarray((scenario.arrays.alpha > 1).any(axis=-1, keepdims=True))
        rules = Rules(False, float(tolerance), int(max_rounds))
        self._run = jax.jit(
            partial(simulate, scenario.shape, rules, fixed), compiler_options=compiler_options()
        )
        self._smooth = partial(simulate, scenario.shape, rules._replace(gradients=True), fixed)

    def wide(self):
        """A context in which JAX has the precision of this engine; nothing outside it changes."""
        return jax.enable_x64(self.precision == "float64")

    def arrays(self):
        """`floats` in this engine's precision: what `simulate` takes. Within `wide()`."""
        return {name: jnp.asarray(x, self.precision) for name, x in self.floats.items()}

    def simulate(self, arrays, seed: int, first: int, count: int):
        """Fields of the outcome by name, [path, *dims], of a range of paths; within `wide()`.

        Pure, and differentiable in every array of `arrays`; see `kernels.outcome.FIELDS`.
        """
        path = np.arange(first, first + count, dtype=np.uint64)
        return self._smooth(arrays, halves(seed), halves(path))

    def gradient(self, measure, seed: int, first: int, count: int):
        """A number of the outcome and its gradient by every float array, NumPy by name.

        measure: makes a number of the fields of paths, in JAX
        """
        with self.wide():
            of = jax.value_and_grad(lambda arrays: measure(self.simulate(arrays, seed, first, count)))
            of = jax.jit(of, compiler_options=compiler_options())
            value, slope = of(self.arrays())
            return float(value), {name: np.asarray(x, np.float64) for name, x in slope.items()}

    def run_paths(self, seed: int, first: int, count: int, n_thread: int = 0) -> Batch:
        """Rows of paths `first` to `first + count - 1`; see `kernels.engines`. Threads are those of XLA."""
        rows, bits, counters = [], [], np.zeros(len(outcome.COUNTERS), np.int64)
        begin = first - first % BLOCK
        with self.wide():
            arrays = self.arrays()
            for low in range(begin, first + count, BLOCK):
                path = np.arange(low, low + BLOCK, dtype=np.uint64)
                found = self._run(arrays, halves(seed), halves(path))
                found = {name: np.asarray(x) for name, x in found.items()}
                mine = slice(max(first - low, 0), min(first + count - low, BLOCK))
                rows.append(recording.rows(self.scenario.shape, found)[mine])
                bits.append(found["status"][mine].astype(np.uint32))
                counters += found["counters"][mine].sum(axis=0, dtype=np.int64)
        if not rows:
            n_cell = outcome.Layout(self.scenario.shape).n_cell
            rows, bits = [np.empty((0, n_cell), self.precision)], [np.empty(0, np.uint32)]
        return Batch(np.concatenate(rows), np.concatenate(bits), counters)


_last: list[Engine] = []


def prepared(scenario: Scenario) -> Engine:
    """The engine for a scenario; the last one is kept, as every shard of a run would compile it again."""
    if not (_last and _last[0].scenario is scenario):
        _last[:] = [Engine(scenario)]
    return _last[0]
