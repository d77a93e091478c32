"""A path through time: what a market was after each of its steps, for charts, replays and histories.

`FIELDS` of many paths, or all that is said of one: `DETAIL` besides, and every round of its cascades. Running
totals are up to the end of the step. Tracing changes nothing: a traced path has the row that it has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.batch import Batch
from kernels.outcome import CHANNELS, COMPONENTS
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

DETAIL = (
    TraceField("fundamental", ("asset",), "1", "log price that books stand around, relative to the start"),
    TraceField("index", ("asset",), "1", "log of the market-wide index price, relative to the start"),
    TraceField("mark", ("asset", "venue"), "1", "log mark price at the end of the step, by its rules"),
    TraceField("depth_in_force", ("asset", "venue"), "USD",
               "`depth` with the overlays and outages of the step on it"),
    TraceField("flow", ("asset", "side", "venue"), "USD",
               "forced orders of isolated positions executed in the step, coins x start price; what a vault "
               "took included, ADL not"),
    TraceField("others", ("asset", "venue"), "USD",
               "net purchases of all others in the step, below zero where they sold: accounts, frozen flows"),
    TraceField("fill", ("asset", "venue"), "1",
               "price of the step's orders over the price at the start; zero where there were none"),
    TraceField("backlog", ("asset", "side", "venue"), "USD",
               "isolated positions triggered and not executed yet, coins x start price"),
    TraceField("backlog_accounts", ("venue",), "USD", "the same of accounts"),
    TraceField("forced_tier", ("asset", "side", "venue", "tier"), "USD",
               "`forced` by leverage tier of who was forced"),
    TraceField("adl_tier", ("venue", "tier"), "USD",
               "winners closed so far by their tier, coins x start price"),
    TraceField("loss", ("component", "venue", "tier"), "USD",
               "loss so far by component, before what is settled when the run ends"),
    TraceField("owed", ("venue",), "USD", "deficits that nobody has paid yet"),
    TraceField("inventory", ("venue",), "USD", "held by a backstop vault, coins x start price"),
    TraceField("sold_by", ("channel",), "USD",
               "orders sent into the books so far in dollars at the fill, by who sent them"),
    TraceField("halted", ("asset", "venue"), "1", "1 where the market did not trade in the step"),
    TraceField("down", ("venue",), "1", "1 where the venue was down in the step"),
    TraceField("deleveraging", ("asset", "venue"), "1", "1 where auto-deleveraging was on in the step"),
)  # fmt: skip

ROUND_FIELDS = (
    TraceField("fundamental", (), "1", "log price that books stand around after the round"),
    TraceField("price", ("venue",), "1", "log price of every book after the round, halted or not"),
    TraceField("mark", ("venue",), "1", "log mark price after the round"),
    TraceField("flow", ("side", "venue"), "USD",
               "`flow` of the step so far; after a jump it has gone on as far as several rounds would"),
    TraceField("others", ("venue",), "USD", "`others` that the round knows of"),
)  # fmt: skip


@dataclass(frozen=True)
class Rounds:
    """Every round of every cascade of one path, in order of step, answer, asset and number."""

    step: np.ndarray  # [round]
    asset: np.ndarray
    answer: np.ndarray  # how often cascades of the step had run to their end before, as accounts answered
    number: np.ndarray  # of the round, from 1
    fields: dict[str, np.ndarray]  # of `ROUND_FIELDS` [round, *dims]


@dataclass(frozen=True)
class Replay:
    """One path told in full."""

    batch: Batch  # its row
    steps: dict[str, np.ndarray]  # `FIELDS` and `DETAIL` [step, *dims]
    rounds: Rounds


def rounds(place: np.ndarray, values: np.ndarray, shape: ScenarioShape) -> Rounds:
    """In order, from place [round, (step, asset, answer, number)] and values [round, cell]."""
    order = np.lexsort(place[:, [3, 1, 2, 0]].T)
    step, asset, answer, number = place[order].T
    layout = Layout(shape, ROUND_FIELDS)
    return Rounds(step, asset, answer, number, layout.fields(values[order]))


class Layout:
    """Where each field lies in the cells of a step, or of a round."""

    def __init__(self, shape: ScenarioShape, fields: tuple[TraceField, ...] = FIELDS):
        size = {"asset": shape.n_asset, "venue": shape.n_venue, "tier": shape.n_tier, "side": 2}
        size |= {"channel": len(CHANNELS), "component": len(COMPONENTS)}
        self.shapes = {field.name: tuple(size[dim] for dim in field.dims) for field in fields}
        self.slices, at = {}, 0
        for name, dims in self.shapes.items():
            end = at + int(np.prod(dims))
            self.slices[name] = slice(at, end)
            at = end
        self.n_cell = at

    def fields(self, cells: np.ndarray) -> dict[str, np.ndarray]:
        """Views by name, [..., *dims], of cells [..., cell]."""
        lead = cells.shape[:-1]
        return {
            name: cells[..., where].reshape(*lead, *self.shapes[name]) for name, where in self.slices.items()
        }
