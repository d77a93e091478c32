"""The log of a replayed path, in words."""

import numpy as np
import pytest
import xarray as xr

from stress.replays import events
from stress.replays.events import tell
from stress.replays.story import Story, clock, leverage, listed, possessive
from tests.replays import calm


@pytest.fixture
def nothing():
    return calm()


def texts(steps, rounds, row, schedule=()):
    return [str(event) for event in tell(steps, rounds, row, schedule)]


def test_a_calm_path_has_nothing_to_tell(nothing):
    assert texts(*nothing) == []


def test_a_crash_in_words(nothing):
    """Asset A falls by a tenth at v1 in minute 3, its longs of tier t1 are forced there; the fund goes."""
    steps, rounds, row = nothing
    steps.price[2:, 0, 1] = np.log(0.9)
    steps.price[6:, 0, 1] = np.log(0.96)
    steps.index[2:, 0] = np.log(0.9)
    steps.index[6:, 0] = np.log(0.95)
    steps.forced[2:, 0, 0, 1] = 40e6
    steps.forced[3:, 0, 0, 1] = 100e6
    steps.forced_tier[2:, 0, 0, 1, 1] = 40e6
    steps.depth_in_force[3:, 0, 1] = 3e6
    steps.fund[:] = 0.0
    steps.fund[:, 0, 1] = 10e6
    steps.fund[4:, 0, 1] = 1e6
    row.exhaustion_time[1] = 6.0
    steps.adl_tier[6:, 1, 0] = 120e6
    steps.loss.loc[{"component": "bad_debt", "venue": "v1"}] = 0.0
    steps.loss[6:, 5, 1, 1] = 3e6
    row.loss.loc[{"component": "bad_debt", "venue": "v1", "tier": "all"}] = 3e6
    steps.halted[7:9, :, 1] = 1
    assert texts(steps, rounds, row, [(2.0, "bad news (-9% over 60s from 2m)")]) == [
        "00:02 the config imposes: bad news (-9% over 60s from 2m)",
        "00:03 A is more than 5% below its start at v1",
        "00:03 forced selling of A begins at v1: longs at t1 first, $40.0M in this minute "
        "(all of the path: $100M)",
        "00:03 40% of the path's forced flow is done: $40.0M, 100% of it longs",
        "00:03 trough of A: -10.0% at v1",
        "00:04 depth is down to a third: A at v1",
        "00:04 100% of the path's forced flow is done: $100M, 100% of it longs",
        "00:04 the largest step of forced flow: $60.0M in this minute, of which v1 $60.0M, "
        "and of which A $60.0M",
        "00:04 v1's fund is half gone: $1.00M of $10.0M left",
        "00:06 v1's fund is spent, $10.0M at the start",
        "00:07 halted at v1: all markets",
        "00:07 ADL begins on v1: $120M of winners closed in this minute",
        "00:07 nobody pays for deficits at v1 (all of the path: $3.00M)",
        "00:09 traded again at v1: all markets",
        "00:10 at the end: A -5.0% (50% of its fall regained)",
    ]


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0.25, "in these 15 s"), (1.0, "in this minute"), (1.5, "in these 90 s"),
        (5.0, "in these 5 minutes"), (60.0, "in this hour"), (120.0, "in these 2 hours"),
    ],
)  # fmt: skip
def test_a_step_by_its_length(nothing, minutes, words):
    steps, rounds, row = nothing
    times = steps.assign_coords(time=minutes * np.arange(1, 11))
    assert Story(times, rounds, row).step_words == words


def test_funds_by_market_are_spent_one_by_one(nothing):
    steps, rounds, row = nothing
    steps.fund[:] = 0.0
    steps.fund[:, :, 1] = 5e5
    row.exhaustion_time[1] = 6.0
    assert texts(steps, rounds, row) == [
        "00:06 v1's first fund of a market is spent, $1.00M in all of them at the start"
    ]


def test_many_halts_are_counted(nothing):
    steps, rounds, row = nothing
    steps.down[1:9:2, 0] = 1
    said = texts(steps, rounds, row)
    assert said[0] == "00:01 v0 is down"
    assert said[-1] == "00:05 v0 is down (and once more later)"


def test_the_steepest_cascade_is_that_of_one_answer(nothing):
    """Accounts answer: the cascade of asset B begins anew, with what it forced before in its flow."""
    steps, _, row = nothing
    rounds = xr.Dataset(
        {
            "step": ("round", [3, 3, 3, 3]),
            "asset": ("round", [1, 1, 1, 1]),
            "answer": ("round", [0, 0, 1, 1]),
            "price": (("round", "venue"), np.log([[0.99, 1], [0.98, 1], [0.97, 1], [0.90, 1]])),
            "flow": (("round", "side", "venue"), np.zeros((4, 2, 2))),
        }
    )
    rounds.flow[:, 0, 0] = [1e6, 2e6, 3e6, 9e6]
    found = events.steepest(Story(steps, rounds, row))
    assert (found.step, found.asset, found.first, found.last) == (3, 1, 2, 3)
    assert found.move == pytest.approx(np.log(0.90 / 0.97))
    assert found.dollars == pytest.approx(7e6)
    rounds.price[:] = 0.0
    assert events.steepest(Story(steps, rounds, row)) is None


def test_words():
    assert clock(52.0, 1.0) == "00:52"
    assert clock(61.25, 0.25) == "01:01:15"
    assert leverage("[50,100)") == "50-100x"
    assert leverage("all") == "all"
    assert possessive("members") == "members'"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdef")) == "a, b, c and 3 more"
    assert tuple(sorted(events.LEVELS)) == events.LEVELS
