# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Tails
#
# What a run keeps is more than the numbers it prints: the whole distribution of every quantity, in bins
# narrow enough for any level. `cube.stress` reads them. Here: how likely is a loss of more than so much,
# whose, in which leverage tier, and how sure is that?

# %%
import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import stress

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
config = here.parent / "configs" / "first-run.yaml"
run = stress.run(config, paths=20_000, out=tempfile.mkdtemp())
cube = run.cube.squeeze("scenario")

# %% [markdown]
# ## By venue: exceedance
#
# The probability that the loss is larger than a threshold, with its interval (Clopper-Pearson: exact for a
# share of independent paths). Read it from the right: how bad is the worst one path in a thousand?

# %%
thresholds = np.geomspace(3e7, 2.5e8, 80)
colours = {"harbour": "#2a6f97", "bazaar": "#c1440e", "all": "#404040"}
figure = go.Figure()
for venue, colour in colours.items():
    found = cube.stress.exceedance(thresholds, venue=venue)
    seen = found.value > 0
    x, low, high = (v.where(seen, drop=True).values for v in (found.threshold, found.lower, found.upper))
    band = {"fill": "toself", "fillcolor": colour, "opacity": 0.2, "line": {"width": 0}}
    low = np.maximum(low, 1e-5)
    figure.add_scatter(
        x=np.r_[x, x[::-1]], y=np.r_[low, high[::-1]], hoverinfo="skip", showlegend=False, **band
    )
    value = found.value.where(seen, drop=True).values
    figure.add_scatter(x=x, y=value, name=venue, line={"color": colour}, mode="lines")
figure.update_xaxes(type="log", title="loss of more than, USD")
figure.update_yaxes(type="log", title="share of paths")
figure.update_layout(template="simple_white", title="Losses of forced positions, by venue")
figure

# %%
some = cube.stress.exceedance([5e7, 1e8, 1.5e8], venue=slice(None))
for venue in some.venue.values:
    for threshold in some.threshold.values:
        at = some.sel(venue=venue, threshold=threshold)
        print(
            f"{venue:8s} more than ${threshold / 1e6:5,.0f}M: {float(at.value):7.2%} "
            f"({float(at.lower):.2%} to {float(at.upper):.2%})"
        )

# %% [markdown]
# ## By leverage tier
#
# Value at risk and expected shortfall at a level of your own. A tier's number is that of *its* worst paths:
# the tiers need not be at their worst together, so they do not add up to the whole.

# %%
level = 0.995
var = cube.stress.var(level, venue=slice(None), tier=slice(None))
es = cube.stress.es(level, venue=slice(None), tier=slice(None))
print(f"{level:.1%} expected shortfall, millions of dollars")
print((es.value / 1e6).round(1).to_pandas().to_string())
print("\nWidth of its 95% interval, over the value")
print(((es.upper - es.lower) / es.value.where(es.value > 0)).round(3).to_pandas().to_string())

# %% [markdown]
# Who carries the tail: shares of the expected shortfall of single tiers, and how they shift from the mean to
# the tail.

# %%
tiers = [tier for tier in cube.tier.values if tier != "all"]
figure = go.Figure()
mean = cube.stress.mean(venue="all", tier=tiers)
tail = cube.stress.es(level, venue="all", tier=tiers)
for name, found, colour in (("mean", mean, "#9db8c9"), (f"{level:.1%} shortfall", tail, "#2a6f97")):
    error = {"array": (found.upper - found.value).values, "arrayminus": (found.value - found.lower).values}
    figure.add_bar(x=tiers, y=found.value.values, name=name, marker_color=colour, error_y=error)
figure.update_yaxes(title="loss, USD")
figure.update_xaxes(title="leverage tier")
figure.update_layout(template="simple_white", barmode="group", title="Losses by leverage tier, all venues")
figure

# %% [markdown]
# ## How far can one go?
#
# An interval needs paths beyond the level. Of 20,000, twenty lie beyond 99.9%: its interval is four times as
# wide as that of 99%. Beyond that, run more paths; they are cheap.

# %%
for level in (0.9, 0.99, 0.999, 0.9995):
    found = cube.stress.var(level, venue="all", tier="all")
    low, value, high = (float(found[name]) / 1e6 for name in ("lower", "value", "upper"))
    print(f"{level:7.2%} value at risk ${value:7.1f}M, {low:.1f} to {high:.1f}")

# %% [markdown]
# ## The paths behind it
#
# The worst paths are kept by number, of every venue and every tier. Any of them can be computed again alone,
# bit by bit.

# %%
print(cube.stress.worst(5, venue="bazaar").to_string())
