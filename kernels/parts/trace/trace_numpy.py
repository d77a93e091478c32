"""Tracing paths in NumPy: the specification of every field."""

import numpy as np

from kernels.mechanisms.withdrawal import step_numpy as withdrawal
from kernels.parts.trace import FIELDS, Layout


class Trace:
    """Cells of n paths, [path, step, cell]."""

    told = None  # see `replay_numpy.Told`

    def __init__(self, scenario, n_path, fields=FIELDS):
        self.scenario, self.layout = scenario, Layout(scenario.shape, fields)
        self.cells = np.zeros((n_path, scenario.shape.n_step, self.layout.n_cell))

    def take(self, n, state, record):
        """What stands after step n."""
        self.put(n, self.state(state, record))

    def put(self, n, found):
        for name, values in found.items():
            self.cells[:, n, self.layout.slices[name]] = values.reshape(len(values), -1)

    def state(self, state, record):
        """`FIELDS` by name."""
        arrays, shape = self.scenario.arrays, self.scenario.shape
        worth = state.funds.worth
        fund = np.zeros((len(worth), shape.n_asset, shape.n_venue))
        fund[:, : worth.shape[1]] = worth
        return {
            "exogenous": state.exogenous,
            "price": state.price,
            "depth": withdrawal.depth(arrays, state.memory, 1.0),
            "frontier": state.frontier,
            "forced": record.liquidated.transpose(0, 2, 3, 1),
            "coins": record.coins.transpose(0, 2, 1),
            "deleveraged": record.deleveraged_coins.transpose(0, 2, 1),
            "exited": record.exited.transpose(0, 2, 1),
            "fund": fund,
        }
