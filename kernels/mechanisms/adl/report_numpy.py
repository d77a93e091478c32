"""What deleveraged winners forgo at the moment and some time later: the specification, Eq. (10)."""

import numpy as np

from kernels.mechanisms.adl import HORIZONS


class Closings:
    """Winners' positions closed by auto-deleveraging, until the last look back at them.

    forgone: what the winners of a venue would have made more without, USD [path, horizon, venue]; it is
             negative where they are better off
    needed : deficits that winners were closed to pay for, USD [path, venue]
    """

    def __init__(self, shape, n_path):
        self.forgone = np.zeros((n_path, len(HORIZONS), shape.n_venue))
        self.needed = np.zeros((n_path, shape.n_venue))
        self.hedged = np.zeros((n_path, shape.n_venue))
        self.wait = [max(int(minutes * 60 / shape.dt_seconds + 0.5), 1) for minutes in HORIZONS]
        self.by_step = {}

    def add(self, step, path, asset, venue, sign, coins, dollars, forgone, needed, hedged):
        """Note closings: all arguments after `step` [n].

        sign   : 1 where shorts were closed against bankrupt longs, else -1
        dollars: what the position was closed for; forgone: at the mark of the moment
        """
        np.add.at(self.forgone[:, 0], (path, venue), forgone)
        np.add.at(self.needed, (path, venue), needed)
        np.add.at(self.hedged, (path, venue), hedged)
        self.by_step.setdefault(step, []).append((path, asset, venue, sign * coins, sign * dollars))

    def look_back(self, step, price):
        """Value what was closed long enough ago at a step's last traded log prices [path, asset, venue]."""
        for horizon, wait in list(enumerate(self.wait))[1:]:
            self._value(horizon, self.by_step.get(step - wait, ()), price)
        self.by_step.pop(step - self.wait[-1], None)

    def end(self, n_step, price):
        """Value at the last prices of the run what the horizons had no time for."""
        for step, closed in self.by_step.items():
            for horizon, wait in list(enumerate(self.wait))[1:]:
                if step + wait >= n_step:
                    self._value(horizon, closed, price)

    def _value(self, horizon, closed, price):
        for path, asset, venue, coins, dollars in closed:
            later = np.exp(price[path, asset, venue])
            np.add.at(self.forgone[:, horizon], (path, venue), dollars - coins * later)
