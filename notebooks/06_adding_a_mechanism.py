# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Adding a mechanism
#
# The engine exists twice: in NumPy, float64, where every rule is a few lines that read like its equations,
# and in C++, a hundred times faster. The first is the specification, so an idea is tried out there. This
# notebook changes one rule, runs both markets on the same random numbers, and says what the rule does.
#
# The idea: **market makers who quote everywhere withdraw everywhere.** In the model each venue's book thins
# out when *its own* price has moved; [withdrawal](../docs/methods/withdrawal.md), Eq. (1):
#
# $$ D = D_0 \, g \, \max\left( \min\left( \frac{1 + \theta^2 S_0^2}{1 + \theta^2 S^2}, \, 1 \right), \,
#    \text{floor} \right) $$
#
# with $S^2$ the squared returns remembered, by market. If the same firms stand behind all books of an asset,
# their risk is that of the wildest of them: $S^2$ becomes the largest over venues.

# %%
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from kernels import engine_numpy
from kernels.mechanisms.withdrawal import step_numpy as withdrawal
from kernels.outcome import COMPONENTS, FAILED, Layout
from stress.compile import compile_config
from stress.config import load

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
config = load(here.parent / "configs" / "first-run.yaml")
scenario = compile_config(config)
print(scenario.shape)

# %% [markdown]
# ## The rule as it is
#
# The whole mechanism: arrays have a leading path axis, then asset, then venue.

# %%
import inspect

print(inspect.getsource(withdrawal.depth))

# %% [markdown]
# ## The rule as it might be
#
# One line before the old rule. Memory is from the steps before: depth is frozen within a step, and never
# answers to the flow of its own step. A rule that thins books *while* prices fall would have to be decided
# before the cascade too, or rounds could go round in circles.

# %%
by_venue = withdrawal.depth


def by_asset(arrays, memory, multiplier):
    """Depth where every book of an asset remembers the wildest of them."""
    wildest = memory.max(axis=-1, keepdims=True)
    return by_venue(arrays, np.broadcast_to(wildest, memory.shape), multiplier)


@contextmanager
def rule(depth):
    """The engine with this rule, for a while."""
    withdrawal.depth = depth
    try:
        yield
    finally:
        withdrawal.depth = by_venue


# %% [markdown]
# ## The same paths under both
#
# A random number belongs to seed, path, step and purpose. Both runs meet the same prices, so they are
# compared path by path, and a few hundred paths say a lot.

# %%
SEED, PATHS = config.run.seed, 300
layout = Layout(scenario.shape)


def simulate(depth):
    """Fields of the outcome by name, [path, ...]."""
    with rule(depth):
        batch = engine_numpy.run_paths(scenario, SEED, 0, PATHS)
    assert not (batch.status & FAILED).any()  # money adds up on every path
    return lambda name: layout.view(batch.rows, name)


before, after = simulate(by_venue), simulate(by_asset)
assert np.array_equal(simulate(by_venue)("loss"), before("loss"))  # the engine is as it was

# %% [markdown]
# What it does, with 95% intervals of the mean difference:

# %%
venues = [*scenario.shape.venues, "all"]


def say(what, values, changed):
    """Mean before, and mean difference with its interval, in millions."""
    gain = (changed - values) / 1e6
    error = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
    print(f"{what:28s} ${values.mean() / 1e6:7.1f}M   {gain.mean():+7.2f} +- {error:.2f}")


print(" " * 33 + "before   difference, millions")
for i, venue in enumerate(venues):
    say(f"forced, {venue}", *(of("liquidated")[:, i, -1, -1] for of in (before, after)))
for component in ("total", "fund_draw", "bad_debt"):
    at = COMPONENTS.index(component)
    say(f"loss, {component}", *(of("loss")[:, at, -1, -1] for of in (before, after)))

# %% [markdown]
# Path by path: does the rule make every path a little worse, or some of them much?

# %%
x, y = (of("loss")[:, 0, -1, -1] / 1e6 for of in (before, after))
figure = go.Figure()
figure.add_scatter(x=x, y=y, mode="markers", marker={"color": "#2a6f97", "opacity": 0.5}, name="paths")
ends = [min(x.min(), y.min()), max(x.max(), y.max())]
figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": "#b8b8b8"}, name="no change")
figure.update_xaxes(title="loss, withdrawal by venue, $M")
figure.update_yaxes(title="loss, withdrawal by asset, $M")
figure.update_layout(template="simple_white", title="Losses of all venues, the same paths under both rules")
print(f"worse on {(y > x).mean():.0%} of paths, by ${(y - x).min():.1f}M to ${(y - x).max():.1f}M")
figure

# %% [markdown]
# ## If it is to stay
#
# A trial in NumPy is enough to know whether a rule matters. To become part of the engine it needs, in this
# order ([architecture](../docs/architecture.md), "Adding a mechanism"):
#
# 1. a page in `docs/methods/`: numbered equations, units, one number worked by hand;
# 2. a folder in `kernels/mechanisms/`: `step_numpy.py`, as above, and `step_fused.h`, the same in C++;
#    arrays of its own, if it has any, as a part that a run may do without (here: a flag by asset);
# 3. its call in both engines, at its place in a step;
# 4. keys in `stress/config`, compiled in `stress/compile`, with defaults that leave all numbers as they are;
# 5. a test: the number worked by hand, its limits (one venue: no change), both engines, path by path;
# 6. a small config that shows it alone, and a line in the changelog.
#
# The contract tests fail until all of it is there.
