"""Loading: files, parts, one level of extending, overrides, and where everything came from."""

import hashlib
import pickle
from pathlib import Path

import pytest

from kernels import scenario
from stress.config import load, loads
from stress.config.market import MOST_CLASSES
from stress.config.run import MOST_VENUES
from stress.config.tier import MOST_TIERS
from stress.errors import ConfigError

SMALL = Path(__file__).parents[1] / "configs" / "small.yaml"


@pytest.fixture(scope="module")
def small():
    return load(SMALL)


def test_reads_quantities_in_canonical_units(small):
    assert small.run.horizon == 1800.0
    assert small.run.n_step == 30
    assert small.run.seed == 20251010
    market = small.venues["alpha"].markets["BTC"]
    assert (market.open_interest, market.depth) == (6e9, 120e6)
    assert small.venues["alpha"].liquidation.throughput == 1e9 / 60
    assert small.venues["beta"].liquidation.throughput is None
    assert small.venues["beta"].adl.drawdown is None
    assert small.overlays[0].size == -0.06


def test_markets_take_what_they_lack_from_their_venue(small):
    assert small.venues["alpha"].markets["BTC"].maximum_leverage == 125
    assert small.venues["beta"].markets["ETH"].maximum_leverage == 25
    assert small.venues["beta"].markets["ETH"].mix == "capped"


def test_books_take_the_most_particular_value(small):
    shared, own = small.book("alpha", "BTC"), small.book("alpha", "ETH")
    assert (shared.shape, shared.withdrawal.floor) == (0.6, 0.05)  # of all markets; of the venue's makers
    assert (own.shape, own.withdrawal.floor) == (0.8, 0.03)  # of the market
    assert own.withdrawal.half_life == 900
    assert small.book("beta", "ETH").withdrawal.floor == 0.02


def test_tiers_have_names_and_keys(small):
    assert small.tier_names[1] == "[1,3)"
    assert small.tier_names[-1] == "[100,1001]"
    assert small.tier_keys[-1] == "100x-1001x"


def test_never_forced_has_one_form_after_loading(small):
    assert small.mixes["majors"].never_forced.short["1x-3x"] == 0.6
    assert small.mixes["capped"].never_forced.long == {"0x-1x": 1.0, "1x-3x": 0.5}
    assert set(small.mixes["capped"].never_forced.short.values()) == {0.7}
    assert set(small.mixes["capped"].never_forced.short) == set(small.mixes["capped"].short)


def test_correlation_is_ordered_as_the_assets_are(tmp_path):
    base = f"extends: {SMALL}\n"
    swapped = loads(base + "correlation: {assets: [ETH, BTC], matrix: [[1, 0.3], [0.3, 1]]}")
    assert swapped.correlation_matrix() == ((1.0, 0.3), (0.3, 1.0))
    assert loads(base + "correlation: 0.4").correlation_matrix() == ((1.0, 0.4), (0.4, 1.0))
    assert loads(base + "correlation: 0").correlation_matrix() == ((1.0, 0.0), (0.0, 1.0))


def test_limits_are_those_of_the_kernels():
    assert MOST_TIERS == scenario.MAX_TIER
    assert MOST_CLASSES == scenario.MAX_GROUP
    assert MOST_VENUES == scenario.LANES


def test_extending_merges_mappings_and_replaces_all_else():
    config = loads(
        f"""
extends: {SMALL}
venues: {{alpha: {{insurance_fund: $7M, markets: {{BTC: {{depth: $1M}}}}}}}}
overlays: []
dynamics: {{kind: gbm}}
"""
    )
    assert config.venues["alpha"].insurance_fund == 7e6
    assert config.venues["alpha"].markets["BTC"].depth == 1e6
    assert config.venues["alpha"].markets["BTC"].open_interest == 6e9
    assert config.overlays == ()
    assert config.dynamics.kind == "gbm"  # the degrees of freedom underneath went with their kind


def test_what_is_left_out_is_gone():
    config = loads(
        f"extends: {SMALL}\nwithout: [venues.alpha.markets.ETH, overlays, venues.beta.closing_share]\n"
    )
    assert list(config.venues["alpha"].markets) == ["BTC"]
    assert config.overlays == ()
    assert config.venues["beta"].closing_share == 0.7  # the default


def test_what_is_left_out_can_be_written_anew():
    market = "{ETH: {open_interest: $1B, depth: $20M, maintenance: [{rate: 2%}]}}"
    above = f"venues: {{beta: {{markets: {market}}}}}\n"
    merged = loads(f"extends: {SMALL}\n{above}").venues["beta"].markets
    anew = loads(f"extends: {SMALL}\nwithout: [venues.beta.markets]\n{above}").venues["beta"].markets
    assert list(merged) == ["BTC", "ETH"]
    assert merged["ETH"].maximum_leverage == 25
    assert list(anew) == ["ETH"]
    assert anew["ETH"].maximum_leverage == 40  # the venue's


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        (f"extends: {SMALL}\nwithout: [venues.aster]", "without[0]", "is not there"),
        (f"extends: {SMALL}\nwithout: [overlays.0]", "without[0]", "is not there"),
        (f"extends: {SMALL}\nwithout: [run, '']", "without[1]", "is not a path"),
        (f"extends: {SMALL}\nwithout: venues.beta", "without", "is not a list"),
        ("without: [run]\nrun: {}", "without", "there is nothing to leave out of"),
    ],
)
def test_what_cannot_be_left_out(text, path, problem):
    with pytest.raises(ConfigError) as refused:
        loads(text)
    assert path in [found.path for found in refused.value.problems]
    assert problem in str(refused.value)


@pytest.fixture
def parts(tmp_path):
    """A config in `runs/`, over a base in `base/` that has a part beside it."""
    for folder in ("runs", "base/assets", "runs/venues"):
        (tmp_path / folder).mkdir(parents=True)
    text = SMALL.read_text()
    head, asset = text.split("  ETH:\n    name", 1)
    asset, rest = ("    name" + asset).split("venues:\n", 1)
    (tmp_path / "base/assets/eth.yaml").write_text("\n".join(line.strip() for line in asset.splitlines()))
    (tmp_path / "base/market.yaml").write_text(f"{head}  ETH: assets/eth.yaml\nvenues:\n{rest}")
    (tmp_path / "runs/venues/gamma.yaml").write_text(
        "name: Gamma\nmaximum_leverage: 50x\ninsurance_fund: $1M\nadl: {policy: none}\nmix: capped\n"
        "markets: {BTC: {open_interest: $1M, depth: $1M, maintenance: [{rate: 1%}]}}\n"
    )
    run = tmp_path / "runs/run.yaml"
    run.write_text(
        "extends: ../base/market.yaml\nassets: {ETH: {volatility: 90%}}\nvenues: {gamma: venues/gamma.yaml}\n"
    )
    return run


def test_parts_are_found_beside_the_file_that_names_them(parts):
    config = load(parts)
    assert config.assets["ETH"].price == 4100
    assert config.assets["ETH"].volatility == 0.9  # changed on top of the part
    assert config.venues["gamma"].markets["BTC"].maximum_leverage == 50
    assert list(config.venues) == ["alpha", "beta", "gamma"]


def test_sources_are_all_files_with_their_digests(parts):
    sources = load(parts).sources
    assert [Path(source.file).name for source in sources] == [
        "run.yaml",
        "market.yaml",
        "eth.yaml",
        "gamma.yaml",
    ]
    for source in sources:
        assert source.sha256 == hashlib.sha256(Path(source.file).read_bytes()).hexdigest()


def test_errors_in_parts_name_the_part(parts):
    gamma = parts.parent / "venues" / "gamma.yaml"
    gamma.write_text(gamma.read_text().replace("rate: 1%", "rate: 1"))
    with pytest.raises(ConfigError) as refused:
        load(parts)
    (problem,) = refused.value.problems
    assert problem.place.file == str(gamma)
    assert (problem.place.line, problem.place.column) == (6, 70)
    assert problem.path == "venues.gamma.markets.BTC.maintenance[0].rate"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("run.paths=7", lambda c: c.run.paths == 7),
        ("tiers[7].to = 1001x", lambda c: c.tiers[7].to == 1001),
        ("overlays.0.at=1m", lambda c: c.overlays[0].at == 60),
        ("overlays=[]", lambda c: c.overlays == ()),
        ("dynamics={kind: gbm}", lambda c: c.dynamics.kind == "gbm"),
        ("venues.beta.mark.index.alpha=1", lambda c: c.venues["beta"].mark.index == {"alpha": 1}),
        ("about.title='a: b'", lambda c: c.about.title == "a: b"),
    ],
)
def test_overrides_replace_what_the_files_say(override, expected):
    assert expected(load(SMALL, [override]))


def test_later_overrides_win_and_do_not_leak_between_venues_of_one_part(parts):
    parts.write_text(parts.read_text().replace("gamma.yaml}", "gamma.yaml, delta: venues/gamma.yaml}"))
    config = load(parts, ["venues.gamma.insurance_fund=$2M", "venues.gamma.insurance_fund=$3M"])
    assert config.venues["gamma"].insurance_fund == 3e6
    assert config.venues["delta"].insurance_fund == 1e6


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.paths", "this is not an override"),
        ("=3", "this is not an override"),
        ("extends=x.yaml", "this is not an override"),
        ("run..paths=3", "this is not an override"),
        ("run.pths=1", "run.pths: unknown key (known here: horizon, step, paths,"),
        ("run.paths=", "run.paths: has no value"),
        ("run.paths=[", "this is not YAML"),
        ("run.paths=ten", 'run.paths: "ten" is not a whole number'),
        ("about.title=a: b", "about.title: is a mapping (text is needed)"),
        ("run.paths.x=1", 'run.paths.x: "x" is looked for in a value, not a mapping'),
        ("tiers[99].to=9x", "tiers[99].to: the list has 8 entries, counted from 0"),
        ("tiers.last.to=9x", '"last" is looked for in a list, whose entries have numbers'),
        ("run.seed=&a 1", "anchor &a"),
        ("overlays[0].at=1h", "overlays[0].at: begins after the horizon, 30m"),
        ("assets.BTC=nowhere.yaml", "does not exist"),
    ],
)
def test_wrong_overrides_are_named_as_the_place(override, message):
    with pytest.raises(ConfigError) as refused:
        load(SMALL, [override])
    assert str(refused.value).startswith(f"--set {override}: ")
    assert message in str(refused.value)


def test_events_that_last_may_outlast_the_run_but_shocks_may_not():
    config = load(SMALL, ["overlays[1].over=2h", "overlays[2].over=2h"])
    assert config.overlays[2].over == 7200
    with pytest.raises(ConfigError, match="ends after the horizon"):
        load(SMALL, ["overlays[0].over=2h"])


def test_an_override_is_not_the_place_of_what_stands_around_it():
    text = f"extends: {SMALL}\nvenues:\n  gamma: {{name: Gamma}}\n"
    with pytest.raises(ConfigError) as refused:
        loads(text, ["venues.gamma.insurance_fund=$1"])
    assert all(problem.place.line == 3 for problem in refused.value.problems)


def test_configs_can_be_sent_to_other_processes(small):
    again = pickle.loads(pickle.dumps(small))
    assert again == small
    assert again.sources == small.sources


def test_later_checks_can_name_the_place_of_a_value(small):
    error = small.error(("venues", "alpha", "markets", "BTC", "depth"), "is too small", "reason", "Try more.")
    lines = SMALL.read_text().splitlines()
    line = lines.index("        depth: $120M") + 1
    assert (
        str(error) == f"{SMALL}:{line}:16: venues.alpha.markets.BTC.depth: is too small (reason). Try more."
    )
    implied = small.problem(("venues", "beta", "markets", "BTC", "mix"), "is odd")
    assert (lines[implied.place.line - 1], implied.place.column) == ("      BTC:", 7)


def test_windows_line_ends_and_a_byte_order_mark_are_text(tmp_path, small):
    file = tmp_path / "dos.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALL.read_bytes().replace(b"\n", b"\r\n"))
    assert load(file) == small
