"""The report of a run: its numbers are the cube's, its words are escaped, its bytes are always the same."""

import dataclasses
import html
import json
import math
import re
from html.parser import HTMLParser
from shutil import copyfile
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from kernels.engines import Engine
from kernels.outcome import Layout
from stress import cli, jobs, runs
from stress.cube import ALL
from stress.errors import ConfigError
from stress.numbers import ends, interval, money, percent
from stress.report import fans, page, theme, write
from stress.report import html as report
from stress.report.contents import contents
from stress.report.figures import losses, through_time
from stress.report.subject import subject

TITLE = "</script><script>alert(1)</script> & <b>bold</b>"
NAME = "A<lpha></script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def ran(root, tmp_path_factory):
    """The folder of a small run whose title and names are hostile."""
    overrides = [f'about.title="{TITLE}"', f'venues.alpha.name="{NAME}"', "venues.alpha.insurance_fund=$1k"]
    config = root / "tests" / "configs" / "small.yaml"
    return runs.run(config, out=tmp_path_factory.mktemp("results"), overrides=overrides).path


@pytest.fixture(scope="module")
def about(ran):
    return subject(ran)


@pytest.fixture(scope="module")
def made(about):
    """Figures by key, and what else the template names."""
    return contents(about, True, 1)


@pytest.fixture(scope="module")
def text(ran):
    return report(ran).decode()


@pytest.fixture(scope="module")
def one(about):
    return about.stored.cube.isel(scenario=0)


class Elements(HTMLParser):
    """Elements of a page: [(tag, attributes, text directly in it)]."""

    def __init__(self, text):
        super().__init__()
        self.found, self.inside = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append([tag, dict(attrs), ""])
        self.inside = True

    def handle_data(self, data):
        if self.inside:
            self.found[-1][2] += data

    def handle_endtag(self, tag):
        self.inside = False

    def of(self, tag):
        return [(attributes, text) for name, attributes, text in self.found if name == tag]


def test_words_of_a_config_are_inert(text):
    elements = Elements(text)
    assert len(elements.of("script")) == 3
    assert elements.of("img") == elements.of("b") == []
    assert html.escape(TITLE) in text
    assert elements.of("h1")[0][1] == TITLE
    data, _, _ = text.partition('id="figures">')[2].partition("</script>")
    assert "<" not in data
    traces = [
        t for figure in json.loads(data).values() for view in figure["views"] for t in view["data"] or ()
    ]
    hover = [np.ravel(trace["hovertext"]) for trace in traces if "hovertext" in trace]
    assert any("&lt;" in words for part in hover for words in part)
    assert not any("<" in words for part in hover for words in part)
    names = json.loads(data)["losses"]["views"][0]["data"][0]["y"]
    assert sorted(names) == ["A&lt;lpha&gt;&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;", "Beta"]


def test_page_stands_by_itself(text):
    elements = Elements(text)
    assert len(text.encode()) < 6e6
    assert [
        attributes["href"] for attributes, _ in elements.of("a") if not attributes["href"].startswith("#")
    ] == []
    assert not any("src" in attributes or "srcset" in attributes for _, attributes, _ in elements.found)
    assert elements.of("link") == elements.of("iframe") == []
    (policy,) = (a["content"] for a, _ in elements.of("meta") if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    scripts = [body for attributes, body in elements.of("script") if "type" not in attributes]
    assert [page.digest(body) in policy for body in scripts] == [True, True]


def test_bytes_are_the_same_again(ran, text):
    assert report(ran, threads=2).decode() == text


def test_headline_is_the_cubes(made, one):
    _, values = made
    tail = one.sel(level=0.99)
    es = interval(tail, "loss_es", component="total", venue=ALL, tier=ALL)
    card = values["headline"].cards[0]
    assert card.value == money(es["value"])
    assert card.interval == f"95% interval {ends(es)}"
    assert f"{money(es['value'])} ({ends(es)})" in values["headline"].answer
    any_fund = float(one.exhaustion_probability.sel(venue=ALL))
    assert values["headline"].cards[3].value == percent(any_fund)


def test_losses_are_the_cubes(made, one):
    view = made[0]["losses"].views[0]
    names = {"alpha": html.escape(NAME, quote=False), "beta": "Beta"}
    for trace, name in zip(view.data, ("loss_mean", "loss_var", "loss_es"), strict=True):
        values = one[name].sel(component="total", tier=ALL)
        values = values.sel(level=0.99) if "level" in values.dims else values
        expected = {names[venue]: float(values.sel(venue=venue)) for venue in names}
        assert dict(zip(trace["y"], trace["x"], strict=True)) == expected
    assert view.table.rows[-1][0] == "All venues"


def test_heat_map_is_the_cubes(made, about, one):
    figure = made[0]["heat"]
    labels = [view.label for view in figure.views]
    assert labels[:4] == ["ES 99%", "ES 90%", "ES 95%", "Mean"]
    assert len(labels) == 5
    tiers = [
        tier
        for tier in (*about.tiers, ALL)
        if float(one.loss_mean.sel(component="total", venue=ALL, tier=tier))
    ]
    for view, level in zip(figure.views, (0.99, 0.9, 0.95), strict=False):
        expected = one.loss_es.sel(component="total", level=level, tier=tiers)
        shown = np.array([[0 if z is None else 10**z for z in row] for row in view.data[0]["z"]])
        large = expected.values > expected.values.max() * 1.001e-4
        np.testing.assert_allclose(shown[large], expected.values[large], rtol=1e-12)
    held = about.job.scenario.arrays.tier_notional.sum()
    share = float(one.loss_es.sel(component="total", venue=ALL, tier=ALL, level=0.99)) / held
    assert 10 ** figure.views[-1].data[0]["z"][-1][-1] == pytest.approx(share)


def test_losses_of_others_are_not_put_over_isolated_positions():
    def shared(alpha, beta, interest):
        held = np.array([[2.0 * alpha], [2.0 * beta], [2.0 * (alpha + beta)]])
        about = SimpleNamespace(venues=("alpha", "beta"), value=lambda name, venue, asset: interest[venue])
        return losses.sharing_margin(about, held)

    assert shared(3, 1, {"alpha": 3, "beta": 1, ALL: 4}) == []
    assert shared(3, 1, {"alpha": 3, "beta": 2, ALL: 5}) == ["beta", ALL]
    assert shared(3, 0, {"alpha": 3, "beta": 0, ALL: 3}) == [ALL]


def test_waterfall_adds_up(made, one):
    for view, venue in zip(made[0]["waterfall"].views, (ALL, "alpha", "beta"), strict=False):
        (bars,) = view.data
        ends_at = np.add(bars["base"], bars["x"])
        total, margin, deficit, *payers = range(len(bars["x"]))
        mean = one.loss_mean.sel(venue=venue, tier=ALL)
        assert bars["x"][total] == float(mean.sel(component="total"))
        assert ends_at[margin] == pytest.approx(ends_at[total])
        assert bars["base"][margin] == pytest.approx(ends_at[deficit])
        if bars["x"][deficit]:
            assert ends_at[payers[0]] == pytest.approx(ends_at[deficit])
            assert bars["base"][payers[-1]] == pytest.approx(0, abs=1e-6 * bars["x"][deficit])
            starts = [bars["base"][i] for i in payers[:-1]]
            np.testing.assert_allclose(starts, ends_at[payers[1:]], rtol=1e-7)


def test_exceedance_agrees_with_value_at_risk(made, one):
    lines = {t["legendgroup"]: t for t in made[0]["exceedance"].views[0].data if t["hoverinfo"] == "text"}
    assert set(lines) == {"alpha", "beta", ALL}
    for venue, line in lines.items():
        amounts, chance = np.array(line["x"]), np.array(line["y"])
        assert (np.diff(amounts) > 0).all()
        assert (np.diff(chance) <= 0).all()
        for level in one.level.values:
            var = float(one.loss_var.sel(component="total", venue=venue, tier=ALL, level=level))
            assert (chance[amounts > 1.01 * var] <= 1 - level + 1e-9).all()
            assert (chance[amounts < 0.99 * var] >= 1 - level - 1e-9).all()


def test_convergence_ends_at_the_cube(made, one):
    band, line = made[0]["convergence"].views[0].data
    assert line["x"] == [50, 100, 150, 200]
    es = interval(one.sel(level=0.99), "loss_es", component="total", venue=ALL, tier=ALL)
    assert line["y"][-1] == pytest.approx(es["value"], rel=1e-12)
    n = len(line["x"])
    assert (band["y"][n - 1], band["y"][n]) == pytest.approx((es["upper"], es["lower"]), rel=1e-12)


def test_fans_are_paths_of_the_run(about):
    job = about.job
    found = fans.fans(job)
    shape = job.scenario.shape
    assert found.n_path == fans.n_paths(job) == 200
    assert found.minutes.tolist() == list(range(31))
    rows = Engine(job.backend, job.scenario).run_paths(job.config.run.seed, 0, 200).rows
    layout = Layout(shape)
    forced = layout.view(rows, "liquidated")[:, -1, -1, -1]
    expected = np.quantile(forced, fans.PROBABILITIES, method="inverted_cdf")
    np.testing.assert_allclose(found.forced_so_far[:, -1], expected, rtol=1e-5)
    np.testing.assert_allclose(
        np.quantile(layout.view(rows, "index_fall")[:, 0], 1.0), 1 - math.exp(_lowest(job)), rtol=1e-5
    )
    assert (found.index[:, :, 0] == 0).all()
    assert (found.depth[:, :, 0] == 1).all()
    assert (np.diff(found.index, axis=1) >= 0).all()


def _lowest(job):
    """Lowest log index of the first asset in the first 200 paths."""
    _, trace = Engine(job.backend, job.scenario).trace_paths(job.config.run.seed, 0, 200)
    return (trace["price"].astype(np.float64) * job.scenario.arrays.index_weight).sum(axis=-1)[..., 0].min()


def test_nobody_forced(about):
    found = fans.fans(about.job, 1)
    calm = dataclasses.replace(found, forced=0 * found.forced, forced_so_far=0 * found.forced_so_far)
    assert {view.says for view in through_time.forced(about, calm).views} == {
        "In the median path nobody is forced."
    }


def test_long_runs_keep_some_steps():
    assert fans.kept_steps(240).tolist() == list(range(241))
    kept = fans.kept_steps(1000)
    assert kept[0] == 0
    assert kept[-1] == 1000
    assert len(kept) <= fans.MOST_POINTS + 1


def test_engines_that_retrace(about):
    assert (
        fans.missing(dataclasses.replace(about.job, backend="jax"))
        == "the engine jax keeps no traces of paths"
    )
    if about.job.backend == "cpu":
        again = fans.fans(dataclasses.replace(about.job, backend="cuda"))
        assert np.array_equal(again.index, fans.fans(about.job).index)


def test_figures_are_what_plotly_takes(made):
    from plotly.graph_objects import Figure

    def resolved(value):
        if isinstance(value, str) and value.startswith("--"):
            name, _, opacity = value[2:].partition(" ")
            colour = theme.LIGHT[name]
            assert set(theme.LIGHT) == set(theme.DARK)
            parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            return f"rgba({','.join(map(str, parts))},{opacity})" if opacity else colour
        if isinstance(value, dict):
            return {key: resolved(each) for key, each in value.items()}
        return [resolved(each) for each in value] if isinstance(value, list | tuple) else value

    figures, _ = made
    expected = {"losses", "heat", "exceedance", "waterfall", "funds", "together", "price", "forced", "depth",
                "fund-left", "amplification", "sellers", "at-rest", "convergence"}  # fmt: skip
    assert expected <= set(figures)
    for figure in figures.values():
        assert figure.title
        assert figure.caption
        assert figure.alt
        for view in figure.views:
            Figure(resolved(view.data), resolved(view.layout))
            assert {len(row) for row in view.table.rows} == {len(view.table.head)}


def test_every_figure_has_its_table(made, text):
    figures, _ = made
    for key, figure in figures.items():
        body = text.partition(f'id="figure-{key}"')[2].partition("</figure>")[0]
        assert body.count("<table") == len(figure.views)
        assert 'role="img"' in body
        assert html.escape(str(figure.views[0].table.rows[0][0])) in body


def test_cube_alone(ran, tmp_path):
    copyfile(ran / "cube.h5", tmp_path / "cube.h5")
    file = write(tmp_path / "cube.h5")
    assert file == tmp_path / "report.html"
    words = " ".join(file.read_text().split())
    assert (
        "through time are left out: only the file of the cube was given, without the folder of its run."
        in words
    )
    assert 'data-figure="price"' not in words
    assert 'data-figure="convergence"' not in words
    assert 'data-figure="losses"' in words


def test_run_of_another_version(ran, monkeypatch):
    monkeypatch.setattr(jobs, "kernels_sha256", lambda: "0" * 64)
    words = " ".join(report(ran).decode().split())
    assert "was begun by another version of the program" in words
    assert 'data-figure="price"' not in words
    assert 'data-figure="convergence"' in words


def test_nothing_lost(root, tmp_path):
    calm = ["overlays=[]", "run.horizon=1m", "assets.BTC.volatility=0.01%", "assets.ETH.volatility=0.01%"]
    run = runs.run(root / "tests" / "configs" / "small.yaml", paths=20, out=tmp_path, overrides=calm)
    words = " ".join(report(run.path).decode().split())
    assert "In none of 20 simulated paths is any position closed at a loss." in words
    assert 'data-figure="waterfall"' not in words
    assert "all paths of this run are in one shard" in words
    assert "Nothing is lost on any venue." in words
    assert words.count("none loses anything") == 2
    assert "Most is lost" not in words
    assert 'data-figure="heat"' not in words
    assert '["$0"]' in words  # an axis of nothing has no dollars on it


def test_few_paths(root, tmp_path):
    words = report(runs.run(root / "tests" / "configs" / "small.yaml", paths=20, out=tmp_path).path).decode()
    sure = html.unescape(
        re.sub(r"<[^>]+>", "", words.partition("<dt>How sure?</dt>")[2].partition("</dd>")[0])
    )
    assert re.match(
        r"20 paths put the tail average at \$[\d.]+M–∞ \(95% interval, from the worst path\)", sure
    )
    assert "These are fewer than 50 paths" in sure


def test_verb(ran, tmp_path):
    def verb(*arguments):
        return CliRunner().invoke(cli.app, ["report", *map(str, arguments)])

    done = verb(ran, "--no-fans", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["report"] == str(ran / "report.html")
    words = " ".join((ran / "report.html").read_text().split())
    assert found["bytes"] == (ran / "report.html").stat().st_size
    assert "left out: the report was made without them (--no-fans)." in words
    assert "MB" in verb(ran, "--no-fans", "--out", tmp_path / "x.html").stdout
    assert (tmp_path / "x.html").read_bytes() == (ran / "report.html").read_bytes()
    assert verb(tmp_path).exception.exit_code == 2
    assert verb(ran, "--no-fans", "--out", tmp_path / "no" / "x.html").exception.exit_code == 2


def test_limits_say_what_validation_found(root, text):
    """What the page repeats of the model card; a card that says otherwise asks for other words here."""
    card = " ".join((root / "docs" / "validation.md").read_text().split())
    limits = text.partition('id="limits"')[2].partition("</section>")[0]
    limits = " ".join(re.sub(r"<[^>]+>", " ", limits).split())
    inside = r"(\d+) of (\d+) rows \(\S+%\) of {} are inside, (\d+) more inside a band too wide"
    sharp, n_row, wide = map(int, re.search(inside.format("all events"), card).groups())
    assert f"about two in five of {n_row} observations of past events lie inside the model" in limits
    assert "about as many again in bands too wide" in limits
    assert 0.35 < sharp / n_row < 0.45
    assert 0.3 < wide / n_row < 0.45
    alone = "events that nothing but the size of the news was fitted to"
    sharp, n_row, _ = map(int, re.search(inside.format(alone), card).groups())
    assert "of events that nothing else was fitted to, about one in five lies in a sharp band" in limits
    assert 0.15 < sharp / n_row < 0.27
    forced = r"notional that can be forced \| assumed \|[^|]*\| \$([\d.]+)B … \$([\d.]+)B"
    least, most = map(float, re.search(forced, card).groups())
    middle = float(re.search(r"100 paths: \$([\d.]+)B forced on average", card)[1])
    assert f"from {least / middle:.1f} to {most / middle:.1f} times" in limits


def test_a_page_never_replaces_a_file_of_a_run(ran, tmp_path):
    before = (ran / "cube.h5").read_bytes()
    for out in (ran / "cube.h5", ran / "shards" / "x.html"):
        with pytest.raises(ConfigError, match="could replace the run's own files"):
            write(ran, out, through_time=False)
    assert (ran / "cube.h5").read_bytes() == before
    with pytest.raises(ConfigError, match="there is no folder"):
        write(ran, tmp_path / "nowhere" / "x.html", through_time=False)
