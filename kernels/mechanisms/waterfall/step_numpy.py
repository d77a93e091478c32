"""Fees of a slice and the insurance fund of a step: the specification."""

import numpy as np


def fees(arrays, venue, notional, left, price, partial):
    """Fee and surplus out of the margin left in a slice, Eq. (1): USD [n, group, tier] each.

    venue: [n]; notional, left: [n, group, tier]; price: [n]; partial: [n, group]
    """
    available = np.maximum(left, 0.0)
    fee = np.minimum(arrays.fee_rate[venue][:, None, None] * notional * price[:, None, None], available)
    kept = np.where(partial, 0.0, arrays.surplus_share[venue][:, None])
    return fee, kept[..., None] * (available - fee)


def draw(fund, deficit):
    """Insurance fund drawn and bad debt of a step, Eq. (2): USD [path, venue] each.

    fund   : balance at the start of the step [path, venue]
    deficit: [path, venue]
    """
    drawn = np.minimum(fund, deficit)
    return drawn, deficit - drawn
