"""Known answer 1: the share of a tier that is liquidated when orders move no price."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from stress.compile import CONTINUITY, compile_config
from stress.config import loads
from stress.units import YEAR_SECONDS
from tests.scenarios import simulate

RATE = 0.005
TIERS = {"5x-10x": (5, 10), "10x-20x": (10, 20), "20x-50x": (20, 50), "50x-100x": (50, 100)}
N_STEP, N_PATH, STEP_SECONDS = 240, 16_000, 60
VOLATILITY = 3.0
STANDARD_ERRORS = 4.5
SHIFT_ERROR = 0.003
"""What the shift leaves out, as a share of the probability."""

CONFIG = """
schema_version: 1
about: {title: First passage, question: "Who is liquidated where orders move no price?"}
run: {horizon: 4h, step: 60s, paths: 1, seed: 1, monitoring: step}
tiers:
  - {from: 0x, to: 5x}
  - {from: 5x, to: 10x}
  - {from: 10x, to: 20x}
  - {from: 20x, to: 50x}
  - {from: 50x, to: 100x}
dynamics: {kind: gbm, drift: {DRIFT}}
correlation: "0"
assets: {ASSETS}
books:
  shape: 1
  refill_half_life: 10m
  arbitrage_half_life: never
  permanent_impact: 0%
  withdrawal: {sensitivity: 0, half_life: 15m, floor: 1%}
mixes: {MIXES}
venues:
  v:
    name: V
    maximum_leverage: 100x
    insurance_fund: $0
    adl: {policy: none}
    markets: {MARKETS}
"""


def scenario(drift):
    """One asset per tier and side; only that tier of that side can be forced."""
    markets = [f"{side}{i}" for side in ("long", "short") for i in range(len(TIERS))]

    def mix(name):
        side, tier = name[:-1], list(TIERS)[int(name[-1])]
        other = "short" if side == "long" else "long"
        shares = f"{side}: {{{tier}: 100%}}, {other}: {{0x-5x: 100%}}"
        return f"{{{shares}, never_forced: {{{side}: 0%, {other}: 100%}}}}"

    def each(value):
        return "{" + ", ".join(f"{name}: {value(name)}" for name in markets) + "}"

    text = CONFIG.replace("{DRIFT}", each(lambda _: f"{drift:.0%}"))
    part = f"{{name: A, price: $1, volatility: {VOLATILITY:.0%}, calm_volatility: {VOLATILITY:.0%}}}"
    text = text.replace("{ASSETS}", each(lambda _: part)).replace("{MIXES}", each(mix))
    book = "{open_interest: $1M, depth: $1000T, maintenance: [{rate: 0.5%}], mix: NAME}"
    text = text.replace("{MARKETS}", each(lambda name: book.replace("NAME", name)))
    return compile_config(loads(text))


def probability(margin, side, drift):
    """That a holder is liquidated: first passage with the shift for a barrier watched at steps."""
    horizon = N_STEP * STEP_SECONDS / YEAR_SECONDS
    sign = 1 if side == "long" else -1
    price = (1 - sign * margin) / (1 - sign * RATE)
    sd = VOLATILITY * np.sqrt(horizon)
    h = -sign * np.log(price) + CONTINUITY * sd / np.sqrt(N_STEP)
    mean = sign * drift * horizon
    reflected = np.exp(-2 * mean / sd**2 * h) * ndtr((-h + mean) / sd)
    return ndtr((-h - mean) / sd) + reflected


def share(tier, side, drift):
    """That share of a tier with log-uniform thresholds."""
    low, high = (np.log(1 / lever) for lever in (tier[1], tier[0]))
    return quad(lambda log: probability(np.exp(log), side, drift), low, high)[0] / (high - low)


@pytest.mark.parametrize("drift", [0.0, -60.0], ids=["no drift", "falling"])
def test_share_of_a_tier(drift):
    outcome = simulate("cpu", scenario(drift), seed=11, count=N_PATH)
    forced = outcome.liquidated_coins[:, 0, :-1] / 1e6
    expected = [share(tier, side, drift) for side in ("long", "short") for tier in TIERS.values()]
    error = forced.std(axis=0) / np.sqrt(N_PATH)
    bias = SHIFT_ERROR * np.array(expected)
    assert np.all(np.abs(forced.mean(axis=0) - expected) <= STANDARD_ERRORS * error + bias)
    assert not outcome.status.any()


def test_tolerance_is_sharp():
    """Without the shift the expected shares would differ by far more than the tolerance."""
    low, high = np.log(1 / 50), np.log(1 / 20)
    sd = VOLATILITY * np.sqrt(N_STEP * STEP_SECONDS / YEAR_SECONDS)
    continuous = quad(lambda k: 2 * ndtr((np.log1p(-np.exp(k)) - np.log(1 - RATE)) / sd), low, high)[0]
    expected = share((20, 50), "long", 0.0)
    assert (
        continuous / (high - low) - expected
        > STANDARD_ERRORS * 0.5 / np.sqrt(N_PATH) + SHIFT_ERROR * expected
    )
