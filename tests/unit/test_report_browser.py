"""The report in a browser: at two widths, in both themes, without a word on the console or to the network."""

import os

import pytest

from stress import runs
from stress.report import write
from tests.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("STRESS_REQUIRE_CHROMIUM"), reason="no chromium"
)


@pytest.fixture(scope="module")
def url(root, tmp_path_factory):
    run = runs.run(root / "tests" / "configs" / "small.yaml", out=tmp_path_factory.mktemp("results"))
    return write(run.path).as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    assert CHROMIUM, "STRESS_REQUIRE_CHROMIUM is set, and there is no chromium"
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def is_quiet(browser, url):
    assert browser.complaints() == []
    assert browser.requests() == [url]


@pytest.mark.parametrize("width", [1280, 390])
def test_figures_are_drawn(browser, url, width):
    browser.open(url, width)
    places = browser.evaluate("document.querySelectorAll('[data-figure]').length")
    drawn = browser.evaluate(
        "[...document.querySelectorAll('[data-figure]')].filter(p => {"
        "  const box = p.querySelector('.main-svg')?.getBoundingClientRect();"
        "  return box && box.width > 200 && box.height > 100 &&"
        "    p.querySelector('.trace, .heatmaplayer image, .hm image, .bars, .scatterlayer path') })"
        ".length"
    )
    assert places == drawn >= 13
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    is_quiet(browser, url)


def test_choices_and_themes(browser, url):
    browser.open(url, 1280)
    browser.evaluate(
        "(() => { const s = document.querySelector('[data-choice=heat]'); s.value = '3';"
        " s.dispatchEvent(new Event('change')) })()"
    )
    seen = "[...document.querySelectorAll('#figure-heat details [data-view]')].map(d => d.hidden)"
    assert browser.evaluate(seen) == [True, True, True, False, True]
    colour = "getComputedStyle(document.body).backgroundColor"
    tick = "getComputedStyle(document.querySelector('[data-figure=losses] .xtick text')).fill"
    light = browser.evaluate(colour), browser.evaluate(tick)
    browser.evaluate("document.getElementById('theme').click()")
    dark = browser.evaluate(colour), browser.evaluate(tick)
    assert all(one != other for one, other in zip(light, dark, strict=True))
    browser.evaluate("document.getElementById('theme').click()")
    assert (browser.evaluate(colour), browser.evaluate(tick)) == light
    is_quiet(browser, url)
    browser.open(url, 1280, dark=True)
    assert (browser.evaluate(colour), browser.evaluate(tick)) == dark
    is_quiet(browser, url)


def test_prints(browser, url):
    browser.open(url, 1280, dark=True)
    assert browser.pdf()[:5] == b"%PDF-"
    assert browser.evaluate("document.documentElement.dataset.theme ?? ''") == ""
    is_quiet(browser, url)
