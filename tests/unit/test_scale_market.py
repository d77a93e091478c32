"""The markets of other days follow from October's: tools/scale_market.py."""

import importlib.util
from pathlib import Path

import pytest

from stress.units import DOLLARS

FILE = Path(__file__).parents[2] / "tools/scale_market.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("scale_market", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_blocks_are_current(tool):
    stale = [path.name for path, _ in tool.stale()]
    assert stale == [], "run python tools/scale_market.py"


@pytest.fixture
def venues():
    market = {
        "BTC": {"open_interest": "$8B", "depth": "$100M"},
        "ETH": {"open_interest": "$2B", "depth": "$20M"},
    }
    accounts = {"shared": {"open_interest": "$1B"}}
    one = {"mark": {"index": {"one": 1, "two": 1}}, "markets": market, "accounts": accounts, "fee": "1%"}
    return {"one": one, "two": {"mark": {"own": "100%"}, "markets": {"BTC": market["BTC"]}}}


def test_the_most_special_figure_wins(tool, venues):
    known = {
        "assets": {"BTC": 0.5, "others": 0.25},
        "venues": {"two": 0.1},
        "markets": {"one": {"BTC": "$2B"}},
    }
    day = tool.Day(known, set(), venues)
    assert day.markets("one") == {"BTC": (2e9, 25e6), "ETH": (0.5e9, 5e6)}
    assert day.markets("two") == {"BTC": (0.8e9, 10e6)}
    assert day.shared("one") == 0.25


def test_a_factor_for_depth_goes_before_open_interest(tool, venues):
    day = tool.Day({"assets": {"others": 0.5}, "depth": 0.7}, set(), venues)
    assert day.markets("one")["BTC"] == (4e9, 70e6)


def test_what_was_not_there_is_left_out(tool, venues):
    without = {"venues.two", "assets.ETH", "venues.one.accounts"}
    text = tool.Day({"assets": {"others": 0.5}}, without, venues).text()
    assert "two" not in text
    assert "ETH" not in text
    assert "accounts" not in text
    assert "BTC: {open_interest: $4B, depth: $50M}" in text


def test_a_venue_may_have_the_rules_of_another(tool, venues):
    known = {"assets": {"others": 0.5}, "like": {"new": "one"}, "rules": {"new": {"name": "New"}}}
    text = tool.Day(known, set(), venues).block("new")
    assert "    name: New\n" in text
    assert "    fee: 1%\n" in text
    assert "accounts" not in text


@pytest.mark.parametrize("value", [1.234e9, 45.6e6, 7890.0, 12.0])
def test_dollars_are_read_back(tool, value):
    assert DOLLARS.parse(tool.dollars(value)) == pytest.approx(value, rel=5e-3)
