"""A cap on leverage: Eq. (11) of docs/methods/positions.md."""

import numpy as np
import pytest

from kernels.mechanisms.liquidation import LONG, SHORT
from stress.compile import compile_config
from stress.config import load
from stress.errors import ConfigError
from tests.parity.variants import VARIANTS, compiled
from tests.scenarios import simulate


def first_run(root, *settings):
    return load(root / "configs/first-run.yaml", settings)


def test_one_mix_by_hand(root):
    """Harbour's longs in Bitcoin, $4B: 28% at 3x to 10x, a fifth of them never forced, and 2% above.

    Under 10x all 30% are there: $1.2B, of which 20% x 28% x $4B = $224M are never forced, 18.67%.
    """
    arrays = compile_config(first_run(root, "leverage_cap=10x")).arrays
    assert arrays.tier_notional[0, LONG, 0] == pytest.approx([2.8e9, 1.2e9, 0])
    assert arrays.forced[0, LONG, :, 0, -1, 1:].sum(axis=0) == pytest.approx([1.2e9 - 0.224e9, 0])


def test_open_interest_stays_and_nobody_is_forced_sooner(root):
    free, capped = (compile_config(first_run(root, *s)).arrays for s in ([], ["leverage_cap=10x"]))
    assert capped.tier_notional.sum(axis=-1) == pytest.approx(free.tier_notional.sum(axis=-1))
    assert (capped.forced_total <= free.forced_total * (1 + 1e-12)).all()
    assert (capped.forced_total[0, [LONG, SHORT], 0] < free.forced_total[0, [LONG, SHORT], 0]).any()


def test_a_cap_above_everybody_changes_nothing(root):
    free, capped = (compile_config(first_run(root, *s)) for s in ([], ["leverage_cap=25x"]))
    for name in ("forced", "margin", "tier_notional"):
        assert np.array_equal(getattr(free.arrays, name), getattr(capped.arrays, name))
    for name in ("equity", "hedged", "entry"):
        assert np.array_equal(getattr(free.parts.adl, name), getattr(capped.parts.adl, name))


def test_accounts_are_under_it_too(root):
    small, settings = root / "tests/configs/small.yaml", VARIANTS["cross margin, long and hedged"]
    config = load(small, [*settings, "leverage_cap=5x"])
    free, capped = compiled("cross margin, long and hedged"), compile_config(config)
    before, after = (scenario.parts.account.forced.sum(axis=-1) for scenario in (free, capped))
    assert (after <= before * (1 + 1e-12)).all()
    assert (after < 0.9 * before).any()
    assert (capped.parts.account.forced[..., 3:] == 0).all()


def test_less_is_forced_under_a_cap(root):
    """On every path. What is lost is another question: those who are forced have more margin to lose."""
    free, capped = (
        simulate("cpu", compile_config(first_run(root, *s)), seed=1, count=100)
        for s in ([], ["leverage_cap=10x"])
    )
    assert (capped.liquidated[:, -1, -1, -1] < free.liquidated[:, -1, -1, -1]).all()
    assert (capped.loss[:, :, :, 2] == 0).all()
    assert (free.loss[:, 0, -1, 2] > 0).all()


def test_a_cap_within_a_tier_is_refused(root):
    config = first_run(root, "leverage_cap=20x")
    with pytest.raises(
        ConfigError, match=r"leverage_cap: 20x cuts through a tier.*Take one of 3x, 10x, 25x\."
    ):
        compile_config(config)
