"""Two paths of the small config by the reference: every number of their rows that is not zero, as text."""

from itertools import product

import numpy as np

from kernels import engine_numpy
from kernels.mechanisms.adl import HORIZONS
from kernels.outcome import CHANNELS, COMPONENTS, COUNTERS, FIELDS, SIDES, Layout
from stress.compile import compile_config
from stress.config import load

N_PATH = 2


def names(shape):
    """What the entries of every dimension are called."""
    plain = {"component": COMPONENTS, "side": SIDES, "channel": CHANNELS}
    plain["horizon"] = [f"{minutes}m" for minutes in HORIZONS]
    plain |= {"venue": shape.venues, "asset": shape.assets, "tier": shape.tiers}
    return plain | {f"{dim}+": (*entries, "all") for dim, entries in plain.items()}


def text_of(shape, batch):
    """Readable rows: one line per cell, one column per path."""
    layout, entries, lines = Layout(shape), names(shape), []
    for field in FIELDS:
        block = layout.view(batch.rows, field.name)
        for place in product(*(range(n) for n in block.shape[1:])):
            values = block[(slice(None), *place)]
            if not values.any():
                continue
            which = (entries[d][i] for d, i in zip(field.dims, place, strict=True))
            label = " ".join([field.name, *which])
            lines.append(f"{label:56}" + "".join(f"{value:16.6e}" for value in values))
    lines.append(f"{'status':56}" + "".join(f"{status:16d}" for status in batch.status))
    lines += [f"{name:56}{count:16d}" for name, count in zip(COUNTERS, batch.counters, strict=True)]
    return "\n".join(lines) + "\n"


def test_reference(root, golden):
    scenario = compile_config(load(root / "tests/configs/small.yaml", ["run.horizon=25m"]))
    batch = engine_numpy.run_paths(scenario, seed=20251010, first=0, count=N_PATH)
    assert np.isfinite(batch.rows).all()
    golden("tiny_run.txt", text_of(scenario.shape, batch))
