# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # October 2025
#
# On Friday, 10 October 2025, at 20:50 UTC, a tariff of 100% on China was announced. Within half an hour
# Bitcoin lost 13% and small coins more than half; $19B of positions were reported as liquidated within a day.
#
# `configs/oct-2025.yaml` has the market of the minutes before, nine venues and ten assets, and the news. What
# was seen afterwards is in `configs/events/oct-2025.yaml`, row by row, each an interval as wide as its
# sources leave it. This notebook asks: what does the model say of that day, and where is it wrong?

# %%
import tempfile
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

import stress
from stress.validation.bands import hold
from stress.validation.event import load_event
from stress.validation.quantities import QUANTITIES
from stress.validation.table import number, span, verdict

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
configs = here.parent / "configs"

# %% [markdown]
# ## The run
#
# A thousand paths, four hours each. Paths share the news and differ by everything else: the noise of prices,
# and how leveraged the holders are.

# %%
run = stress.run(configs / "oct-2025.yaml", paths=1_000, out=tempfile.mkdtemp())
cube = run.cube.squeeze("scenario")
billions = {
    "forced, median": cube.liquidated_median,
    "forced, 99%": cube.liquidated_var.sel(level=0.99),
    "loss, mean": cube.loss_mean.sel(component="total", tier="all"),
    "loss, 99% ES": cube.loss_es.sel(component="total", tier="all", level=0.99),
    "from the fund, mean": cube.loss_mean.sel(component="fund_draw", tier="all"),
    "from winners, mean": cube.loss_mean.sel(component="adl", tier="all"),
    "from nobody, mean": cube.loss_mean.sel(component="bad_debt", tier="all"),
}
totals = {"tier": "all", "side": "both", "asset": "all"}
table = pd.DataFrame(
    {name: v.sel({d: totals[d] for d in v.dims if d in totals}).to_pandas() for name, v in billions.items()}
)
print("Billions of dollars")
print((table / 1e9).round(2).to_string())

# %% [markdown]
# ## Held against what was seen
#
# A row is *inside* when what was observed meets the band between the 5th and the 95th percentile of paths. A
# band that is wider than three times between its ends says little, and is called wide. One row, the fall of
# Bitcoin, is *fitted*: the size of the news was chosen to meet it. The structural parameters were chosen with
# this day in sight too, so all of this shows that one set of parameters can explain the day, and is no
# prediction; [validation](../docs/validation.md) has the other days.

# %%
event = load_event(configs / "events" / "oct-2025.yaml")
held = hold(event, n_path=200)
rows = pd.DataFrame(
    [
        {
            "row": band.row.title,
            "predicted": number(band.median, unit),
            "5-95%": span(band.low, band.high, unit),
            "observed": span(*band.row.interval, unit),
            "": verdict(band),
        }
        for band in held.bands
        for unit in [QUANTITIES[band.row.quantity].unit]
    ]
)
print(f"{held.n_path} paths, bands of the {held.n_alike} on which Bitcoin fell as it did")
print(rows.to_string(index=False))

# %% [markdown]
# The same as a picture: every band over the middle of what was observed, so that 1 is right. Bars are the
# model, grey the observation.

# %%
shown = [band for band in held.bands if sum(band.row.interval) > 0 and band.low == band.low]
middle = [sum(band.row.interval) / 2 for band in shown]
names = [band.row.title for band in shown]
seen, told = "#b8b8b8", {True: "#2a6f97", False: "#c1440e"}
figure = go.Figure()
for band, scale, name in zip(shown, middle, names, strict=True):
    low, high = (end / scale for end in band.row.interval)
    figure.add_scatter(x=[low, high], y=[name, name], mode="lines", line={"color": seen, "width": 11})
    ends = [max(band.low / scale, 0.02), max(band.high / scale, 0.02)]
    figure.add_scatter(x=ends, y=[name, name], mode="lines", line={"color": told[band.inside], "width": 4})
figure.update_xaxes(type="log", title="model over observation; blue meets it, red misses it")
figure.update_yaxes(autorange="reversed")
figure.update_layout(
    template="simple_white", showlegend=False, height=24 * len(shown) + 120, margin={"l": 320}
)
figure

# %% [markdown]
# ## What it misses
#
# The rows that are not met, with what the event's file says about them. They are the reason to read every
# level here as one of a model of October, rather than October.

# %%
for band in held.bands:
    if not band.inside and not band.row.fitted:
        unit = QUANTITIES[band.row.quantity].unit
        print(f"{band.row.title}: {span(band.low, band.high, unit)}, seen {span(*band.row.interval, unit)}")
        if band.row.note:
            print(f"    {band.row.note}")
counted = [band for band in held.bands if not band.row.fitted]
inside, hit = sum(band.inside for band in counted), sum(band.hit for band in counted)
print(f"\nOf {len(counted)} rows {inside} are inside, {hit} of them within a narrow band.")
