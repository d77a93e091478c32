"""Files of records: what is read, and how every mistake in them is named."""

import gzip
import sys

import numpy as np
import pytest

from stress.calibrate import book, mix, prices, rows
from stress.errors import BackendError, ConfigError

HOUR = 3_600_000
START = int(np.datetime64("2025-01-01", "ms").astype(int))


def walk(n=300, seed=1):
    """Prices of a random walk."""
    return 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(n)))


def stamps(n=300):
    return [str(np.datetime64(START + i * HOUR, "ms")).split(".")[0] + "Z" for i in range(n)]


def wide(times, **columns):
    lines = [",".join(["time", *columns])]
    lines += [",".join([t, *map(str, cells)]) for t, *cells in zip(times, *columns.values(), strict=True)]
    return lines


def written(tmp_path, lines, name="prices.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


def refused(path, **options):
    with pytest.raises(ConfigError) as error:
        prices.load([path], **options)
    return str(error.value).replace(str(path), "FILE")


def test_wide_and_long_files_say_the_same(tmp_path):
    times, btc, eth = stamps(), walk(seed=1), walk(seed=2)
    first = prices.load([written(tmp_path, wide(times, BTC=btc, ETH=eth))])
    lines = ["asset,time,open,close"]
    lines += [
        f"{name},{t},1,{p}"
        for name, ps in (("BTC", btc), ("ETH", eth))
        for t, p in zip(times, ps, strict=True)
    ]
    second = prices.load([written(tmp_path, lines, "long.csv")])
    assert first.assets == second.assets == ("BTC", "ETH")
    assert first.bar == 3600
    np.testing.assert_array_equal(first.times, START + HOUR * np.arange(1, 301))
    np.testing.assert_allclose(first.close, second.close)
    np.testing.assert_allclose(first.returns()[1:, 0], np.diff(np.log(btc)), rtol=1e-12)


def test_several_files_several_bars(tmp_path):
    """An hourly file beside one of four hours: a table of four hours, at whole multiples of them."""
    btc, eth = walk(2000), walk(500, 2)
    hourly = written(tmp_path, wide(stamps(2000)[:1000], BTC=btc[:1000]), "a.csv")
    later = written(tmp_path, wide(stamps(2000)[1000:], BTC=btc[1000:]), "b.csv")
    slow = written(tmp_path, wide(stamps(2000)[::4], ETH=eth), "c.csv.gz")
    slow.write_bytes(gzip.compress(slow.read_bytes()))
    found = prices.load([later, hourly, slow])
    assert found.bar == 4 * 3600
    np.testing.assert_array_equal(found.close[:, 0], btc[3::4])
    np.testing.assert_array_equal(found.close[:, 1], eth)
    assert "begins before" in refused_together([hourly, hourly])


def refused_together(paths):
    with pytest.raises(ConfigError) as error:
        prices.load(paths)
    return str(error.value)


def test_times_in_other_words():
    at = 1_760_129_100_000
    for text in ("2025-10-10T20:45:00Z", "2025-10-10 20:45", "2025-10-10 22:45:00+02:00", "1760129100",
                 "1760129100000", "2025-10-10T20:45:00.000"):  # fmt: skip
        assert rows.stamp(text)[0] == at
    assert rows.stamp("2025-10-10")[0] == at - (20 * 60 + 45) * 60_000
    assert rows.stamp("10.10.2025")[0] is None
    assert rows.stamp("2025-13-10")[0] is None


def spoilt(row, **cells):
    """A wide file with one thing wrong in line `row`."""
    times, btc = stamps(), [str(p) for p in walk()]
    if "price" in cells:
        btc[row - 2] = cells["price"]
    if "time" in cells:
        times[row - 2] = cells["time"]
    return wide(times, BTC=btc)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (spoilt(17, price="n/a"), 'FILE:17: BTC: "n/a" is not a number'),
        (spoilt(17, price="-3.5"), "FILE:17: BTC: -3.5 is out of range (more than 0 is needed)"),
        (spoilt(17, price="inf"), 'FILE:17: BTC: "inf" is not a number'),
        (spoilt(17, time="yesterday"), 'FILE:17: time: "yesterday" is not a time'),
        (spoilt(17, time="2025-01-01T15:00:00"),
         'FILE:17: time: "2025-01-01T15:00:00" is in another time zone'),
        (spoilt(17, time="2025-01-01T16:00:00+01:00"),
         "is in another time zone than the rows before (+01:00 after UTC)"),
        (spoilt(17, time=stamps()[14]),
         "FILE:17: BTC has this time twice, also in row 16 (each bar counts once)"),
        (spoilt(17, time=stamps()[3]), "FILE:17: BTC goes back in time here"),
        (spoilt(17, time="2025-01-01T15:20:00Z"), "FILE:17: BTC has a bar of 4800 s here"),
        (wide(stamps(), BTC=walk())[:50], "FILE:50: BTC has 49 bars (at least 200 are needed)"),
        (wide(stamps(), BTC=walk())[:1], "FILE:1: there are no rows"),
        (["a,b", "1,2"], 'FILE:1: column "time" is missing'),
        (wide(stamps(), open=walk(), Close=walk(), volume=walk()), 'FILE:1: column "asset" is missing'),
        ([*wide(stamps(), BTC=walk()), "2025-02-01,1,2"], "FILE:302: the row has 3 cells (the head has 2)"),
        (wide(stamps(), BTC=walk())[:40] + wide(stamps(), BTC=walk())[43:],
         "FILE:41: 3 bars of BTC missing before this row"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_row(tmp_path, lines, message):
    assert message in refused(written(tmp_path, lines))


def test_gaps_are_left_out_when_asked(tmp_path):
    lines = wide(stamps(), BTC=walk())
    found = prices.load([written(tmp_path, lines[:40] + lines[43:])], gaps=True)
    returns = found.returns()[:, 0]
    assert np.isnan(returns).sum() == 2
    assert np.isnan(returns[39])


def test_only_some_rows(tmp_path):
    lines = ["time,asset,venue,close"]
    lines += [f"{t},BTC,{v},{p}" for t, p in zip(stamps(), walk(), strict=True) for v in ("here", "there")]
    path = written(tmp_path, lines)
    assert "Of several venues choose one: --where venue=NAME." in refused(path)
    assert len(prices.load([path], where=[("venue", "here")]).times) == 300
    assert "no row has" in refused(path, where=[("venue", "nowhere")])
    until = START + 250 * HOUR
    assert len(prices.load([path], where=[("venue", "here")], until=until).times) == 250
    assert "has 100 bars from --since to --until" in refused(
        path, where=[("venue", "here")], until=START + 100 * HOUR
    )


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "prices.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        BackendError, match=r"pyarrow, which reads it, is not installed. Try: pip install"
    ) as e:
        rows.read(path)
    assert e.value.exit_code == 3


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "prices.parquet"
    times = np.array(START + HOUR * np.arange(300), "datetime64[ms]")
    table = pa.table({"time": pa.array(times), "asset": ["BTC"] * 300, "close": walk()})
    importlib_parquet = pytest.importorskip("pyarrow.parquet")
    importlib_parquet.write_table(table, path)
    np.testing.assert_array_equal(prices.load([path]).close[:, 0], walk())
    path.write_bytes(path.read_bytes()[:200])
    assert "FILE: this is not Parquet" in refused(path)


def depths(n=300, bands=(1, 2, 5)):
    lines = ["time,percentage,notional"]
    for t in stamps(n):
        lines += [f"{t},{side * band},{1e6 * band}" for side in (-1, 1) for band in bands]
    return lines


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:9] + lines[10:], "FILE:8: percentage: this time has no row for -5"),
        (lambda lines: [*lines[:8], lines[8].replace("2000000", "1"), *lines[9:]],
         "less stands within 2% than within 1%"),
        (lambda lines: lines[:61], "there are 10 times (at least 200 are needed)"),
        (lambda lines: [*lines[:9], lines[8], *lines[10:]], "has this time and band twice, also in row 9"),
        (lambda lines: [*lines[:9], lines[9].replace(",-5,", ",0,"), *lines[10:]],
         "is 0 (a band has a width"),
    ],
)  # fmt: skip
def test_depths_are_checked(tmp_path, change, message):
    path = written(tmp_path, change(depths()))
    with pytest.raises(ConfigError) as error:
        book.load(path)
    assert message in str(error.value).replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0.05,1e6,1e9", "0.05 is out of range (-0.05 is a fall of 5%"),
        ("-5,1e6,1e9", "-5 is out of range"),
        ("-0.05,0,1e9", "0 is out of range (more than 0 is needed)"),
        ("-0.05,2e9,1e9", "are not below open interest"),
    ],
)
def test_observations_are_checked(tmp_path, row, message):
    path = written(tmp_path, ["move,liquidations,open_interest", *["-0.1,1e7,1e9"] * 6, row])
    with pytest.raises(ConfigError) as error:
        mix.load(path)
    assert str(error.value).startswith(f"{path}:8: ")
    assert message in str(error.value)
