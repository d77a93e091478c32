"""Tracing paths in NumPy: the specification of every field."""

import numpy as np

from kernels.mechanisms.withdrawal import step_numpy as withdrawal
from kernels.parts.trace import Layout


class Trace:
    """Cells of n paths, [path, step, cell]."""

    def __init__(self, scenario, n_path):
        self.scenario, self.layout = scenario, Layout(scenario.shape)
        self.cells = np.zeros((n_path, scenario.shape.n_step, self.layout.n_cell))

    def take(self, n, state, record):
        """What stands after step n."""
        arrays, shape = self.scenario.arrays, self.scenario.shape
        worth = state.funds.worth
        fund = np.zeros((len(worth), shape.n_asset, shape.n_venue))
        fund[:, : worth.shape[1]] = worth
        found = {
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
        for name, values in found.items():
            self.cells[:, n, self.layout.slices[name]] = values.reshape(len(values), -1)
