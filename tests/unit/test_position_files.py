"""Maps and lists of positions: read line by line, compiled row by row, and part of what a run is."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from kernels.parts.table.table_numpy import EDGES
from stress.compile import compile_config, files
from stress.config import config_sha256, dump, load, loads, physics_sha256
from stress.config.table import Input
from stress.errors import ConfigError, StoreError
from stress.jobs import prepare
from stress.runs import resume, run
from stress.store import RunFolder
from stress.verify import verify
from tests.scenarios import LONG, SHORT

CONFIGS = Path(__file__).parents[1] / "configs"
SMALL = CONFIGS / "small.yaml"
BANDS = [(0, 1), (1, 3), (3, 5), (5, 10), (10, 20), (20, 50), (50, 100), (100, 1001)]
PRICE = 100.0
WRITTEN = "digits, a point and an exponent, without unit or separators"


def made(head, rows):
    """A file with these rows."""
    text = io.StringIO()
    csv.writer(text).writerows([head.split(","), *rows])
    return Input("rows.csv", "0" * 64, text.getvalue().encode())


def refusals(read):
    with pytest.raises(ConfigError) as refused:
        read()
    return str(refused.value).splitlines()


@pytest.fixture
def at(tmp_path):
    """Writes a file of rows beside a config over the small one in which alpha's Bitcoin takes it."""

    def write(kind, text, more="", oi="$6B"):
        (tmp_path / "rows.csv").write_text(text)
        (tmp_path / "run.yaml").write_text(
            f"extends: {SMALL}\n"
            "venues: {alpha: {markets: {BTC: {open_interest: %s, "
            "positions: {kind: %s, file: rows.csv%s}}}}}\n" % (oi, kind, more)
        )
        return tmp_path / "run.yaml"

    return write


# Liquidation maps


def test_a_map_by_hand():
    """$80 at 90: a distance of 10.536%; under mu 1% equity is 10.9%, so 9.17x, and 8.4x under 2%."""
    rows = files.read_map(made("price,side,notional", [[90, "long", 80], [125, "short", 40]]), PRICE, BANDS)
    assert rows.distance == pytest.approx([0.10536, 0.22314], abs=1e-5)
    text = "venues.alpha.markets.BTC.maintenance=[{share: 75%, rate: 1%}, {share: 25%, rate: 2%}]"
    at = load(SMALL, [text]).venues["alpha"].markets["BTC"]
    long = files.map_holders(rows, at, False, BANDS, LONG)
    assert long.held == pytest.approx([60, 20])
    assert 1 / long.margin == pytest.approx([1 / 0.109, 1 / 0.118])
    assert list(long.tier) == [3, 3]
    short = files.map_holders(rows, at, False, BANDS, SHORT)
    assert short.margin == pytest.approx([1.01 * 1.25 - 1, 1.02 * 1.25 - 1])


def test_the_leverage_of_a_row_is_its_tier():
    rows = [[90, "long", 1, 75], [90, "long", 1, ""], [90, "long", 1, 1001]]
    found = files.read_map(made("price,side,notional,leverage", rows), PRICE, BANDS)
    at = load(SMALL).venues["alpha"].markets["ETH"]
    assert list(files.map_holders(found, at, False, BANDS, LONG).tier) == [6, 3, 7]


def test_rows_of_a_map_that_cannot_be():
    rows = [
        [101, "long", 1, 5],
        [90, "short", 1, 5],
        [100, "long", 1, 5],
        ["90%", "long", -1, 2000],
        [90, "", "", 0],
    ]
    assert refusals(lambda: files.read_map(made("price,side,notional,leverage", rows), PRICE, BANDS)) == [
        "rows.csv:2: price: 101 is on the wrong side of the start price, 100 (longs are liquidated below it)",
        "rows.csv:3: price: 90 is on the wrong side of the start price, 100 (shorts are liquidated above it)",
        "rows.csv:4: price: 100 is on the wrong side of the start price, 100 (longs are liquidated below it)",
        f'rows.csv:5: price: "90%" is not a number ({WRITTEN})',
        "rows.csv:5: notional: -1 is out of range (it must be at least 0)",
        "rows.csv:5: leverage: no tier holds 2000x (the last one ends at 1001x)",
        'rows.csv:6: side: "" is not a choice (known here: long, short)',
        f"rows.csv:6: notional: is empty ({WRITTEN})",
        "rows.csv:6: leverage: 0 is out of range (it must be more than 0)",
    ]


def test_a_map_against_enumeration(at):
    """100,000 rows: what is forced by every edge is what lies within it, row by row."""
    draw = np.random.default_rng(3)
    long = draw.random(100_000) < 0.5
    away = np.exp(draw.normal(-2.5, 1, 100_000)) + 1e-6
    price = np.where(long, np.exp(-away), np.exp(away)) * 116800
    notional = np.round(np.exp(draw.normal(9, 1, 100_000)), 2)
    lines = [
        f"{p!r},{'long' if s else 'short'},{n!r}"
        for p, s, n in zip(price.tolist(), long, notional.tolist(), strict=True)
    ]
    config = load(at("map", "\n".join(["price,side,notional", *lines]), ", remainder: never_forced"))
    arrays = compile_config(config).arrays
    for side, mine in ((LONG, long), (SHORT, ~long)):
        below = np.array([notional[mine & (away <= edge)].sum() for edge in EDGES])
        # A distance within rounding of an edge may fall on its other side.
        assert arrays.forced_total[0, side, 0] == pytest.approx(below, rel=1e-4, abs=1e4)
        assert arrays.tier_notional[0, side, 0].sum() == pytest.approx(6e9, rel=1e-9)


# Accounts


def test_listed_accounts_are_names(at):
    """The same rows for Bitcoin and for Ether: each account once, its positions side by side, and whoever is
    below the maintenance of one of them left out there."""
    rows = [
        "account,side,notional,leverage",
        "b,long,3e6,5",
        "a,short,2e6,4",
        "b,short,1e6,2",
        "c,long,1e6,190",
    ]
    path = at("accounts", "\n".join(rows), ", remainder: never_forced, below_maintenance: leave_out")
    again = "{kind: accounts, file: rows.csv, remainder: never_forced, below_maintenance: leave_out}"
    clearing = "{own_capital: $1M, default_fund: $10M, assessments: 100%}"
    changes = [
        f"venues.beta.markets.ETH.positions={again}", "venues.beta.adl={policy: none}",
        f"venues.beta.clearing={clearing}", "venues.beta.liquidation={fee: 0%}",
    ]  # fmt: skip
    part = compile_config(load(path, changes)).parts.cover
    assert part.account.tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert part.asset.tolist() == part.venue.tolist() == [0, 0, 1, 1, 0, 1, 0]
    assert part.side.tolist() == [LONG, SHORT, LONG, SHORT, SHORT, SHORT, LONG]
    assert part.notional == pytest.approx([3e6, 1e6, 3e6, 1e6, 2e6, 2e6, 1e6])
    assert part.equity == pytest.approx([0.6e6, 0.5e6, 0.6e6, 0.5e6, 0.5e6, 0.5e6, 1e6 / 190])
    assert part.prefunded == pytest.approx([20e6, 5e6 + 11e6])
    assert compile_config(load(SMALL)).parts.cover is None


def test_accounts_by_hand():
    """Each way to say what a position can lose; an entry at 90, the start at 100."""
    cases = {
        "notional,equity": ([200, 30], 30),
        "size,equity": ([2, 30], 30),
        "size,entry,margin": ([2, 90, 18], 38),  # 2 x 10 of profit
        "size,entry,leverage": ([2, 90, 10], 38),  # 180 / 10 paid in
        "size,leverage": ([2, 8], 25),
    }
    for columns, (cells, equity) in cases.items():
        found = files.read_accounts(made(f"account,side,{columns}", [["a", "long", *cells]]), PRICE)
        assert found.notional == pytest.approx([200])
        assert found.equity == pytest.approx([equity]), columns
    short = files.read_accounts(made("account,side,size,entry,margin", [["a", "short", 2, 90, 38]]), PRICE)
    assert short.equity == pytest.approx([18])


def test_totals_by_account():
    rows = [["b", "long", 10, 1], ["a", "short", 4, 1], ["b", "short", 5, 2]]
    found = files.read_accounts(made("account,side,notional,equity", rows), PRICE).totals()
    assert list(found) == ["b", "a"]
    assert found["b"] == (10, 5, 3)
    assert found["a"].short == 4


LARGE = "the columns must say how large a position is in one way"
LOSE = "the columns must say how much a position can lose in one way"
WAYS = "possible are equity; entry and margin; entry and leverage; leverage"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("equity", f"rows.csv:1: {LARGE} (there is none of them; possible are size; notional)"),
        ("size,notional", f"rows.csv:1: {LARGE} (there is notional and size; possible are size; notional)"),
        ("size", f"rows.csv:1: {LOSE} (there is none of them; {WAYS})"),
        ("size,equity,entry", f"rows.csv:1: {LOSE} (there is entry and equity; {WAYS})"),
        ("size,equty", 'rows.csv:1: unknown column "equty" (known here: account, side,'),
    ],
)
def test_columns_of_accounts(columns, message):
    row = ["a", "long", *["1"] * len(columns.split(","))]
    found = refusals(lambda: files.read_accounts(made(f"account,side,{columns}", [row]), PRICE))
    assert found[0].startswith(message)


def test_rows_of_accounts_that_cannot_be():
    rows = [["", "long", 1, 1], ["a", "both", 0, 1], ["a", "long", "x", ""]]
    assert refusals(lambda: files.read_accounts(made("account,side,size,equity", rows), PRICE)) == [
        "rows.csv:2: account: is empty (a name is needed)",
        'rows.csv:3: side: "both" is not a choice (known here: long, short)',
        "rows.csv:3: size: 0 is out of range (it must be more than 0)",
        f'rows.csv:4: size: "x" is not a number ({WRITTEN})',
        f"rows.csv:4: equity: is empty ({WRITTEN})",
    ]


ROWS = "account,side,notional,equity\na,long,1000,200\nb,long,1000,4\nc,short,2000,-5\n"


def test_positions_below_maintenance_are_located(at):
    """The smaller of the classes' needs: .5% of 1000 and of 2000."""
    config = at("accounts", ROWS, oi="$2000")
    why = "(it would have been liquidated before the start). "
    why += "Correct the row, or set `below_maintenance: leave_out`."
    assert refusals(lambda: compile_config(load(config))) == [
        f"{config.parent}/rows.csv:3: b: equity is $4.00, maintenance $5.00 {why}",
        f"{config.parent}/rows.csv:4: c: equity is $-5.00, maintenance $10.00 {why}",
    ]


def test_positions_below_maintenance_are_left_out(at):
    config = at("accounts", ROWS, ", below_maintenance: leave_out, remainder: never_forced", oi="$2000")
    arrays = compile_config(load(config)).arrays
    assert arrays.forced_total[0, :, 0, -1] == pytest.approx([1000, 0])
    # 5x goes to its tier; what is left of the open interest to the lowest one.
    assert arrays.tier_notional[0, :, 0, [0, 3]] == pytest.approx(np.array([[1000, 2000], [1000, 0]]))


def test_accounts_against_enumeration(at):
    """100,000 positions under two classes: each one's trigger, found from its margin alone."""
    draw = np.random.default_rng(4)
    n = 100_000
    long = draw.random(n) < 0.5
    notional = np.round(np.exp(draw.normal(9, 1, n)), 2)
    equity = np.round(notional * np.maximum(np.exp(draw.normal(-2, 1, n)), 0.0301), 2)
    lines = [
        f"a{i % 999},{'long' if s else 'short'},{q!r},{e!r}"
        for i, (s, q, e) in enumerate(zip(long, notional.tolist(), equity.tolist(), strict=True))
    ]
    text = "\n".join(["account,side,notional,equity", *lines])
    arrays = compile_config(load(at("accounts", text, ", remainder: never_forced"))).arrays
    k = equity / notional
    for side, mine in ((LONG, long), (SHORT, ~long)):
        total = np.zeros(len(EDGES))
        for share, rate, deduction in ((0.6, 0.005, 0.0), (0.4, 0.02, 0.005)):
            for i, edge in enumerate(EDGES):
                price = np.exp(-edge if side == LONG else edge)
                profit = (price - 1) if side == LONG else (1 - price)
                total[i] += share * notional[mine & (k + profit <= rate * price - deduction)].sum()
        assert arrays.forced_total[0, side, 0] == pytest.approx(total, rel=1e-4, abs=1e4)
        # Margin is that of the middle of a bin: half a bin at most, a quarter of an octave wide.
        held = mine & (k < 0.95)
        margin = arrays.margin[0, side, :, 0, -1].sum()
        if side == SHORT:
            assert margin == pytest.approx(equity[mine].sum(), rel=0.02)
        else:
            assert margin == pytest.approx(equity[held].sum(), rel=0.05)
        present = np.histogram(1 / k[mine], [b[0] for b in BANDS] + [1e9], weights=notional[mine])[0]
        present[0] += 6e9 - notional[mine].sum()
        assert arrays.tier_notional[0, side, 0] == pytest.approx(present, rel=1e-9)


def test_accounts_under_brackets_have_the_bracket_of_their_size(at):
    """$1M under .4% up to $500k and 2% above, less $8000: maintenance 1.2% of it."""
    rows = "account,side,notional,equity\na,long,1e6,1e5\nb,long,1e5,1e4\nc,short,1.1e6,9e5\n"
    config = load(at("accounts", rows, oi="$1.1M"), [
        "venues.alpha.markets.BTC.maintenance=[]",
        "venues.alpha.markets.BTC.brackets={table: [{up_to: $500k, rate: 0.4%}, {up_to: $9M, rate: 2%}]}",
    ])  # fmt: skip
    arrays = compile_config(config).arrays
    assert arrays.group_rate[0, LONG, :, 0] == pytest.approx([0.004, 0.02])
    assert arrays.group_deduction[0, LONG, :, 0] == pytest.approx([0, 0.008])
    trigger = [0.9 / (1 - 0.004), (0.9 - 0.008) / (1 - 0.02)]
    bins = [np.searchsorted(EDGES, -np.log(m)) for m in trigger]
    found = [np.argmax(arrays.forced[0, LONG, g, 0].sum(axis=-1) > 0) for g in range(2)]
    assert found == bins


def test_winners_are_those_of_the_file(at):
    """Entries at 90%, 110% and 100% of the start. Two longs of one tier: means by notional of equity and
    entry; what is left of the open interest is hedged."""
    rows = "account,side,notional,entry,margin\n"
    rows += "a,long,300,105120,60\nb,long,100,128480,40\nc,short,400,116800,80\n"
    adl = compile_config(load(at("accounts", rows, ", remainder: never_forced", oi="$1000"))).parts.adl
    assert adl is not None
    # Equity 60 + 30 of 300 (3.3x) and 40 - 10 of 100 (3.3x); tier [3,5).
    assert adl.equity[0, LONG, 0, 2] == pytest.approx(0.3)
    assert adl.entry[0, LONG, 0, 2] == pytest.approx(0.95)
    assert adl.hedged[0, LONG, 0] == pytest.approx([600, 0, 0, 0, 0, 0, 0, 0])
    assert adl.equity[0, SHORT, 0, 3] == pytest.approx(0.2)


def test_winners_under_brackets_enter_where_the_mix_says():
    market = "venues.alpha.markets.BTC"
    table = f"{market}.brackets={{sizes: {{median: $5k, sigma: 1}}, table: [{{up_to: $9M, rate: 0.5%}}]}}"
    entry = "mixes.majors.entry.long={1x-3x: 95%, 20x-50x: 101%}"
    plain, brackets = (
        compile_config(load(SMALL, [entry, f"{market}.maintenance={maintenance}", *more])).parts.adl
        for maintenance, more in (("[{rate: 0.5%}]", []), ("[]", [table]))
    )
    assert plain is not None
    assert brackets is not None
    assert np.array_equal(plain.entry, brackets.entry)
    assert brackets.equity == pytest.approx(plain.equity, rel=1e-3)
    assert brackets.hedged == pytest.approx(plain.hedged, abs=1)


# Open interest


def test_what_a_file_does_not_hold(at):
    rows = "price,side,notional\n100000,long,4e9\n130000,short,6e9\n"
    config = at("map", rows)
    (message,) = refusals(lambda: compile_config(load(config)))
    assert message == (
        f"{config}:2:49: venues.alpha.markets.BTC.open_interest: the file holds $4,000,000,000.00 of longs, "
        "the market $6,000,000,000.00 (open interest is the same on both sides, and all of it is "
        "somebody's). Correct it, or set `remainder: never_forced`."
    )
    arrays = compile_config(load(at("map", rows, ", remainder: never_forced"))).arrays
    assert arrays.forced_total[0, :, 0, -1] == pytest.approx([4e9, 6e9])
    assert arrays.tier_notional[0, LONG, 0, 0] == pytest.approx(2e9)
    with pytest.raises(ConfigError, match=r"\$6,000,000,000\.00 of shorts, the market \$5,000,000,000"):
        compile_config(load(at("map", rows, ", remainder: never_forced", oi="$5B")))


# Files in configs

ROWS_OF_6B = "price,side,notional\n100000,long,6e9\n130000,short,6e9\n"
FILE = "venues.alpha.markets.BTC.positions.file"


def test_the_digest_is_filled_in_and_read_back(at):
    config = load(at("map", ROWS_OF_6B))
    (found,) = config.inputs.values()
    assert f"file: {{path: rows.csv, sha256: {found.sha256}}}" in dump(config)
    again = loads(dump(config), known=config.inputs)
    assert again == config
    assert config_sha256(again) == config_sha256(config)


def test_a_config_is_what_its_files_hold_not_where_they_lie(at, tmp_path):
    one = load(at("map", ROWS_OF_6B))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/other.csv").write_text(ROWS_OF_6B)
    moved = load(tmp_path / "run.yaml", [f"{FILE}=elsewhere/other.csv"])
    assert config_sha256(moved) == config_sha256(one)
    assert prepare(moved).folder == prepare(one).folder
    changed = load(at("map", ROWS_OF_6B.replace("100000", "99000")))
    assert config_sha256(changed) != config_sha256(one)
    assert physics_sha256(changed) != physics_sha256(one)
    assert prepare(changed).folder != prepare(one).folder


def test_paths_are_seen_from_the_file_that_names_them(at, tmp_path):
    at("map", ROWS_OF_6B)
    (tmp_path / "over").mkdir()
    (tmp_path / "over/run.yaml").write_text(
        "extends: ../base.yaml\nvenues: {alpha: {markets: {BTC: {positions: {remainder: never_forced}}}}}\n"
    )
    line = "        open_interest: $6B\n"
    assert line in SMALL.read_text()
    text = SMALL.read_text().replace(line, f"{line}        positions: {{kind: map, file: rows.csv}}\n")
    (tmp_path / "base.yaml").write_text(text)
    config = load(tmp_path / "over/run.yaml")
    positions = config.venues["alpha"].markets["BTC"].positions
    assert positions is not None
    assert (positions.file.path, positions.remainder) == ("../rows.csv", "never_forced")


def test_a_file_that_has_changed_is_refused(at, tmp_path):
    config = load(at("map", ROWS_OF_6B))
    (tmp_path / "resolved.yaml").write_text(dump(config))
    assert load(tmp_path / "resolved.yaml") == config
    (tmp_path / "rows.csv").write_text(ROWS_OF_6B + "90000,long,1\n")
    (message,) = refusals(lambda: load(tmp_path / "resolved.yaml"))
    (was,) = config.inputs
    assert message.startswith(f"{tmp_path}/resolved.yaml:")
    assert "has changed (its SHA-256 is" in message
    assert f"the config says {was})" in message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"{FILE}=none.csv", "does not exist (paths are relative to the file that names them)"),
        (f"{FILE}=.", "is a directory, not a file (a file of rows is one file)"),
        (
            f"{FILE}={{path: rows.csv, sha256: abc}}",
            '.file.sha256: "abc" is no SHA-256 (64 hexadecimal digits)',
        ),
        (f"{FILE}={{sha256: {'0' * 64}}}", ".file.path: is missing"),
        (f"{FILE}={{path: rows.csv, sha: abc}}", ".file.sha: unknown key"),
        (f"{FILE}=[a]", ".file: is a list (a mapping of keys to values is needed)"),
    ],
)
def test_files_that_are_none(at, override, message):
    config = at("map", ROWS_OF_6B)
    assert any(message in line for line in refusals(lambda: load(config, [override])))


def test_a_run_keeps_its_files(at, tmp_path):
    """It is resumed where the file is gone, and refused where its own copy was changed."""
    config = at("map", ROWS_OF_6B)
    done = run(config, paths=8, out=tmp_path / "out", overrides=["run.shard_paths=4"])
    (tmp_path / "rows.csv").unlink()
    (kept,) = (done.path / "inputs").iterdir()
    assert kept.read_text() == ROWS_OF_6B
    assert done.manifest["sources"][f"{tmp_path}/rows.csv"] == kept.name
    shard = next((done.path / "shards").iterdir())
    content = shard.read_bytes()
    shard.unlink()
    (done.path / "cube.h5").unlink()
    resume(done.path)
    assert shard.read_bytes() == content
    assert not verify(RunFolder(done.path)).problems
    kept.write_text(ROWS_OF_6B.replace("100000", "99000"))
    with pytest.raises(StoreError, match="is damaged"):
        resume(done.path)
    kept.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        resume(done.path)
