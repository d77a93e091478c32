# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # The path behind a number
#
# A tail number is an average over paths that nobody has looked at. Runs keep the numbers of their worst
# paths, and a path can be computed again by its number alone, bit for bit, in full: every step, every round
# of every cascade.

# %%
import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import stress

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
run = stress.run(here.parent / "configs" / "first-run.yaml", paths=10_000, out=tempfile.mkdtemp())
print(run.cube.squeeze("scenario").stress.worst(5, venue="bazaar").to_string())

# %% [markdown]
# ## The worst path of a venue
#
# Of ten thousand, the one on which Bazaar's holders and fund lose most, in words. Everything below is of this
# path.

# %%
told = stress.replay(run.path, worst={"venue": "bazaar"})
print(f"path {told.path}")
for event in told.events:
    print(event.time, event.text)

# %% [markdown]
# ## Prices
#
# What would have happened if nobody were forced to trade, and what did. Prices are log prices over the start.

# %%
fall = np.expm1(told.dataset.price)
alone = np.expm1(told.dataset.exogenous)
colours = {"BTC": "#2a6f97", "ALT": "#c1440e"}
figure = go.Figure()
for asset, colour in colours.items():
    x = told.dataset.time.values
    without, line = alone.sel(asset=asset).values, {"color": colour, "dash": "dot"}
    figure.add_scatter(x=x, y=without, name=f"{asset}, nobody forced", line=line)
    traded = fall.sel(asset=asset, venue="bazaar").values
    figure.add_scatter(x=x, y=traded, name=f"{asset} at bazaar", line={"color": colour})
figure.update_xaxes(title="minutes")
figure.update_yaxes(title="price over its start, less one", tickformat=".0%")
figure.update_layout(template="simple_white", title=f"Prices of path {told.path}")
figure

# %% [markdown]
# ## Forced selling
#
# Dollars forced in each minute, by venue and asset. The trace has running totals, so a difference is what a
# step added.

# %%
steps = told.dataset.forced.sum("side").diff("time")
figure = go.Figure()
for venue in steps.venue.values:
    for asset, colour in colours.items():
        flow = steps.sel(venue=venue, asset=asset)
        opacity = 1.0 if venue == "bazaar" else 0.45
        figure.add_bar(
            x=flow.time.values,
            y=flow.values,
            name=f"{asset} at {venue}",
            marker_color=colour,
            opacity=opacity,
        )
figure.update_xaxes(title="minutes")
figure.update_yaxes(title="forced in the minute, USD")
figure.update_layout(template="simple_white", barmode="stack", title=f"Forced selling of path {told.path}")
by_minute = (steps.sum(["asset", "venue"]) / 1e6).to_series()
print("Largest minutes, millions of dollars")
print(by_minute.nlargest(5).round(1).to_string())
figure

# %% [markdown]
# ## Inside one cascade
#
# Within a minute prices and forced orders answer each other in rounds. The longest cascade of the path: how
# the price at each venue, and what is forced, grow round by round until nobody is left to trigger.

# %%
rounds = told.rounds
names = list(told.dataset.asset.values)
length = rounds.to_dataframe().reset_index().groupby(["step", "asset", "answer"]).number.max()
step, asset, answer = length.idxmax()
here_only = ((rounds.step == step) & (rounds.asset == asset) & (rounds.answer == answer)).values
one = rounds.isel(round=here_only)
print(f"{names[asset]} in minute {step + 1}, {one.sizes['round']} rounds")
for i in range(one.sizes["round"]):
    at = one.isel(round=i)
    prices = ", ".join(f"{v} {float(np.expm1(at.price.sel(venue=v))):+.2%}" for v in one.venue.values)
    print(f"  round {int(at.number):2d}: ${float(at.flow.sum()) / 1e6:7.2f}M forced; {prices}")

# %% [markdown]
# ## Where the money went
#
# Losses of the forced positions are margin lost plus deficit, and a deficit is what its payers paid. Both
# have to add up on every path; what is off is rounding, in dollars.

# %%
for venue, money in told.money.items():
    total, margin, deficit = (money[name] / 1e6 for name in ("total", "margin_lost", "deficit"))
    print(f"{venue:8s} total ${total:6.2f}M = margin ${margin:6.2f}M + deficit ${deficit:5.2f}M", end="; ")
    paid = {name: money[name] / 1e6 for name in ("fund_draw", "adl", "bad_debt")}
    print(", ".join(f"{name} ${value:.2f}M" for name, value in paid.items()))

# %% [markdown]
# `stress replay RUN --worst venue=bazaar` does all of this from the command line, and leaves a page of
# pictures and a file beside the run; [the replay file](../docs/formats/replay.md) says what is in it.
