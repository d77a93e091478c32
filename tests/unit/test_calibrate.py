"""Estimators against numbers worked by hand and against slower ways to the same; the command, end to end."""

import itertools
import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from stress import cli
from stress.calibrate import book, clustering, jumps, mix, moments, regimes, student
from stress.calibrate.intervals import FISHER, LINEAR, batch_means, estimate, influences
from stress.config import load as load_config
from stress.errors import ConfigError, Interrupted, StoreError
from stress.reporting import reported


def test_an_interval_by_hand():
    """Twenty batches of two: means 1 to 20 have a deviation of 5.916, so the error is 1.3229."""
    influence = np.repeat(np.arange(1.0, 21.0), 2)
    np.testing.assert_allclose(batch_means(influence), np.arange(1.0, 21.0))
    found = estimate(3.0, influence, LINEAR)
    assert found.error == pytest.approx(1.3229, abs=1e-4)
    assert found.upper - found.value == pytest.approx(2.0930 * 1.3229, abs=1e-3)
    narrow = estimate(0.9, 0.1 * (influence - influence.mean()), FISHER)
    assert narrow.value - narrow.lower > narrow.upper - narrow.value > 0
    assert narrow.upper < 1


def test_volatility_by_hand():
    """One percent up, one percent down, every hour: 1% times the root of 8760 is 93.59%."""
    returns = np.tile([0.01, -0.01], 200)[:, None]
    found = moments.volatilities(returns, 3600.0)[0]
    assert found.value == pytest.approx(0.93595, abs=1e-5)
    assert found.error == pytest.approx(0, abs=1e-12)


def test_tail_beta_and_shrinkage_by_hand():
    base = np.array([-0.10, -0.06, *np.full(198, 0.01)])
    asset = np.array([-0.20, -0.06, *np.full(198, 0.02)])
    assert moments.tail_beta(asset, base, 0.01).value == pytest.approx(0.26 / 0.16)
    matrix = np.array([[1, 0.8, 0.4], [0.8, 1, 0.6], [0.4, 0.6, 1]])
    mixed, share = moments.shrunk(matrix, 0.5)
    assert share == 0.5
    np.testing.assert_allclose(mixed[0], [1, 0.7, 0.5])
    indefinite = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    assert np.linalg.eigvalsh(moments.shrunk(indefinite, 0.0)[0])[0] >= 0.0099


def test_influences_of_least_squares_are_the_known_ones():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(500)
    y = 2 * x + rng.standard_normal(500)
    slope = (x @ y) / (x @ x)
    found = influences(lambda t: (x * (y - t[0] * x))[:, None], np.array([slope]), np.array([1e-3]))
    np.testing.assert_allclose(found[:, 0], x * (y - slope * x) / (x @ x) * 500, rtol=1e-6)


def test_student_likelihood_is_scipys():
    lengths = np.array([0.1, 1.0, 9.0])
    theta = np.array([math.log(2.0), math.log(1.5)])
    ours = student.log_likelihood(theta, lengths, 1)
    known = stats.t.logpdf(np.sqrt(lengths), 4, scale=math.sqrt(1.5 * 2 / 4))
    np.testing.assert_allclose(np.diff(ours), np.diff(known), rtol=1e-12)


def test_garch_variance_is_the_recursion():
    squares = np.random.default_rng(1).chisquare(1, 50)
    theta = 0.11, 0.1, 0.8
    found, variance = clustering.garch_variance(np.array(theta), squares), squares[:10].mean()
    for t in range(50):
        assert found[t] == pytest.approx(variance)
        variance = 0.11 + 0.1 * squares[t] + 0.8 * variance


def test_integrated_garch_has_no_half_life():
    """Where alpha + beta is one, the interval of the persistence holds one, and half-lives have no end."""
    rng, returns, variance = np.random.default_rng(1), np.zeros(4000), 1.0
    for t in range(4000):
        returns[t] = math.sqrt(variance) * rng.standard_normal()
        variance = 0.001 + 0.1 * returns[t] ** 2 + 0.9 * variance
    found = clustering.garch(returns)
    assert found.persistence.lower < 1 <= found.persistence.upper
    assert found.half_life.upper == math.inf
    assert found.alpha.lower < 0.1 < found.alpha.upper
    assert found.alpha.upper - found.alpha.lower > 0.02


def test_steady_filter_is_kalmans():
    """The plain recursion of Kalman, from its steady state, gives every bar the same likelihood."""
    rng = np.random.default_rng(2)
    y, sign = rng.standard_normal(40), np.sign(rng.standard_normal(40))
    mean, phi, omega, rho, noise = theta = np.array([-0.2, 0.9, 0.5, -0.4, 0.7])
    push = rho * omega * math.sqrt(1 - phi**2) * math.sqrt(2 / math.pi)
    q = 4 * (omega**2 * (1 - phi**2) - push**2)
    variance = 1.0
    for _ in range(500):
        variance = phi**2 * variance * noise / (variance + noise) + q
    state, known = 0.0, []
    for t in range(40):
        surprise, total = y[t] - mean - state, variance + noise
        known.append(-0.5 * (math.log(total) + surprise**2 / total))
        state = phi * (state + variance / total * surprise) + 2 * push * sign[t]
    np.testing.assert_allclose(clustering.filter_likelihood(theta, y, sign), known, rtol=1e-9)


def test_block_length_of_an_autoregression():
    """Of an AR(1) with 0.5 it is (4/3)^(2/3) n^(1/3): 32.9 bars for n = 20,000."""
    shocks, x = np.random.default_rng(1).standard_normal(20_000), np.zeros(20_000)
    for t in range(1, 20_000):
        x[t] = 0.5 * x[t - 1] + shocks[t]
    assert clustering.block_length(x) == pytest.approx(32.9, rel=0.3)
    assert clustering.block_length(shocks) < 8


def test_regimes_against_every_chain():
    rng = np.random.default_rng(3)
    returns = rng.standard_normal((6, 2))
    transition = np.array([[0.9, 0.1], [0.3, 0.7]])
    covariances = np.array([[[1.0, 0.3], [0.3, 1.0]], [[4.0, 2.0], [2.0, 5.0]]])
    density = np.exp(regimes.log_densities(returns, covariances))
    np.testing.assert_allclose(
        density[:, 1], stats.multivariate_normal([0, 0], covariances[1]).pdf(returns), rtol=1e-12
    )
    total, here = 0.0, np.zeros((6, 2))
    for chain in itertools.product((0, 1), repeat=6):
        weight = regimes.stationary(transition)[chain[0]] * density[0, chain[0]]
        for t in range(1, 6):
            weight *= transition[chain[t - 1], chain[t]] * density[t, chain[t]]
        total += weight
        for t, state in enumerate(chain):
            here[t, state] += weight
    found, change, likelihood = regimes.expected(returns, transition, covariances)
    np.testing.assert_allclose(found, here / total, rtol=1e-10)
    assert likelihood == pytest.approx(math.log(total), rel=1e-12)
    np.testing.assert_allclose(change.sum(axis=2), found[:-1], rtol=1e-10)


def test_a_chain_in_continuous_time_comes_back():
    """Mean durations of 6 h and 1 h, bars of 15 m: what docs/methods/exogenous.md makes of them, undone."""
    away = (1 - math.exp(-(1 / 6 + 1) / 4)) / (1 / 6 + 1) * np.array([1 / 6, 1])
    transition = np.array([[1 - away[0], away[0]], [away[1], 1 - away[1]]])
    np.testing.assert_allclose(regimes.summary(transition, 900.0)[0], [21_600, 3_600], rtol=1e-10)


def test_jumps_against_every_combination():
    """The likelihood is the mixture of normals that Eq. (22) says, and the score of it is zero at the fit."""
    rng = np.random.default_rng(4)
    returns = rng.standard_normal((5, 2))
    law = jumps.Law(
        np.array([0.1, 0.0]), np.array([[1.0, 0.4], [0.4, 2.0]]), 0.05, -0.5, 4.0, np.array([1.0, 1.5]),
        np.array([0.02, 0.03]), np.array([0.2, -0.3]), np.array([9.0, 16.0]),
    )  # fmt: skip
    total = np.zeros(5)
    for k in range(jumps.MOST_COMMON + 1):
        for a in (None, 0, 1):
            mean, covariance = law.mean + k * law.size * law.beta, law.covariance.copy()
            covariance += k * law.variance * np.outer(law.beta, law.beta)
            chance = math.exp(-0.05 - 0.05) * 0.05**k / math.factorial(k)
            if a is not None:
                mean[a] += law.own_size[a]
                covariance[a, a] += law.own_variance[a]
                chance *= law.own_chance[a]
            total += chance * stats.multivariate_normal(mean, covariance).pdf(returns)
    found = jumps.expected(law, returns, (0, 1))
    np.testing.assert_allclose(found.log_likelihood, np.log(total), rtol=1e-12)

    theta = jumps.packed(law, (0, 1))

    def likelihood(t):
        return jumps.expected(jumps.unpacked(t, 2, (0, 1)), returns, (0, 1)).log_likelihood.sum()

    step = 1e-5
    for k, divide in ((0, law.chance), (1, law.variance), (3, 1.0)):
        up, down = theta.copy(), theta.copy()
        up[k], down[k] = up[k] + step, down[k] - step
        slope = (likelihood(up) - likelihood(down)) / (2 * step)
        assert jumps.equations(theta, returns, (0, 1))[:, k].sum() / divide == pytest.approx(slope, rel=1e-4)


def test_a_book_without_noise_is_found_exactly():
    """Shape 0.6 and $100M: within 1%, 2% and 5% stand 100, 280 and 1300 million."""
    bands = np.array([1.0, 2.0, 5.0])
    notional = np.broadcast_to(1e6 * np.array([100.0, 280.0, 1300.0]), (240, 2, 3))
    found = book.book(book.Snapshots("", "", np.arange(240), bands, notional), 50, 1, lambda _: None)
    assert found.shape.value == pytest.approx(0.6, abs=1e-5)
    assert found.depth.value == pytest.approx(1e8)
    assert found.fitted.value == pytest.approx(1e8, rel=1e-4)
    assert found.misfit < 1e-4


def test_reported_flow():
    flow = {"chain": 4.0, "throttled": np.array([6.0, 12.0])}
    shown = reported(flow, {"throttled": 0.25})
    assert shown["chain"] == 4.0
    np.testing.assert_array_equal(shown["throttled"], [1.5, 3.0])
    for wrong in (0.0, 1.5, -1.0):
        with pytest.raises(ConfigError, match="out of range"):
            reported(flow, {"throttled": wrong})


def test_shares_of_a_lognormal_by_hand():
    """Median 3x, sigma 1, tiers to 1x, 3x and without end: 13.6%, 36.4%, 50%."""
    ends = np.array([0.0, 1.0, 3.0, np.inf])
    np.testing.assert_allclose(mix.tier_shares(3.0, 1.0, ends), [0.1360, 0.3640, 0.5], atol=1e-4)
    assert sum(float(t[:-1]) for t in mix.percentages({"a": 1 / 3, "b": 2 / 3}).values()) == 100


# The command -------------------------------------------------------------------------------------


@pytest.fixture
def verb():
    def run(*arguments, code=0):
        done = CliRunner().invoke(cli.app, ["calibrate", *map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout

    return run


@pytest.fixture(scope="module")
def price_file(tmp_path_factory):
    """Two assets of a made-up market, hourly for a hundred days: wild days, and jumps of both at once."""
    rng, n = np.random.default_rng(5), 2400
    wild = np.repeat(rng.random(100) < 0.2, 24)
    returns = (
        0.004 * (1 + 2 * wild)[:, None] * (rng.standard_normal((n, 1)) + 0.7 * rng.standard_normal((n, 2)))
    )
    returns += (rng.random(n) < 0.01)[:, None] * 0.06 * rng.standard_normal((n, 1))
    start = np.datetime64("2025-01-01T00:00", "m")
    closes = [100_000, 2] * np.exp(np.cumsum(returns, axis=0))
    lines = ["time,asset,close,high,low"]
    for t, row in enumerate(closes):
        at = start + np.timedelta64(60 * t, "m")
        lines += [f"{at},{a},{p},{1.01 * p},{0.99 * p}" for a, p in zip(("BTC", "ALT"), row, strict=True)]
    path = tmp_path_factory.mktemp("prices") / "hourly.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def index_file(price_file):
    """A share index once a day, seen at 20:00."""
    rng = np.random.default_rng(6)
    levels = 5000 * np.exp(np.cumsum(0.01 * rng.standard_normal(200)))
    days = np.datetime64("2024-10-15") + np.arange(200)
    path = price_file.with_name("index.csv")
    path.write_text("\n".join(["date,SPX", *(f"{d},{x}" for d, x in zip(days, levels, strict=True))]))
    return path


RUN = """
schema_version: 1
extends: {part}
about: {{title: T, question: Q}}
run: {{horizon: 1h, step: 60s, paths: 100, seed: 1}}
tiers: [{{from: 0x, to: 3x}}, {{from: 3x, to: 25x}}]
books:
  shape: 0.6
  refill_half_life: 10m
  arbitrage_half_life: never
  permanent_impact: 20%
  withdrawal: {{sensitivity: 40, half_life: 15m, floor: 2%}}
mixes:
  all: {{long: {{0x-3x: 70%, 3x-25x: 30%}}, short: {{0x-3x: 80%, 3x-25x: 20%}}}}
venues:
  one:
    name: One
    maximum_leverage: 25x
    mark: {{own: 100%}}
    liquidation: {{surplus_to_fund: 0%}}
    insurance_fund: $10M
    adl: {{policy: queue, fund_below: 1%}}
    mix: all
    markets:
      BTC: {{open_interest: $1B, depth: $100M, maintenance: [{{rate: 0.5%}}]}}
      ALT: {{open_interest: $100M, depth: $5M, maintenance: [{{rate: 1%}}]}}
"""


@pytest.mark.parametrize("kind", ["student_t", "jump_diffusion", "stochastic_vol", "regime_switching"])
def test_a_part_goes_under_a_config(verb, price_file, index_file, tmp_path, kind):
    part, config = tmp_path / "part.yaml", tmp_path / "run.yaml"
    others = {"student_t", "jump_diffusion", "stochastic_vol", "regime_switching"} - {kind}
    options = (
        ["--skip", "garch", *(x for other in others for x in ("--skip", other))]
        if kind != "student_t"
        else []
    )
    said = verb("prices", price_file, "--base", "BTC", "--out", part, "--dynamics", kind, *options,
                "--factor", f"SPX={index_file}", "--factor-delay", "20h")  # fmt: skip
    assert f"extends: {part.name}" in said
    config.write_text(RUN.format(part=part.name))
    found = load_config(config)
    assert found.dynamics.kind == kind
    assert list(found.assets) == ["BTC", "ALT"]
    assert 0.3 < found.assets["BTC"].volatility < 1.5
    assert found.assets["BTC"].calm_volatility < found.assets["BTC"].volatility or kind == "jump_diffusion"
    assert set(found.factors["SPX"].betas) == {"BTC", "ALT"}
    text = part.read_text()
    assert str(price_file) in text
    assert "2025-01-01 00:00:00 UTC to 2025-04-11 00:00:00 UTC: 2,400 bars of 1h" in text
    assert "se " in text
    if kind == "student_t":
        for other in others:
            assert f"#   kind: {other}" in text
        assert "GARCH(1,1) of BTC" in text
        assert "Parkinson" in text


def test_a_basket_and_a_short_history(verb, price_file, tmp_path):
    """ALT is known for the last half only: its volatility is brought to the length of BTC's."""
    lines = price_file.read_text().splitlines()
    kept = [lines[0], *(x for i, x in enumerate(lines[1:]) if ",BTC," in x or i >= 2400)]
    path = tmp_path / "short.csv"
    path.write_text("\n".join(kept))
    left_out = ("garch", "stochastic_vol", "regime_switching", "jump_diffusion")
    options = [word for stage in left_out for word in ("--skip", stage)]
    said = verb("prices", path, "--basket", "SMALL=ALT,BTC", "--json", *options)
    found = json.loads(said)["prices"]
    assert found["assets"] == ["BTC", "ALT", "SMALL"]
    mean = (found["volatility"]["BTC"]["value"] + found["volatility"]["ALT"]["value"]) / 2
    assert found["volatility"]["SMALL"]["value"] == pytest.approx(mean)
    assert "volatility of ALT: 50% of the time, times BTC's over all of it" in found["notes"]


def test_no_day_is_whole_for_all_assets(verb, price_file, tmp_path):
    """ALT lacks one hour of every day: volatilities are there, correlations by the kind of day are not."""
    lines = [x for x in price_file.read_text().splitlines() if "T05:00,ALT" not in x]
    path = tmp_path / "holes.csv"
    path.write_text("\n".join(lines))
    stages = ("student_t", "garch", "stochastic_vol", "regime_switching", "jump_diffusion", "bootstrap")
    skipped = [word for stage in stages for word in ("--skip", stage)]
    said = verb("prices", path, "--gaps", "--json", "--dynamics", "gbm", *skipped)
    found = json.loads(said)["prices"]
    assert set(found["calm_volatility"]) == {"BTC"}
    assert "no day is whole for all assets: no correlations on calm and on wild days" in found["notes"]


def test_feeds_are_those_of_venues(verb, root, tmp_path):
    """A reporting factor of nobody is a mistake, not a factor of one."""
    text = (root / "tools/calibration_coverage.py").read_text()
    config, path = tmp_path / "one.yaml", tmp_path / "seen.csv"
    config.write_text(text.split('CONFIG = """')[1].split('"""')[0])
    path.write_text("move,liquidations,open_interest\n" + "-0.1,1e7,1e9\n" * 6)
    with pytest.raises(ConfigError) as error:
        verb("mix", config, path, "--mix", "all", "--reporting", "oen=0.25")
    assert "--reporting: " in str(error.value)
    assert 'has no venue "oen"' in str(error.value)


def test_nothing_is_replaced_unasked(verb, price_file, tmp_path):
    part = tmp_path / "part.yaml"
    part.write_text("mine")
    with pytest.raises(ConfigError, match=r"the file is there .*--overwrite"):
        verb("prices", price_file, "--out", part)
    assert part.read_text() == "mine"


def test_nothing_is_left_half_written(verb, tmp_path, monkeypatch):
    path, part = depth_file(tmp_path), tmp_path / "part.yaml"

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError):
        verb("book", path, "--where", "defect=False", "--out", part, "--replicates", 50)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_signal_stops_it(verb, tmp_path, monkeypatch):
    path, part = depth_file(tmp_path), tmp_path / "part.yaml"

    def stopped(*_):
        signal.raise_signal(signal.SIGINT)
        return book_load(path, [("defect", "False")])

    book_load = book.load
    monkeypatch.setattr(book, "load", stopped)
    with pytest.raises(Interrupted, match="nothing was written"):
        verb("book", path, "--out", part)
    assert not part.exists()


def depth_file(tmp_path):
    lines = ["time,percentage,notional,defect"]
    for i in range(240):
        at = np.datetime64("2025-01-01T00:00", "m") + i
        for side in (-1, 1):
            lines += [f"{at},{side * b},{1e6 * d},False" for b, d in ((1, 100), (2, 195), (5, 450))]
    lines.append("2025-01-02T00:00,-1,1,True")
    path = tmp_path / "depth.csv"
    path.write_text("\n".join(lines))
    return path


def test_a_book_under_a_market(verb, price_file, tmp_path):
    part, config = tmp_path / "book.yaml", tmp_path / "run.yaml"
    verb("book", depth_file(tmp_path), "--where", "defect=False", "--market", "one.BTC", "--out", part,
         "--replicates", 50)  # fmt: skip
    text = RUN.replace("depth: $100M, ", "").format(part=part.name)
    text += "assets:\n"
    text += "".join(
        f"  {a}: {{name: x, price: $1, volatility: 50%, calm_volatility: 40%}}\n" for a in ("BTC", "ALT")
    )
    config.write_text(text + "dynamics: {kind: gbm}\ncorrelation: 0.5\n")
    market = load_config(config).venues["one"].markets["BTC"]
    assert market.depth == pytest.approx(1e8)
    assert 1 < market.book.shape < 1.1
    assert market.book.band == 0.05


def test_a_mix_is_found_again(verb, root, tmp_path):
    """Liquidations that a config forces, as a feed shows them that leaves out three quarters of all."""
    text = (root / "tools/calibration_coverage.py").read_text()
    config = tmp_path / "one.yaml"
    config.write_text(text.split('CONFIG = """')[1].split('"""')[0])
    market = mix.Market(str(config), "all", -np.geomspace(0.05, 0.3, 7), 20, 1)
    shares, falls = market.forced(np.log([2.5, 0.9]))
    noise = [1.05, 0.96, 1.02, 0.97, 1.03, 0.98, 1.0]
    lines = ["move,liquidations,open_interest,venue"]
    for fall, share, factor in zip(falls, shares.mean(axis=1)[:, 0], noise, strict=True):
        lines.append(f"{-fall},{0.25 * share * factor * 4e9},4e9,one")
    path, part = tmp_path / "seen.csv", tmp_path / "mix.yaml"
    path.write_text("\n".join(lines))
    found = json.loads(verb("mix", config, path, "--mix", "all", "--reporting", "one=0.25", "--paths", 20,
                            "--threads", 1, "--out", part, "--json"))["mix"]  # fmt: skip
    assert found["median"]["value"] == pytest.approx(2.5, rel=0.1)
    assert found["sigma"]["value"] == pytest.approx(0.9, rel=0.1)
    assert found["median"]["lower"] < 2.5 < found["median"]["upper"]
    changed = tmp_path / "run.yaml"
    lines = (
        config.read_text()
        .replace("schema_version: 1", f"schema_version: 1\nextends: {part.name}")
        .splitlines()
    )
    changed.write_text("\n".join(line for line in lines if "long:" not in line))
    assert sum(load_config(changed).mixes["all"].long.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--skip", "garhc"], '--skip: "garhc" is not a choice'),
        (["--dynamics", "student_t", "--skip", "student_t"], "student_t is both left out and wanted"),
        (["--basket", "SMALL"], '--basket: "SMALL" is not NAME=VALUE'),
        (["--since", "soon"], '--since: "soon" is not a time'),
        (["--bar", "3"], '--bar: "3" has no unit'),
        (["--assets", "BTC,ETH"], 'no file has "ETH"'),
        (["--base", "ETH"], 'no file has "ETH"'),
        (["--bar", "90m"], "bars of BTC are 3600 s long, and do not fit into 5400 s"),
    ],
)
def test_options_are_checked(verb, price_file, arguments, message):
    with pytest.raises(ConfigError) as error:
        verb("prices", price_file, *arguments)
    assert message in str(error.value)


def test_exit_codes(tmp_path):
    path = tmp_path / "prices.parquet"
    path.write_bytes(b"PAR1")
    code = "import sys; sys.modules['pyarrow.parquet'] = None; from stress.cli import main; main()"
    for arguments, expected in (([path], 3), ([tmp_path / "none.csv"], 2)):
        command = [sys.executable, "-c", code, "calibrate", "prices", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == expected, done.stderr
        assert "Traceback" not in done.stderr
