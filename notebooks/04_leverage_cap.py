# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A cap on leverage
#
# After every crash somebody asks for lower leverage. What would a cap of 50x have changed in October 2025?
#
# `leverage_cap` says so in a config: what was held above it is held in the tier just below, by the same
# people, with the same open interest and more margin; who was hedged stays hedged
# ([positions](../docs/methods/positions.md#a-cap-on-leverage)). Nobody holds less because of the rule, and
# nothing else changes.

# %%
import tempfile
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

import stress

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
config = here.parent / "configs" / "oct-2025.yaml"
out = tempfile.mkdtemp()


def run(*overrides):
    """Ten shards of the same paths: runs are compared shard by shard."""
    return stress.run(config, paths=500, out=out, overrides=["run.shard_paths=50", *overrides]).path


base = run()
capped = run("leverage_cap=50x")

# %% [markdown]
# ## Two runs, the same draws
#
# Random numbers belong to seed, path, step and purpose, so both runs meet the same news path by path.
# Differences are the other's less the base's; their intervals come from the scatter over shards, and are far
# narrower than those of the two numbers themselves. A star marks an interval without zero.

# %%
found = stress.compare(base, capped)


def table(comparison, fields, scale=1e6):
    """Means of all venues: base, other, difference with its interval; millions of dollars."""
    rows = {}
    for name, labels in fields.items():
        number = comparison.mean(**labels) / scale
        value = {part: float(number[part]) for part in ("base", "other", "difference", "lower", "upper")}
        value["*"] = "*" if value["lower"] > 0 or value["upper"] < 0 else ""
        rows[name] = value
    return pd.DataFrame(rows).T


FIELDS = {
    "forced selling": {"field": "liquidated"},
    "loss of those who are forced": {"field": "loss"},
    "... of it their margin": {"field": "loss", "component": "margin_lost"},
    "... of it beyond their margin": {"field": "loss", "component": "deficit"},
    "funds pay": {"field": "loss", "component": "fund_draw"},
    "nobody pays": {"field": "loss", "component": "bad_debt"},
}
print("All venues, means, millions of dollars; cap of 50x")
tables = {"50x": table(found, FIELDS)}
print(tables["50x"].to_string(float_format="{:,.1f}".format))

# %% [markdown]
# ## Why so little?
#
# Because few dollars are up there. Leverage of a *position* can be 100x; the *effective* leverage of its
# holder, all positions over all equity, rarely is. The market of the config puts this much of its longs into
# each tier (an assumption: nobody publishes it):

# %%
from stress.compile import compile_config
from stress.config import load

scenario = compile_config(load(config))
held = scenario.arrays.tier_notional[:, 0].sum(axis=(0, 1))
longs = pd.Series(held / held.sum(), index=scenario.shape.tiers)
print(longs.map("{:.2%}".format).to_string())

# %% [markdown]
# ## Where a cap begins to matter
#
# Lower caps, the same paths. Each is compared with the market as it was.

# %%
CAPS = ("50x", "20x", "10x", "5x")
for cap in CAPS[1:]:
    tables[cap] = table(stress.compare(base, run(f"leverage_cap={cap}")), FIELDS)
    print(f"Cap of {cap}")
    print(tables[cap].to_string(float_format="{:,.1f}".format), end="\n\n")

# %%
figure = go.Figure()
for name, colour in (
    ("forced selling", "#2a6f97"),
    ("... of it their margin", "#9db8c9"),
    ("... of it beyond their margin", "#c1440e"),
):
    rows = [found.loc[name] for found in tables.values()]
    share = [float(row["difference"] / row["base"]) for row in rows]
    above = [float((row["upper"] - row["difference"]) / row["base"]) for row in rows]
    below = [float((row["difference"] - row["lower"]) / row["base"]) for row in rows]
    error = {"array": above, "arrayminus": below}
    label = name.replace("... of it ", "loss: ")
    figure.add_bar(x=list(CAPS), y=share, error_y=error, name=label, marker_color=colour)
figure.update_yaxes(title="change of the mean", tickformat="+.0%")
figure.update_xaxes(title="cap on leverage")
figure.update_layout(
    template="simple_white", barmode="group", title="All venues, against the market as it was"
)
figure

# %% [markdown]
# ## What to take from it
#
# A cap does not take positions away, it moves their liquidation to deeper prices. Whom the fall does not
# reach there is not forced: at 10x that is a quarter of all forced selling, and at 5x hardly anybody is
# reached, and nothing sets off a cascade. Whom it does reach is forced all the same, later, with more
# margin to lose and into books that are thinner by then. At 20x that is nearly everybody: more is forced
# and more is lost than without a cap, and the deficits are larger. At 10x they still are, though a quarter
# less is sold. A rule that looks safe by the number of liquidations need not be so by what is left unpaid.
#
# The same in `configs/first-run.yaml`: a cap of 10x forces a ninth less and leaves larger deficits.
#
# What the model leaves out would matter for a rule: positions that would not be opened under it, and those
# that move to a venue without it.
