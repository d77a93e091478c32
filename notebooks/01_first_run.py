# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A first run
#
# Two made-up venues, two assets, an hour, bad news after five minutes. The config is
# `configs/first-run.yaml`: read it beside this notebook. A run takes a second or two.

# %%
import tempfile
from pathlib import Path

import stress

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
config = here.parent / "configs" / "first-run.yaml"
out = tempfile.mkdtemp()
run = stress.run(config, paths=4_000, out=out)
cube = run.cube.squeeze("scenario")

# %% [markdown]
# The cube is an `xarray.Dataset`. Every variable has a unit and a definition, every estimate its interval.

# %%
loss = cube.loss_es.sel(component="total", level=0.99)
print(f"{loss.attrs['long_name']} [{loss.attrs['units']}]: {loss.attrs['definition']}")
print((loss / 1e6).round(1).to_pandas())

# %% [markdown]
# Losses of *forced* positions: the margin that they lose, and what is missing beyond it. Harbour is twice as
# large as Bazaar. Whose holders are bolder, and whose fund is larger, is in the config.
#
# How sure are we? The interval belongs to the estimate; with more paths it narrows with the square root. It
# is the sampling error of the run and says nothing of whether the config is right.

# %%
whole = {"venue": "all", "tier": "all"}
for name in ("loss_es_lower", "loss_es", "loss_es_upper"):
    value = float(cube[name].sel(component="total", level=0.99, **whole))
    print(f"{name:14s} ${value / 1e6:8.1f}M")

# %% [markdown]
# ## How much of it is the cascade?
#
# The news takes 10% off Bitcoin and 15% off the other coin. Forced sales move the books, which forces more:
# the index falls further than news and noise alone would have taken it. Amplification is the ratio, path by
# path.

# %%
for asset in ("BTC", "ALT"):
    fall, times = (
        float(cube[name].sel(asset=asset)) for name in ("index_fall_median", "amplification_median")
    )
    print(f"{asset}: median fall of the index {fall:.1%}, {times:.2f} times that of news and noise alone")

# %% [markdown]
# ## Another market
#
# What would a larger fund and straighter books have changed? Any value of the config can be set anew. Random
# numbers belong to path and step, so both runs meet the same news: the difference is that of the market.

# %%
other = stress.run(
    config, paths=4_000, out=out, overrides=["venues.bazaar.insurance_fund=$50M", "books.shape=0.8"]
).cube.squeeze("scenario")
for name, data in (("as it is", cube), ("larger fund, straighter books", other)):
    chance = data.exhaustion_probability.sel(venue="bazaar")
    low, high = (
        float(data[f"exhaustion_probability_{end}"].sel(venue="bazaar")) for end in ("lower", "upper")
    )
    print(f"{name:30s} Bazaar's fund is spent on {float(chance):.1%} of paths ({low:.1%} to {high:.1%})")
