"""One path told in full, in NumPy: the specification of `DETAIL` and of rounds."""

import numpy as np

from kernels.mechanisms.book.step_numpy import displacement
from kernels.mechanisms.mark.step_numpy import Marks
from kernels.mechanisms.withdrawal import step_numpy as withdrawal
from kernels.outcome import COMPONENTS
from kernels.parts.trace import DETAIL, FIELDS, rounds
from kernels.parts.trace.trace_numpy import Trace


class Told:
    """What the step at hand says of itself while it goes on."""

    def __init__(self):
        self.step = 0
        self.answer = 0
        self.place, self.values = [], []

    def round(self, asset, number, fundamental, price, mark, flow, others):
        """One round of the cascades of some assets [n]; the arrays are those of `ROUND_FIELDS`, in order."""
        for i, a in enumerate(asset):
            numbers = (fundamental[i : i + 1], price[i], mark[i], flow[i].ravel(), others[i])
            self.place.append((self.step, a, self.answer, number))
            self.values.append(np.concatenate(numbers))

    def end(self, sold, fill, rules: Marks, market, full, deleveraging):
        """What was sold at which price, by which rules; full: depth in force of calm market makers."""
        self.sold, self.fill, self.rules, self.market = sold, fill, rules, market
        self.full, self.deleveraging = full, deleveraging


class ReplayTrace(Trace):
    """Cells of one path, and its rounds."""

    def __init__(self, scenario, record):
        super().__init__(scenario, 1, (*FIELDS, *DETAIL))
        shape = scenario.shape
        self.told = Told()
        record.forced_tier = np.zeros((1, shape.n_asset, 2, shape.n_venue, shape.n_tier))

    def take(self, n, state, record):
        super().take(n, state, record)
        self.put(n, self.detail(state, record))
        self.told.step, self.told.answer = n + 1, 0

    def detail(self, state, record):
        """`DETAIL` by name."""
        arrays, parts, told = self.scenario.arrays, self.scenario.parts, self.told
        sold, market, pot = told.sold, told.market, state.funds.pot
        moved = displacement(state.q, arrays.alpha, arrays.band)
        some = (sold.flow.sum(axis=2) + np.abs(sold.extra) > 0) & sold.active[..., None]
        waiting = np.zeros((1, arrays.listed.shape[1]))
        if sold.accounts is not None:
            late = parts.account.losing * np.maximum(sold.accounts.due - sold.accounts.flow, 0.0)
            waiting = late.sum(axis=1)
        loss = record.loss | {"total": record.loss["margin_lost"] + record.loss["deficit"]}
        vault = state.vault
        return {
            "fundamental": state.fundamental,
            "index": (state.price * arrays.index_weight).sum(axis=-1),
            "mark": told.rules.price(state.fundamental, moved) * arrays.listed,
            "depth_in_force": withdrawal.depth(arrays, state.memory, told.full) * market.depth,
            "flow": sold.flow,
            "others": sold.extra,
            "fill": np.where(some, told.fill, 0.0),
            "backlog": np.maximum(sold.wanted - sold.flow, 0.0),
            "backlog_accounts": waiting,
            "forced_tier": record.forced_tier,
            "adl_tier": record.adl_notional,
            "loss": np.stack([loss[name] for name in COMPONENTS], axis=1),
            "owed": state.funds.owed.sum(axis=(1, 3)),
            "inventory": np.zeros_like(waiting) if vault is None else np.abs(vault.held).sum(axis=1),
            "sold_by": record.sold_by,
            "halted": market.halted,
            "down": market.down,
            "deleveraging": told.deleveraging[:, pot, np.arange(pot.shape[1])] & arrays.listed,
        }

    def rounds(self):
        """Every round of the path."""
        place = np.array(self.told.place, np.int32).reshape(-1, 4)
        values = np.array(self.told.values).reshape(len(place), 1 + 5 * self.scenario.shape.n_venue)
        return rounds(place, values, self.scenario.shape)
