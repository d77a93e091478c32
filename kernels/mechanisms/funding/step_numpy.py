"""Funding of one step: the specification. Equations of docs/methods/funding.md."""

import numpy as np

from kernels.mechanisms.book import PERCENT
from kernels.mechanisms.funding import MOST_CHARGED


def rate(part, displacement, step, drawn=0.0):
    """Rate of a step for eight hours, Eqs. (1) and (2): [path, asset, venue].

    displacement: of the traded prices at the end of the step, percent [path, asset, venue]
    drawn       : added to the rate by events of drawn size [path, asset, venue]
    """
    premium = PERCENT * np.einsum("auv,pau->pav", part.premium, displacement)
    toward = np.clip(part.interest - premium, -part.clamp, part.clamp)
    return np.clip(premium + toward + part.spike[part.row[step]] + drawn, -part.cap, part.cap)


def accrual(part, displacement, price, step, drawn=0.0):
    """Dollars that a start dollar of longs pays in a step, Eq. (3): [path, asset, venue].

    price: log of the traded price at the end of the step [path, asset, venue]
    """
    return rate(part, displacement, step, drawn) * part.share * np.exp(price)


def charge(part, paid, price):
    """Distance that funding paid so far adds to the marks', Eq. (5): [path, asset, side, venue].

    paid: by a start dollar of longs since the start [path, asset, venue]; price: log, last traded
    """
    share = (paid / np.exp(price))[:, :, None] * part.weight
    rise = np.log1p(-np.minimum(share, MOST_CHARGED))
    return rise * np.array([-1.0, 1.0])[:, None]


def open_notional(part, arrays, forced, deleveraged):
    """Notional still open on either side, Eq. (4): start dollars [path, asset, venue].

    forced, deleveraged: coins x start price [path, venue, asset], of the first and of it by deleveraging
    """
    psi = arrays.closing_share[:, None]
    closed = psi * (forced - deleveraged) + deleveraged
    return np.maximum(part.open_interest - closed.transpose(0, 2, 1), 0.0)
