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
cube = stress.open_run(run.path).squeeze("scenario")

# %% [markdown]
# The cube is an `xarray.Dataset`. Every variable has a unit and a definition, every estimate its interval.

# %%
loss = cube.loss_es.sel(component="total", level=0.99)
print(loss.attrs["long_name"], f"[{loss.attrs['units']}]")
print((loss / 1e6).round(1).to_pandas())

# %% [markdown]
# How sure are we? The interval belongs to the estimate; with more paths it narrows with the square root.

# %%
whole = {"venue": "all", "tier": "all"}
for name in ("loss_es_lower", "loss_es", "loss_es_upper"):
    value = float(cube[name].sel(component="total", level=0.99, **whole))
    print(f"{name:14s} ${value / 1e6:8.1f}M")

# %% [markdown]
# What would a larger fund and straighter books have changed? Any value of the config can be set anew.

# %%
deeper = stress.run(
    config, paths=4_000, out=out, overrides=["venues.bazaar.insurance_fund=$50M", "books.shape=0.8"]
)
other = stress.open_run(deeper.path).squeeze("scenario")
for name, data in (("as it is", cube), ("larger fund, straighter books", other)):
    chance = float(data.exhaustion_probability.sel(venue="bazaar"))
    print(f"{name:30s} bazaar's fund is spent on {chance:.1%} of paths")
