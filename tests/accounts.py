"""Accounts made by hand, for tests."""

import numpy as np

from kernels.mechanisms.account import Account
from kernels.parts.table import N_EDGE
from kernels.scenario import Scenario


def accounts(scenario, n_slot=1, forced=None, **changes):
    """The scenario with accounts of nothing but `changes`, arrays that broadcast to their shapes.

    forced: {(slot, venue, tier): cumulative notional [edge]}
    """
    shape = scenario.shape
    a, v = shape.n_asset, shape.n_venue
    table = np.zeros((n_slot, v, N_EDGE, shape.n_tier))
    for (slot, venue, tier), amount in (forced or {}).items():
        table[slot, venue, :, tier] = amount
    market, fixed = np.zeros((n_slot, a, v)), np.zeros((n_slot, v))
    arrays = {
        "need": market, "need_fixed": fixed, "value": market, "value_fixed": fixed + 1, "loss": market,
        "legs": market,
        "loss_fixed": fixed, "worth": market, "worth_fixed": fixed + 1, "lean": market, "start": fixed,
        "sold": np.zeros((n_slot, v, a, v)), "response": fixed + 1, "throughput": fixed + np.inf,
        "size": fixed, "size_fixed": fixed + 1, "borrowed": fixed, "inverse": fixed, "bonus": fixed + np.inf,
        "losing": np.ones((n_slot, v), np.int32),
        "channel": np.ones(n_slot, np.int32),
    }  # fmt: skip
    for name, value in changes.items():
        arrays[name] = np.broadcast_to(np.asarray(value, arrays[name].dtype), arrays[name].shape).copy()
    part = Account(forced=table, **arrays)
    return Scenario(scenario.shape, scenario.arrays, scenario.parts.replace(account=part))


def long_portfolio(weights, rate=0.0):
    """Trigger, loss and sales of a long cross-margin portfolio on one venue, for `accounts`."""
    w = np.asarray(weights, float)
    return {
        "need": (rate - 1) * w[None, :, None], "need_fixed": w.sum(), "start": rate * w.sum(),
        "legs": w[None, :, None],
        "loss": -w[None, :, None], "loss_fixed": w.sum(), "lean": -np.sign(w)[None, :, None],
        "sold": w[None, None, :, None],
    }  # fmt: skip
