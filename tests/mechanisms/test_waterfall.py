"""The loss waterfall: fees, surplus, the insurance fund."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mechanisms.waterfall.step_numpy import draw, fees
from kernels.outcome import COMPONENTS
from stress.compile.tiers import margin_table
from tests.scenarios import DEEP, ENGINES, LONG, quiet, simulate, uniform

dollars = st.floats(0, 1e12)


def test_fund_by_hand():
    """Known answer 5: a fund of 1.0 against a deficit of 1.6."""
    assert draw(1.0, 1.6) == pytest.approx((1.0, 0.6))
    assert draw(2.0, 1.6) == pytest.approx((1.6, 0.0))
    assert draw(0.0, 1.6) == (0.0, 1.6)


@given(dollars, dollars, dollars)
def test_fund_never_pays_more_than_it_has_and_more_is_never_worse(fund, more, deficit):
    drawn, bad = draw(fund, deficit)
    assert 0 <= drawn <= fund
    assert bad >= 0
    assert drawn + bad == pytest.approx(deficit)
    assert draw(fund + more, deficit)[1] <= bad


def slice_fees(notional, left, price=0.9, rate=0.01, share=0.6, partial=False):
    arrays = quiet(fee_rate=rate, surplus_share=share).arrays
    one = np.ones((1, 1, 1))
    fee, surplus = fees(
        arrays, np.array([0]), notional * one, left * one, np.array([price]), np.array([[partial]])
    )
    return fee.item(), surplus.item()


def test_fee_by_hand():
    """100 at .9, fee 1%: 0.9; of the 2.1 left after it the fund keeps 60%."""
    assert slice_fees(100, 3.0) == pytest.approx((0.9, 1.26))
    assert slice_fees(100, 0.5) == pytest.approx((0.5, 0.0))
    assert slice_fees(100, -0.1) == (0.0, 0.0)
    assert slice_fees(100, 3.0, partial=True) == pytest.approx((0.9, 0.0))


@given(dollars, st.floats(-1e9, 1e12), st.floats(0.01, 2), st.floats(0, 0.1), st.floats(0, 1), st.booleans())
def test_fees_come_out_of_margin_left(notional, left, price, rate, share, partial):
    fee, surplus = slice_fees(notional, left, price, rate, share, partial)
    assert fee >= 0
    assert surplus >= 0
    assert fee + surplus <= max(left, 0.0) * (1 + 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_fees_and_surplus_refill_the_fund(engine):
    """Step 1 leaves margin, of which fees and half the rest go to an empty fund; step 2 draws all of it."""
    unit, price = 2.0**20, np.exp([-1 / 32, -0.3])
    near, far = uniform(100 * unit * 64, 1 / 64, 1 / 32), uniform(100 * unit * 32, 1 / 8, 5 / 32)
    scenario = quiet(
        n_step=2, depth=DEEP, shock=np.diff(np.log(price), prepend=0.0)[:, None], fee_rate=0.005,
        surplus_share=0.5, group_rate=0.02, forced={(0, LONG, 0, 0, 0): near + far},
    )  # fmt: skip
    rows = margin_table(np.stack([near, far], axis=-1), LONG, 0.02, 0.0)[-1] / unit
    left = rows[0] - 100 * (1 - price[0])
    fee = 0.5 * price[0]
    gained = fee + (left - fee) / 2
    loss = dict(zip(COMPONENTS, simulate(engine, scenario).loss[0, :, 0, 0] / unit, strict=True))
    assert loss["fees"] == pytest.approx(fee, rel=1e-5)
    assert loss["deficit"] == pytest.approx(100 * (1 - price[1]) - rows[1], rel=1e-5)
    assert loss["fund_draw"] == pytest.approx(gained, rel=1e-5)
    assert loss["bad_debt"] == pytest.approx(loss["deficit"] - gained, rel=1e-5)
    assert loss["total"] == pytest.approx(100 * (2 - price.sum()), rel=1e-5)
