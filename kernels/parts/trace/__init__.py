"""A path through time: what a market was after each of its steps, for charts, replays and histories.

Running totals are up to the end of the step. Tracing changes nothing: a traced path has the row that it has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.scenario import ScenarioShape


@dataclass(frozen=True)
class TraceField:
    """One block of what is kept of a step."""

    name: str
    dims: tuple[str, ...]
    unit: str
    doc: str


FIELDS = (
    TraceField("exogenous", ("asset",), "1", "log price without forced flow, relative to the start"),
    TraceField("price", ("asset", "venue"), "1", "log of the last traded price, relative to the start"),
    TraceField("depth", ("asset", "venue"), "USD",
               "what moves a market by the first 1% from the next step on, outages and overlays left out"),
    TraceField("frontier", ("asset", "side", "venue"), "1", "largest distance that marks have come so far"),
    TraceField("forced", ("asset", "side", "venue"), "USD",
               "forced notional so far in dollars at the fill, ADL of bankrupt positions included"),
    TraceField("coins", ("asset", "venue"), "USD", "the same of both sides, coins x start price"),
    TraceField("deleveraged", ("asset", "venue"), "USD",
               "closed against winners so far, coins x start price"),
    TraceField("exited", ("asset", "venue"), "USD",
               "closed by holders before anybody forced them, so far, coins x start price"),
    TraceField("fund", ("asset", "venue"), "USD",
               "insurance funds when the step begins, by market; a common fund stands with the first asset"),
)  # fmt: skip


class Layout:
    """Where each field lies in the cells of a step."""

    def __init__(self, shape: ScenarioShape):
        size = {"asset": shape.n_asset, "venue": shape.n_venue, "side": 2}
        self.shapes = {field.name: tuple(size[dim] for dim in field.dims) for field in FIELDS}
        self.slices, at = {}, 0
        for name, dims in self.shapes.items():
            end = at + int(np.prod(dims))
            self.slices[name] = slice(at, end)
            at = end
        self.n_cell = at

    def fields(self, cells: np.ndarray) -> dict[str, np.ndarray]:
        """Views by name, [path, step, *dims], of cells [path, step, cell]."""
        lead = cells.shape[:2]
        return {
            name: cells[..., where].reshape(*lead, *self.shapes[name]) for name, where in self.slices.items()
        }
