"""Events of the past: their files, their quantities by hand, and what counts as a hit."""

import json

import numpy as np
import pytest

from stress.errors import ConfigError, PathError
from stress.validation.bands import (
    LEAST_ALIKE,
    Band,
    Held,
    alike,
    as_object,
    bands,
    fitted_news,
    hold,
    overrides,
    quantities,
)
from stress.validation.card import outcomes, renew
from stress.validation.event import Row, load_event
from stress.validation.quantities import QUANTITIES, Traced
from stress.validation.table import as_json, counted, write
from tests.scenarios import quiet, require

EVENT = """\
title: A fall by hand
config: {config}
begins: 2025-10-10 20:45
paths: 20
tuned: false
news: {{overlay: bad news, range: [-12%, -1%]}}
reporting:
  alpha: {{share: 50%, source: nobody}}
  beta: {{share: 100%, source: nobody}}
rows:
  - {{quantity: fall, asset: BTC, venue: alpha, observed: [6%, 8%], source: nobody, fitted: true}}
  - {{quantity: reported, observed: [$1M, $90B], source: nobody}}
{more}"""


@pytest.fixture
def event_file(root, tmp_path):
    """Writes an event file beside the small config; `more` are further lines."""
    text = (root / "tests/configs/small.yaml").read_text()
    assert "name: bad news" in text
    (tmp_path / "small.yaml").write_text(text)
    (tmp_path / "returns.csv").write_bytes((root / "tests/configs/returns.csv").read_bytes())

    def write_event(more="", **changes):
        text = EVENT.format(config="small.yaml", more=more)
        for old, new in changes.items():
            assert old.replace("_", " ") in text
            text = text.replace(old.replace("_", " "), new)
        (tmp_path / "event.yaml").write_text(text)
        return tmp_path / "event.yaml"

    return write_event


def traced(n_step=4, **fields):
    """Two assets, two venues, one path; fields [step, ...] are zero where not given."""
    scenario = quiet(n_step=n_step, n_asset=2, n_venue=2)
    weight = np.full((2, 2), 0.5)
    scenario = scenario.__class__(
        shape=scenario.shape,
        arrays=scenario.arrays.replace(closing_share=np.array([0.5, 1.0]), index_weight=weight),
        parts=scenario.parts,
    )
    sizes = {
        "price": (2, 2), "forced": (2, 2, 2), "coins": (2, 2), "deleveraged": (2, 2), "exited": (2, 2),
        "fund": (2, 2),
    }  # fmt: skip
    trace = {name: np.zeros((1, n_step, *size)) for name, size in sizes.items()}
    for name, values in fields.items():
        trace[name][0] = values
    return Traced(scenario, trace, np.array([[100.0, 300.0], [100.0, 100.0]]), np.array([0.5, 1.0]))


def one(quantity, paths, **where):
    row = Row.model_validate({"quantity": quantity, "observed": ["0%", "1%"], "source": "hand", **where})
    return float(QUANTITIES[quantity].of(paths, row)[0])


def test_falls_and_what_is_regained():
    price = np.zeros((4, 2, 2))
    price[1, 0] = np.log([0.8, 0.9])
    price[2, 0] = np.log([0.9, 0.9])
    price[2, 1, 0] = np.log(0.6)
    paths = traced(price=price)
    assert one("fall", paths, asset="A", venue="v0") == pytest.approx(0.2)
    assert one("fall", paths, asset="A") == pytest.approx(1 - np.sqrt(0.72))
    assert one("fall", paths, assets=["A", "B"], venue="v0") == pytest.approx((0.2 * 100 + 0.4 * 100) / 200)
    assert one("fall", paths, asset="B", venue="v1") == 0
    assert one("regained", paths, asset="A", venue="v0", at="3m") == pytest.approx(0.5)
    assert np.isnan(one("regained", paths, asset="B", venue="v1", at="3m"))


def test_flows():
    forced = np.zeros((4, 2, 2, 2))
    forced[1:, 0, 0, 0] = 10.0  # a long of A on v0, in the second step
    forced[2:, 1, 1, 1] = 30.0  # a short of B on v1, in the third
    paths = traced(forced=forced)
    assert one("forced", paths) == 40
    assert one("forced", paths, asset="A") == 10
    assert one("reported", paths) == 0.5 * 10 + 30
    assert one("long_share", paths) == pytest.approx(5 / 35)
    assert np.isnan(one("long_share", paths, asset="A", venue="v1"))
    assert one("largest_window", paths, over="1m") == 30
    assert one("largest_window", paths, over="2m") == 40
    assert one("concentration", paths, until="2m") == pytest.approx(0.25)
    assert one("concentration", paths, since="2m", until="4m") == pytest.approx(0.75)


def test_deleveraging():
    forced, coins, gone = np.zeros((4, 2, 2, 2)), np.zeros((4, 2, 2)), np.zeros((4, 2, 2))
    forced[1:, 0, 0, 0], coins[1:, 0, 0] = 5e6, 5e6
    forced[2:, 0, 0, 0], coins[2:, 0, 0] = 2e7, 2e7
    gone[3:, 0, 0] = 4e6
    paths = traced(forced=forced, coins=coins, deleveraged=gone)
    assert one("adl_notional", paths) == 4e6
    assert one("adl_share", paths, venue="v0") == pytest.approx(0.2)
    assert one("adl_share", paths, venue="v0", over="2m") == pytest.approx(0.0)
    assert one("adl_start", paths, venue="v0", since="1m") == 3 * 60
    assert one("adl_delay", paths, venue="v0") == 1
    assert np.isnan(one("adl_start", paths, venue="v1"))


def test_open_interest_and_funds():
    coins, gone, exited = (np.zeros((4, 2, 2)) for _ in range(3))
    coins[2:, 0], gone[2:, 0], exited[2:, 0] = [20.0, 30.0], [10.0, 0.0], [8.0, 0.0]
    fund = np.zeros((4, 2, 2))
    fund[:, 0], fund[3, 0] = [50.0, 9.0], [20.0, 12.0]
    paths = traced(coins=coins, deleveraged=gone, exited=exited, fund=fund)
    assert one("open_interest_fall", paths, asset="A", venue="v0") == pytest.approx(
        (0.5 * (10 + 8) + 10) / 100
    )
    assert one("open_interest_fall", paths, asset="A") == pytest.approx((19 + 30) / 400)
    assert one("open_interest_fall", paths, asset="A", until="2m") == 0
    assert one("fund_draw", paths, venue="v0") == 30
    assert one("fund_draw", paths, venue="v1", asset="A") == -3


def test_every_quantity_says_what_it_is():
    assert all(q.doc and q.title for q in QUANTITIES.values())


def band(low, median, high, observed, quantity="reported", **more):
    row = Row.model_validate({"quantity": quantity, "observed": observed, "source": "hand", **more})
    return Band("event", row, low, median, high, tuned=False)


def test_a_hit_is_inside_and_sharp():
    assert band(1e9, 2e9, 3e9, ["$2.9B", "$4B"]).hit
    assert not band(1e9, 2e9, 3e9, ["$3.1B", "$4B"]).inside
    wide = band(1e9, 2e9, 3.1e9, ["$2B", "$4B"])
    assert (wide.inside, wide.sharp, wide.hit) == (True, False, False)
    assert band(0.10, 0.2, 0.25, ["20%", "30%"], "fall").hit
    assert not band(0.10, 0.2, 0.26, ["20%", "30%"], "fall").sharp
    assert band(0, 1, 3, ["2", "3"], "adl_delay", venue="v").hit
    nothing = band(np.nan, np.nan, np.nan, ["2", "3"], "adl_delay", venue="v")
    assert (nothing.inside, nothing.sharp) == (False, False)


def test_fitted_rows_do_not_count():
    rows = [
        band(1, 2, 3, ["$2", "$3"]),
        band(1, 2, 3, ["$2", "$3"], fitted="true"),
        band(1, 2, 3, ["$9", "$9"]),
    ]
    assert counted(rows) == {"n_row": 2, "inside": 1, "inside_and_sharp": 1}
    assert [b.kind for b in rows] == ["predicted", "fitted", "predicted"]


def test_rows_of_an_event_whose_fit_is_missed_are_counted_apart(event_file):
    event = load_event(event_file())
    met, missed = (list(bands(event, np.array([[x, x, x], [2e6] * 3]))) for x in (0.07, 0.2))
    assert [b.kind for b in met] == ["fitted", "predicted"]
    assert [b.kind for b in missed] == ["fitted", "unmatched"]


def test_paths_that_failed_stop_it(event_file, monkeypatch):
    require("cpu")
    from kernels import engines
    from kernels.outcome import IDENTITY_BROKEN

    genuine = engines.Engine.trace_paths

    def broken(self, *arguments):
        batch, trace = genuine(self, *arguments)
        batch.status[0] |= IDENTITY_BROKEN
        return batch, trace

    monkeypatch.setattr(engines.Engine, "trace_paths", broken)
    with pytest.raises(PathError, match="1 of 20 paths failed"):
        hold(load_event(event_file()), 20, settings=["run.horizon=25m"])


def test_an_event_is_held(event_file):
    require("cpu")
    more = (
        "  - {quantity: adl_start, venue: beta, observed: [1m, 2m], source: nobody, note: it never comes}\n"
    )
    event = load_event(event_file(more))
    held = hold(event, 20, settings=["run.horizon=25m"])
    fall, reported, start = held.bands
    assert 0 < fall.low <= fall.median <= fall.high < 1
    assert reported.inside
    assert reported.median > 0
    assert np.isnan(start.median)
    assert not start.inside
    again = hold(event, 20, settings=["run.horizon=25m"])
    assert [b.median for b in again.bands[:2]] == [b.median for b in held.bands[:2]]
    found = json.loads(json.dumps(as_json([held]), allow_nan=False))
    assert found["rows"][0]["kind"] == "fitted"
    assert found["rows"] == json.loads(json.dumps([as_object(b) for b in held.bands]))
    assert found["rows"][1]["unit"] == "USD"
    assert {"event", "quantity", "unit", "predicted", "observed", "inside", "source"} <= set(found["rows"][1])
    text = write([held])
    assert "fall BTC on alpha" in text
    assert "of 2 rows" in text


def test_both_engines_hold_alike(event_file):
    require("cpu")
    event = load_event(event_file())
    settings = ["run.horizon=25m"]
    one, other = (quantities(event, event.rows, 6, settings, backend) for backend in ("cpu", "numpy"))
    assert one == pytest.approx(other, rel=1e-3)


def test_news_are_fitted_to_the_fitted_row(event_file):
    require("cpu")
    event = load_event(event_file())
    settings = ["run.horizon=15m"]
    size = fitted_news(event, settings)
    row = [event.rows[0]]
    median = np.median(quantities(event, row, 100, [*settings, *overrides(event, size)]))
    assert median == pytest.approx(0.07, abs=2e-3)
    deep = load_event(event_file(**{"[6%,_8%]": "[90%, 91%]"}))
    assert fitted_news(deep, settings) == pytest.approx(-0.12)


def test_rows_without_a_number_on_most_paths_have_no_band(event_file):
    event = load_event(event_file())
    values = np.array([[0.1, np.nan, np.nan], [1.0, 2.0, 3.0]])
    found = list(bands(event, values))
    assert np.isnan(found[0].median)
    assert found[1].median == 2


WRONG = {
    "quantity: reported": ("quantity: reprted", 'rows[1].quantity: "reprted" is not known', "reported"),
    "overlay: bad news": (
        "overlay: good news",
        "news.overlay: the config has no price shock of the name",
        "bad news",
    ),
    "range: [-12%, -1%]": ("range: [-1%, -12%]", "news.range: is no range of falls", "comes first"),
    "  beta: {share: 100%, source: nobody}\n": ("", "reporting.beta: is missing", "public feeds"),
    "beta: {share": ("bravo: {share", "reporting.bravo: unknown venue", "beta"),
    "asset: BTC, venue: alpha": ("asset: BTX, venue: alpha", "rows[0].asset: unknown asset", "BTC"),
    "venue: alpha, observed": ("venue: alhpa, observed", "rows[0].venue: unknown venue", "alpha"),
    "[6%, 8%]": ("[8%, 6%]", "rows[0].observed: ends before it begins", ""),
    "[$1M, $90B]": ("[1M, $90B]", 'rows[1].observed: "1M" is not an amount', ""),
    ", fitted: true": ("", "rows: need one fitted row", ""),
    "observed: [$1M": ("at: 5m, observed: [$1M", "rows[1].at: says nothing for reported", ""),
    "{quantity: reported, observed: [$1M, $90B]": (
        "{quantity: concentration, until: 0s, observed: [1%, 2%]",
        "rows[1].until: is shorter than a step",
        "takes 1m",
    ),
    "title: A fall by hand\n": ("", "title: is missing", ""),
    "config: small.yaml": ("config: large.yaml", "does not exist", ""),
}


@pytest.mark.parametrize("old", WRONG)
def test_wrong_event_files_say_where(event_file, old):
    new, *words = WRONG[old]
    with pytest.raises(ConfigError) as caught:
        load_event(event_file(**{old: new}))
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "event.yaml" in message or "large.yaml" in message


def test_shipped_events_load(root):
    names = sorted((root / "configs/events").glob("*.yaml"))
    assert len(names) >= 5
    for name in names:
        event = load_event(name)
        assert event.name == name.stem
        assert all(row.interval[0] <= row.interval[1] for row in event.rows)


def test_bands_are_of_paths_on_which_the_fitted_row_is_as_observed(event_file):
    event = load_event(event_file())  # the fall of Bitcoin is fitted, 6% to 8%
    many = np.concatenate([np.full(40, 0.07), [0.0599, 0.0801, np.nan]])
    assert alike(event, np.array([many, many])).tolist() == [True] * 40 + [False] * 3
    few = np.concatenate([np.linspace(0.09, 0.19, 50), [0.07, np.nan]])
    found = alike(event, np.array([few, few]))
    assert found.sum() == LEAST_ALIKE
    assert found[50]
    assert not found[51]
    assert found[:29].all()
    nothing_fitted = event.model_copy(update={"rows": event.rows[1:]})
    assert alike(nothing_fitted, few[None]).all()


def test_times_between_steps_belong_to_the_step_before():
    paths = traced()
    assert [paths.step(t) for t in (60, 90, 119, 120, 240, 999)] == [0, 0, 0, 1, 3, 3]


def test_a_card_is_renewed_between_its_marks(event_file, tmp_path):
    event = load_event(event_file())
    held = Held(event, -0.05, tuple(bands(event, np.full((2, 50), 0.07))), 50, 50)
    page = tmp_path / "card.md"
    page.write_text("before\n<!-- outcomes: begin -->\nold\n<!-- outcomes: end -->\nafter\n")
    renew(page, "outcomes", outcomes([held]))
    text = page.read_text()
    assert text.startswith("before\n<!-- outcomes: begin -->\n")
    assert text.endswith("<!-- outcomes: end -->\nafter\n")
    assert "old" not in text
    assert "news of -5.00% fitted" in text
    assert "| fall BTC on alpha | 7.00% | 7.00% | 6.00–8.00% | fitted | nobody |" in text
    once = text
    renew(page, "outcomes", outcomes([held]))
    assert page.read_text() == once
    with pytest.raises(ConfigError, match="has no block"):
        renew(page, "assumptions", "")
    with pytest.raises(ConfigError, match="cannot be read"):
        renew(tmp_path / "none.md", "outcomes", "")
